/**
 * Keeps the rows that say which branches committed from growing without bound.
 *
 * A row is the only proof that a commit whose reply was lost has happened, so it must outlive every
 * commit that may still be asked. The SDK writes down that a branch is committed as soon as `commit`
 * returned, and dies where it cannot; from then on it never asks again. So:
 *
 * - A row of a commit that returned in this very process, and that lies `ownKeepMs` back, goes: the process lives, so
 *   the note is written.
 * - Every other row - of a process that ended in between - may be asked for as long as the branch stays in
 *   doubt: until its participant is back and a node answers. These are marked when they are first seen, and go
 *   `strangeKeepMs` after. A participant that is away for longer and then asks again is told that the branch
 *   is unknown, which it reports and retries: an alarm for an operator, never a wrong outcome.
 */
import type { Clock } from '../../../ports/clock.ts';

const ownKeepMs = 10 * 60_000;
export const strangeKeepMs: number = 7 * 24 * 3_600_000;
const strangeIntervalMs = 3_600_000;
const batch = 256;
/** Beyond this many, the oldest are left to the other rule. */
const ownMax = 200_000;

export interface OutcomeRowsOptions {
  readonly clock: Clock;
  /** Deletes the rows of these branches. */
  readonly remove: (names: readonly string[]) => Promise<void>;
  /** Marks rows that are not marked, and deletes those that were marked `strangeKeepMs` ago. */
  readonly sweepStrange: () => Promise<void>;
  readonly keepMs?: number;
}

export class OutcomeRows {
  readonly #with: OutcomeRowsOptions;
  readonly #keepMs: number;
  /** In the order of their commits. */
  readonly #own = new Map<string, number>();
  #strangeSweptAtMs: number | null = null;
  #sweeping = false;

  constructor(options: OutcomeRowsOptions) {
    this.#with = options;
    this.#keepMs = options.keepMs ?? ownKeepMs;
  }

  /** The commit of this branch is about to return. Never waits, never fails. */
  committed(name: string): void {
    const nowMs = this.#with.clock.monotonicMs();
    this.#own.delete(name);
    this.#own.set(name, nowMs);
    for (const oldest of this.#own.keys()) {
      if (this.#own.size <= ownMax) break;
      this.#own.delete(oldest);
    }
    if (!this.#sweeping) void this.#sweep(nowMs);
  }

  async #sweep(nowMs: number): Promise<void> {
    const due: string[] = [];
    for (const [name, atMs] of this.#own) {
      if (atMs > nowMs - this.#keepMs || due.length === batch) break;
      due.push(name);
    }
    const strangeDue =
      this.#strangeSweptAtMs === null || nowMs - this.#strangeSweptAtMs >= strangeIntervalMs;
    if (due.length < batch / 4 && !strangeDue) return;
    this.#sweeping = true;
    try {
      if (due.length > 0) await this.#with.remove(due);
      for (const name of due) this.#own.delete(name);
      if (strangeDue) {
        this.#strangeSweptAtMs = nowMs;
        await this.#with.sweepStrange();
      }
    } catch {
      // What could not be deleted is tried again after the next commit.
    } finally {
      this.#sweeping = false;
    }
  }
}
