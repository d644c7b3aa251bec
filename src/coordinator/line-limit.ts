/**
 * How often a peer can make a node write the same kind of line. Lines are written synchronously, so
 * one report of ten thousand transactions that each deserve a line would stop the node for seconds,
 * and its leases with it, where whoever reads the log is slow.
 */
import type { Clock } from '../ports/clock.ts';
import { RateLimit } from './rate-limit.ts';

const maxBurst = 50;
const perSecond = 10;

export class LineLimit {
  readonly #clock: Clock;
  /** By event: a few dozen. */
  readonly #kinds = new Map<string, { readonly limit: RateLimit; suppressed: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Null: not this one. Else what to write beside it: how many were left out since the last.
   * `isDue` false: it is left out whatever there is room for, and counted.
   */
  take(event: string, isDue = true): { readonly suppressed?: number } | null {
    let kind = this.#kinds.get(event);
    if (kind === undefined) {
      kind = { limit: new RateLimit(this.#clock, maxBurst, perSecond), suppressed: 0 };
      this.#kinds.set(event, kind);
    }
    if (!isDue || kind.limit.take() > 0) {
      kind.suppressed += 1;
      return null;
    }
    const { suppressed } = kind;
    kind.suppressed = 0;
    return suppressed === 0 ? {} : { suppressed };
  }
}
