/**
 * How often peers may have a node write something down: each of them, and all together. Whoever
 * comes under a new name each time meets the limit of all.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import type { Clock } from '../ports/clock.ts';

export interface Pace {
  readonly burst: number;
  readonly perSecond: number;
}

export interface PeerBudgetOptions {
  readonly clock: Clock;
  readonly each: Pace;
  readonly all: Pace;
}

const maxPeers = 1_000;

export class PeerBudget {
  readonly #options: PeerBudgetOptions;
  readonly #all: RateLimit;
  /** The longest known first. */
  readonly #peers = new Map<string, RateLimit>();

  constructor(options: PeerBudgetOptions) {
    this.#options = options;
    this.#all = limitOf(options.clock, options.all);
  }

  /** Whether `peer` may once more: an address, or an identity. */
  take(peer: string): boolean {
    return this.#of(peer).take() === 0 && this.#all.take() === 0;
  }

  #of(peer: string): RateLimit {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    if (this.#peers.size >= maxPeers) {
      for (const oldest of this.#peers.keys()) {
        this.#peers.delete(oldest);
        break;
      }
    }
    const limit = limitOf(this.#options.clock, this.#options.each);
    this.#peers.set(peer, limit);
    return limit;
  }
}

function limitOf(clock: Clock, { burst, perSecond }: Pace): RateLimit {
  return new RateLimit(clock, burst, perSecond);
}
