/**
 * Bounds what costs time and brings nothing: pings, pongs that answer no ping, frames without a message, and whatever
 * comes after the end. Each is cheap, and all that one read brings are read in one turn: without a bound one peer takes
 * the whole process. A peer may send as many as a legitimate one ever needs, in one burst and in the long run.
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
