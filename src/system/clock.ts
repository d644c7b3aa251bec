import { uptime } from 'node:os';
import type { Clock, Timer } from '../ports/clock.ts';

/** Node fires a timer with a longer delay at once. */
const maxDelayMs = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #dueMs: number;
  readonly #callback: () => void;
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.#dueMs = performance.now() + delayMs;
    this.#callback = callback;
    this.#handle = this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(this.#fire, Math.min(Math.ceil(delayMs), maxDelayMs));
  }

  /** Early after a clamped delay, and by up to 1 ms because the event loop's clock is coarse. */
  readonly #fire = (): void => {
    const leftMs = this.#dueMs - performance.now();
    if (leftMs > 0) this.#handle = this.#arm(leftMs);
    else this.#callback();
  };
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  // On Linux CLOCK_BOOTTIME. Elsewhere Node derives it from the wall clock, in whole seconds.
  ...(process.platform === 'linux' ? { bootMs: () => uptime() * 1_000 } : {}),
  setTimer: (delayMs, callback) => new SystemTimer(Math.max(0, delayMs), callback),
};
