/** What one connection holds of something that all share, kept up to date by its owner. */
import type { Origin, Shares } from '../../core/shares.ts';

/** What everyone may have without being counted: nearly all connections never hold more. */
const freeBytes = 16_384;

export class Account {
  readonly #shares: Shares;
  readonly #origin: Origin;
  #held = 0;

  constructor(shares: Shares, origin: Origin) {
    this.#shares = shares;
    this.#origin = origin;
  }

  /** It holds so many bytes now. False: more than its due; what it held before stays counted. */
  set(bytes: number): boolean {
    const counted = bytes > freeBytes ? bytes : 0;
    const more = counted - this.#held;
    if (more === 0) return true;
    if (more > 0 && !this.#shares.admits(this.#origin, more)) return false;
    this.#shares.take(this.#origin, more);
    this.#held = counted;
    return true;
  }
}
