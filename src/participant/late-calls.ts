/**
 * Calls of the application that do not return. No one can end them from outside, their branches
 * wait for them, and each keeps its place: once they have all of them, nothing else of this
 * participant is prepared, or ended. Whoever runs it must hear of that.
 */
import type { Timer } from '../ports/clock.ts';
import type { BranchRef } from '../ports/resource.ts';
import type { ParticipantContext } from './context.ts';
import { maxNamed } from './held.ts';

export interface ApplicationCall extends BranchRef {
  readonly call: 'prepare' | 'commit' | 'rollback';
  readonly startedAtMs: number;
  /** Its time-out, as from `startedAtMs`; 0: none. Late is what goes on long after it. */
  readonly timeoutMs: number;
}

/** How many are late, by what is called. */
export type LateCounts = Record<ApplicationCall['call'], number>;

export interface LateCallsOptions
  extends Pick<ParticipantContext, 'participant' | 'clock' | 'logger' | 'options'> {
  /** How many wait for a place. */
  readonly waiting: () => number;
}

const lateAfterMs = 10_000;
const warnEveryMs = 60_000;

export class LateCalls {
  readonly #given: LateCallsOptions;
  /** In the order in which they began, by what its caller has of each. */
  readonly #running = new Map<object, ApplicationCall>();
  #timer: Timer | null = null;
  #closed = false;
  #warnAtMs = 0;

  constructor(given: LateCallsOptions) {
    this.#given = given;
  }

  begin(key: object, call: Omit<ApplicationCall, 'startedAtMs'>): void {
    const { txid, branch, call: name, timeoutMs } = call;
    const startedAtMs = this.#given.clock.monotonicMs();
    this.#running.set(key, { txid, branch, call: name, timeoutMs, startedAtMs });
    // Not stopped when the last returns: that would be a timer for each call where few are made.
    if (this.#timer === null) this.#later();
  }

  /** No effect on one that did not begin. */
  end(key: object): void {
    this.#running.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  counts(): LateCounts {
    const counts: LateCounts = { prepare: 0, commit: 0, rollback: 0 };
    for (const { call } of this.#late()) counts[call] += 1;
    return counts;
  }

  #late(): ApplicationCall[] {
    const nowMs = this.#given.clock.monotonicMs();
    return [...this.#running.values()].filter(
      ({ startedAtMs, timeoutMs }) => nowMs >= startedAtMs + timeoutMs + lateAfterMs,
    );
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = this.#given.clock.setTimer(lateAfterMs, () => {
      this.#timer = null;
      if (this.#running.size === 0) return;
      this.#warn();
      this.#later();
    });
  }

  #warn(): void {
    const { participant, clock, logger, options, waiting } = this.#given;
    const nowMs = clock.monotonicMs();
    const late = this.#late();
    if (late.length === 0 || nowMs < this.#warnAtMs) return;
    this.#warnAtMs = nowMs + warnEveryMs;
    const calls = late.slice(0, maxNamed).map(({ txid, branch, call, startedAtMs }) => {
      return { call, txid, branch, sinceMs: Math.round(nowMs - startedAtMs) };
    });
    logger.warn(
      { participant, count: late.length, waiting: waiting(), calls },
      `calls of the application have not returned. Their branches do not end before they do, and each keeps one of the ${options.maxConcurrency} places (maxConcurrency). Look what they wait for, and give it a time-out: a commit or rollback that throws is called again. A restart of the process frees the places. Logged once a minute while that lasts`,
    );
  }
}
