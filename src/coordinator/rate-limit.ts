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
    this.#gain();
    if (this.#left < 1) return this.#msUntil(1);
    this.#left -= 1;
    return 0;
  }

  /** Of what has happened already: how long to wait before more of it. */
  spend(amount: number): number {
    this.#gain();
    this.#left -= amount;
    return this.#left >= 0 ? 0 : this.#msUntil(0);
  }

  #gain(): void {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - this.#atMs) / 1_000) * this.#perSecond;
    this.#left = Math.min(this.#maxBurst, this.#left + gained);
    this.#atMs = nowMs;
  }

  #msUntil(wanted: number): number {
    return Math.ceil(((wanted - this.#left) / this.#perSecond) * 1_000);
  }
}
