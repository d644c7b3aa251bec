/** How often something may happen: a token bucket. */
import type { Clock } from '../ports/clock.ts';

export class RateLimit {
  readonly #clock: Clock;
  readonly #maxBurst: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  /** `maxBurst` at once, after a while without any; `perSecond` forever. */
  constructor(clock: Clock, maxBurst: number, perSecond: number) {
    this.#clock = clock;
    this.#maxBurst = maxBurst;
    this.#perSecond = perSecond;
    this.#left = maxBurst;
    this.#atMs = clock.monotonicMs();
  }

  /** 0: now. Else how long to wait, in milliseconds. */
  take(): number {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond;
    this.#left = Math.min(this.#maxBurst, this.#left + gained);
    this.#atMs = nowMs;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / this.#perSecond) * 1_000);
    this.#left -= 1;
    return 0;
  }
}
