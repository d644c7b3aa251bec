/**
 * Bounds what costs time and brings nothing: pings, pongs that answer no ping, frames without a
 * message, and whatever comes after the end. One turn reads all that one read brings: unbounded,
 * one peer takes the whole process. The bound is what a legitimate peer ever needs.
 */
import type { Clock } from '../../ports/clock.ts';

const maxBurst = 1_000;
/** The shortest heart-beat there is makes 100 pings a second. */
const maxPerSecond = 200;

export class IdleFrames {
  readonly #clock: Clock;
  #left = maxBurst;
  #atMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
  }

  /** One more came. False: one too many. */
  take(): boolean {
    if (this.#left < 1) this.#refill();
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(maxBurst, ((nowMs - this.#atMs) / 1_000) * maxPerSecond);
    this.#atMs = nowMs;
  }
}
