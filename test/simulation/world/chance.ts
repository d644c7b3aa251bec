/**
 * Seeded chance, in streams of their own: a fault that is switched off must not change what the
 * others draw.
 */
import type { Random } from '../../../src/ports/random.ts';
import { fractions } from '../../../src/system/random.ts';

const digits = '0123456789abcdefghijklmnopqrstuvwxyz';

export class Chance implements Random {
  readonly #fraction: () => number;

  constructor(seed: number, stream: string) {
    let hash = 0x811c9dc5;
    for (let index = 0; index < stream.length; index += 1) {
      hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193);
    }
    this.#fraction = fractions(
      Uint32Array.of(seed >>> 0, hash >>> 0, Math.floor(seed / 2 ** 32), 1),
    );
  }

  fraction(): number {
    return this.#fraction();
  }

  token(length: number): string {
    let text = '';
    while (text.length < length) text += digits[Math.floor(this.#fraction() * digits.length)];
    return text;
  }

  happens(probability: number): boolean {
    return this.#fraction() < probability;
  }

  between(low: number, high: number): number {
    return low + this.#fraction() * (high - low);
  }

  /** From `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.#fraction() * (high - low + 1));
  }

  /** Spread evenly over the orders of magnitude: rates and delays. */
  logarithmic(low: number, high: number): number {
    return low * (high / low) ** this.#fraction();
  }

  pick<T>(list: readonly T[]): T {
    const one = list[Math.floor(this.#fraction() * list.length)];
    if (one === undefined) throw new Error('Nothing to pick from.');
    return one;
  }
}
