/**
 * Sweeps tombstones that are old enough (8.8), a few at a time. A readonly vote, which no node may
 * ever mention again, is remembered as long, and then becomes a tombstone.
 */
import type { Timer } from '../ports/clock.ts';
import type { BranchKey } from '../ports/journal.ts';
import { steadyWall } from '../system/steady-wall.ts';
import type { ParticipantContext } from './context.ts';

/** Entries one step takes, so that no vote waits long behind it. */
const maxStep = 500;
/** Between two steps where there is more to do. */
const stepPauseMs = 50;
/** Readonly votes that wait to become old; past it the oldest go: a repeat has no answer then. */
const maxReadonly = 1_000_000;

export class Housekeeping {
  readonly #given: ParticipantContext;
  readonly #wallMs: () => number;
  readonly #startedAtMs: number;
  #readonly: (BranchKey & { readonly atMs: number })[] = [];
  #head = 0;
  #timer: Timer | null = null;
  #closed = false;
  #step: Promise<void> = Promise.resolve();

  constructor(given: ParticipantContext) {
    this.#given = given;
    this.#wallMs = steadyWall(given.clock);
    this.#startedAtMs = given.clock.monotonicMs();
  }

  start(): void {
    this.#later(this.#restMs());
  }

  votedReadonly({ txid, branch }: BranchKey): void {
    this.#readonly.push({ txid, branch, atMs: this.#given.clock.monotonicMs() });
  }

  /** Resolves when no step is under way. */
  close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    return this.#step;
  }

  #restMs(): number {
    return Math.max(1_000, Math.floor(this.#given.options.tombstoneMs / 20));
  }

  #later(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#given.clock.setTimer(delayMs, () => {
      this.#step = this.#sweep().then(
        (more) => this.#later(more ? stepPauseMs : this.#restMs()),
        (error: unknown) => {
          if (!this.#closed) this.#given.fatal(error);
        },
      );
    });
  }

  async #sweep(): Promise<boolean> {
    const { journal, clock } = this.#given;
    const { tombstoneMs } = this.#given.options;
    const old = this.#oldReadonly(clock.monotonicMs() - tombstoneMs);
    if (old.length > 0) await journal.forgetReadonly(old);
    // A clock set forward must not make tombstones old: what they keep out may be under way.
    const ranLong = clock.monotonicMs() - this.#startedAtMs >= tombstoneMs;
    const beforeMs = ranLong ? this.#wallMs() - tombstoneMs : 0;
    const swept = await journal.sweep({ beforeMs, limit: maxStep });
    return swept >= maxStep || old.length >= maxStep;
  }

  #oldReadonly(beforeMs: number): BranchKey[] {
    const old: BranchKey[] = [];
    for (; old.length < maxStep; this.#head += 1) {
      const entry = this.#readonly[this.#head];
      const tooMany = this.#readonly.length - this.#head > maxReadonly;
      if (entry === undefined || (entry.atMs > beforeMs && !tooMany)) break;
      old.push(entry);
    }
    if (this.#head * 2 > this.#readonly.length) {
      this.#readonly = this.#readonly.slice(this.#head);
      this.#head = 0;
    }
    return old;
  }
}
