/**
 * Whose turn it is to send statements. A library's transaction is a savepoint of the branch. A
 * rollback to it undoes all that came later, whoever sent it, even a transaction that was released:
 *
 *     A: SAVEPOINT   B: SAVEPOINT, UPDATE, RELEASE   A: ROLLBACK TO, and B's UPDATE is gone
 *
 * So while one is open, only the connection that opened it sends. Others wait, but not forever:
 * what uses the outer handle within its own transaction waits for itself.
 */
import type { Clock } from '../../ports/clock.ts';

export class Turns {
  readonly limitMs: number;
  readonly #clock: Clock;
  #holder: object | null = null;
  /** The statement that began what the holder has open, once no one can end it. */
  #leftOpen: string | null = null;
  #closed = false;
  #waiting: (() => void)[] = [];

  /** `timeoutMs`: the branch's own; 0 for none. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.limitMs = timeoutMs > 0 ? Math.min(maxTurnWaitMs, timeoutMs / 4) : maxTurnWaitMs;
  }

  get taken(): boolean {
    return this.#holder !== null;
  }

  get leftOpen(): string | null {
    return this.#leftOpen;
  }

  /** Calls `send` at once when no other one has the turn, in the same step as it sees that. */
  async run<T>(
    by: object,
    send: () => Promise<T>,
    tooLate: (limitMs: number) => Error,
  ): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + this.limitMs;
    while (!this.#closed && this.#holder !== null && this.#holder !== by) {
      const leftMs = untilMs - this.#clock.monotonicMs();
      if (leftMs <= 0 || this.#leftOpen !== null) throw tooLate(this.limitMs);
      await this.#change(leftMs);
    }
    return send();
  }

  take(by: object): void {
    this.#holder = by;
  }

  /** The turn is never given back: whoever waits for it need wait no longer. */
  leave(begun: string): void {
    this.#leftOpen = begun;
    this.#wake();
  }

  give(): void {
    this.#holder = null;
    this.#wake();
  }

  /** Nothing is sent any more: no one waits, but `send` has to say so. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(limitMs, resolve);
      this.#waiting.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

const maxTurnWaitMs = 5_000;
