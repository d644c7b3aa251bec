/**
 * How often a peer can make a node write the same kind of line. Lines are written synchronously, so
 * one report of ten thousand transactions that each deserve a line would stop the node for seconds,
 * and its leases with it, where whoever reads the log is slow.
 */
import type { Clock } from '../ports/clock.ts';

/** At once, after a while without any; and forever. */
const maxBurst = 50;
const perSecond = 10;

interface Kind {
  left: number;
  atMs: number;
  suppressed: number;
}

export class LineLimit {
  readonly #clock: Clock;
  /** By event: a few dozen. */
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Null: not this one. Else what to write beside it: how many were left out since the last. */
  take(event: string): { readonly suppressed?: number } | null {
    const nowMs = this.#clock.monotonicMs();
    const kind = this.#kinds.get(event) ?? { left: maxBurst, atMs: nowMs, suppressed: 0 };
    this.#kinds.set(event, kind);
    kind.left = Math.min(maxBurst, kind.left + ((nowMs - kind.atMs) / 1_000) * perSecond);
    kind.atMs = nowMs;
    if (kind.left < 1) {
      kind.suppressed += 1;
      return null;
    }
    kind.left -= 1;
    const { suppressed } = kind;
    kind.suppressed = 0;
    return suppressed === 0 ? {} : { suppressed };
  }
}
