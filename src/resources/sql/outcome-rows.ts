/**
 * Bounds the rows that say which branches committed. A row is the only proof that a commit whose
 * reply was lost has happened, or that one which a sibling takes over is done already. So it must
 * outlive every commit that may still be sent:
 *
 * - A row goes `keepMs` after the instance that voted was told to forget: all have acknowledged.
 * - Every other row (its process ended for good, or a sibling committed for it) may be asked for as
 *   long as that instance may come back. It is marked when first seen, and goes `strangeKeepMs`
 *   later. A participant that was away for longer is told that the branch is unknown, reports that
 *   and retries: an alarm for an operator, never a wrong outcome.
 */
import type { Clock } from '../../ports/clock.ts';

const keepMs = 10 * 60_000;
export const strangeKeepMs: number = 7 * 24 * 3_600_000;
const strangeIntervalMs = 3_600_000;
const batch = 256;
/** Beyond this many, the oldest are left to the other rule. */
const maxForgotten = 200_000;

export interface RowStatements {
  /** Says in the branch's row for which instance a sibling committed it. */
  readonly note: (name: string, mark: string) => Promise<unknown>;
  readonly remove: (names: readonly string[]) => Promise<unknown>;
  /** Marks rows that are not marked, and deletes those that were marked `strangeKeepMs` ago. */
  readonly sweepStrange: () => Promise<void>;
}

export class OutcomeRows {
  readonly #options: RowStatements & { readonly clock: Clock };
  readonly #forgotten = new Map<string, number>();
  #strangeSweptAtMs: number | null = null;
  #sweeping = false;
  /** Asked for during one (!: a long one, and what was due waited for a commit that never came). */
  #sweepsAgain = false;

  constructor(options: RowStatements & { readonly clock: Clock }) {
    this.#options = options;
  }

  /** No one asks for this branch any more. Never waits, never fails. */
  forgotten(name: string): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#forgotten.delete(name);
    this.#forgotten.set(name, nowMs);
    for (const oldest of this.#forgotten.keys()) {
      if (this.#forgotten.size <= maxForgotten) break;
      this.#forgotten.delete(oldest);
    }
    void this.#sweep(nowMs);
  }

  /** The commit of a branch is about to return. Never waits, never fails. */
  committed(): void {
    void this.#sweep(this.#options.clock.monotonicMs());
  }

  async #sweep(nowMs: number): Promise<void> {
    if (this.#sweeping) {
      this.#sweepsAgain = true;
      return;
    }
    const due: string[] = [];
    for (const [name, atMs] of this.#forgotten) {
      if (atMs > nowMs - keepMs || due.length === batch) break;
      due.push(name);
    }
    const strangeDue =
      this.#strangeSweptAtMs === null || nowMs - this.#strangeSweptAtMs >= strangeIntervalMs;
    if (due.length < batch / 4 && !strangeDue) return;
    this.#sweeping = true;
    try {
      if (due.length > 0) await this.#options.remove(due);
      for (const name of due) this.#forgotten.delete(name);
      if (strangeDue) {
        this.#strangeSweptAtMs = nowMs;
        await this.#options.sweepStrange();
      }
    } catch {
      // What could not be deleted is tried again after the next commit.
    } finally {
      this.#sweeping = false;
      if (this.#sweepsAgain) {
        this.#sweepsAgain = false;
        this.committed();
      }
    }
  }
}
