/**
 * How often one connection may force aborts at a node that does not lead: each may be a write
 * to the log. A participant that comes back with thousands of doubts gets through in seconds; no
 * one fills the log.
 */
import type { Clock } from '../ports/clock.ts';

/** At once, after a while without any; and forever. */
const maxBurst = 1_000;
const perSecond = 200;

export class ForcingLimit {
  readonly #clock: Clock;
  #left = maxBurst;
  #atMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
  }

  /** 0: now. Else how long to wait, in milliseconds. */
  take(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(maxBurst, this.#left + ((nowMs - this.#atMs) / 1_000) * perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) / perSecond) * 1_000);
    this.#left -= 1;
    return 0;
  }
}
