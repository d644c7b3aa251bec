/**
 * Gives answers that may be large, pages of lists, in a small part of the time: even kept ones are
 * written out for each peer, a megabyte each, and many may ask at once. What such an answer costs
 * to encrypt and to send comes on top, and is not seen here.
 *
 * Askers take turns, and none may have all places: whoever only looks must not keep an operator
 * from looking, and from what it would do then.
 */
import { type Origin, Shares } from '../core/shares.ts';
import type { Clock } from '../ports/clock.ts';

/** No further one is begun once so long was spent on them at a stretch. */
const turnMs = 2;
/** How many times as long as they took the rest of the node has for itself. */
const restFactor = 8;
const maxWaiting = 256;

interface Waiting {
  readonly asker: Origin;
  readonly answer: () => void;
}

export class PacedAnswers {
  readonly #clock: Clock;
  /** By whose share it is; the one whose turn it is stands first. None is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #places = new Shares(maxWaiting);
  /** What was spent on them and is not made up for yet, as of then. */
  #owedMs = 0;
  #asOfMs = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): { readonly entries: number; readonly maxEntries: number } {
    return { entries: this.#places.used, maxEntries: maxWaiting };
  }

  /** Now, or in its turn. False: too many wait, or too many of its asker. */
  give(asker: Origin, answer: () => void): boolean {
    if (!this.#places.admits(asker, 1)) return false;
    this.#places.take(asker, 1);
    const same = this.#waiting.get(asker.address) ?? [];
    same.push({ asker, answer });
    this.#waiting.set(asker.address, same);
    if (!this.#scheduled) this.#giveSome();
    return true;
  }

  #next(): (() => void) | null {
    for (const [address, same] of this.#waiting) {
      this.#waiting.delete(address);
      const first = same.shift();
      if (same.length > 0) this.#waiting.set(address, same);
      if (first === undefined) continue;
      this.#places.take(first.asker, -1);
      return first.answer;
    }
    return null;
  }

  #giveSome(): void {
    let nowMs = this.#clock.monotonicMs();
    this.#owedMs = Math.max(0, this.#owedMs - (nowMs - this.#asOfMs) / restFactor);
    while (this.#owedMs < turnMs) {
      const answer = this.#next();
      if (answer === null) break;
      const startMs = nowMs;
      answer();
      nowMs = this.#clock.monotonicMs();
      this.#owedMs += nowMs - startMs;
    }
    this.#asOfMs = nowMs;
    if (this.#waiting.size === 0) return;
    this.#scheduled = true;
    this.#clock.setTimer(this.#owedMs * restFactor, () => {
      this.#scheduled = false;
      this.#giveSome();
    });
  }
}
