/**
 * Steps that are taken a few in each turn. What thousands of sockets cause at once would, taken in
 * one turn, keep every other peer waiting.
 */
import { atEndOfTurn } from '../../system/turn.ts';

/** A step takes some 50 microseconds, to the last of those who hear of it. */
const maxPerTurn = 32;

export class Portions {
  #waiting: (() => void)[] = [];
  #scheduled = false;

  later(step: () => void): void {
    this.#waiting.push(step);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    atEndOfTurn(this.#turnOver);
  }

  readonly #turnOver = (): void => {
    this.#scheduled = false;
    for (const step of this.#waiting.splice(0, maxPerTurn)) step();
    this.#schedule();
  };
}
