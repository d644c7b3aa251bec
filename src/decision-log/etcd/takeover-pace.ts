/**
 * How soon a node may take a shard over again on evidence that its leader is gone.
 *
 * The evidence may be wrong: a listener that is overloaded or fenced off by a firewall refuses
 * connections too. A wrong takeover costs an election, never an outcome, but two nodes that each
 * think the other is gone would take turns forever. So a takeover is judged afterwards by the old
 * leader's lease: was it kept alive, the process lived, and the pause before the next takeover
 * doubles. Where the lease runs out, the evidence was right.
 */
import { backoffMs } from '../../core/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { beatsPerTtl } from './lease.ts';

const delays = { retryDelayMs: 250, maxRetryDelayMs: 30_000 };
/** Of takeovers not yet judged, only the latest few are looked at. */
const maxOpen = 16;

/** Etcd's word about a lease: whole seconds left, rounded down; -1 when it is gone. */
export type TimeToLive = (lease: string) => Promise<{ leftS: number; grantedS: number }>;

export class TakeoverPace {
  readonly #clock: Clock;
  readonly #timeToLive: TimeToLive;
  #open: { readonly lease: string; readonly atMs: number }[] = [];
  #wrong = 0;
  #lastWrongAtMs = 0;

  constructor(options: { readonly clock: Clock; readonly timeToLive: TimeToLive }) {
    this.#clock = options.clock;
    this.#timeToLive = options.timeToLive;
  }

  /** A takeover on evidence was done; `lease` was the old leader's. */
  took(lease: string): void {
    this.#open = [...this.#open, { lease, atMs: this.#clock.monotonicMs() }].slice(-maxOpen);
  }

  /** A leadership came after the one before had run out: no guess was needed. */
  expired(): void {
    this.#open = [];
    this.#wrong = 0;
  }

  /**
   * Whether the lease was kept alive within the time between two beats. Etcd's whole seconds say
   * how long it was not, at least.
   */
  async isBeating(lease: string): Promise<boolean> {
    const { leftS, grantedS } = await this.#timeToLive(lease);
    return (grantedS - leftS - 1) * beatsPerTtl < grantedS;
  }

  async pauseMs(): Promise<number> {
    await this.#judge();
    if (this.#wrong === 0) return 0;
    const pauseMs = backoffMs(this.#wrong, delays);
    return Math.max(0, this.#lastWrongAtMs + pauseMs - this.#clock.monotonicMs());
  }

  async #judge(): Promise<void> {
    const open = this.#open;
    if (open.length === 0) return;
    this.#open = [];
    for (const takeover of open) {
      const { leftS, grantedS } = await this.#timeToLive(takeover.lease);
      if (leftS < 0) continue;
      const elapsedMs = this.#clock.monotonicMs() - takeover.atMs;
      // A lease that no one kept alive since the takeover has no more than this left.
      if (leftS * 1_000 > grantedS * 1_000 - elapsedMs) {
        this.#wrong += 1;
        this.#lastWrongAtMs = takeover.atMs;
      } else {
        this.#open.push(takeover);
      }
    }
  }
}
