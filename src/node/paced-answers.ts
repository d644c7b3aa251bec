/**
 * Gives answers that may be large, pages of lists, a few in each turn: even kept ones are written
 * out for each peer, a megabyte each, and many may ask at once.
 */
import type { Clock } from '../ports/clock.ts';

/** No further one is begun in a turn that has spent so long on them. */
const turnMs = 2;
const maxWaiting = 256;

export class PacedAnswers {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #spentMs = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): { readonly entries: number; readonly maxEntries: number } {
    return { entries: this.#waiting.length, maxEntries: maxWaiting };
  }

  /** Now, or in its turn. False: too many wait. */
  give(answer: () => void): boolean {
    if (this.#waiting.length >= maxWaiting) return false;
    this.#waiting.push(answer);
    this.#giveSome();
    return true;
  }

  #giveSome(): void {
    while (this.#spentMs < turnMs) {
      const answer = this.#waiting.shift();
      if (answer === undefined) break;
      const startMs = this.#clock.monotonicMs();
      answer();
      this.#spentMs += this.#clock.monotonicMs() - startMs;
    }
    if (this.#scheduled || this.#spentMs === 0) return;
    this.#scheduled = true;
    this.#clock.setTimer(0, () => {
      this.#scheduled = false;
      this.#spentMs = 0;
      this.#giveSome();
    });
  }
}
