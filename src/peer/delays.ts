import { type TimerHandle, TimerWheel } from '../core/timer-wheel.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** Many delays, of which nearly all are stopped early: a wheel, on one timer of the clock. */
export class Delays<Value> {
  readonly #clock: Clock;
  readonly #fire: (value: Value) => void;
  readonly #wheel: TimerWheel<Value>;
  #wake: { readonly atMs: number; readonly timer: Timer } | null = null;
  #closed = false;

  constructor(clock: Clock, fire: (value: Value) => void) {
    this.#clock = clock;
    this.#fire = fire;
    this.#wheel = new TimerWheel({ nowMs: clock.monotonicMs(), granularityMs: 1 });
  }

  start(delayMs: number, value: Value): TimerHandle {
    const nowMs = this.#clock.monotonicMs();
    const handle = this.#wheel.schedule(nowMs + delayMs, value);
    this.#arm(nowMs);
    return handle;
  }

  /** No effect on one that fired or was stopped. */
  stop(handle: TimerHandle): void {
    this.#wheel.cancel(handle);
    // A timer that waits for nothing would keep the process from ending.
    if (this.#wheel.size === 0) this.#clearWake();
  }

  close(): void {
    this.#closed = true;
    this.#clearWake();
  }

  #clearWake(): void {
    this.#wake?.timer.cancel();
    this.#wake = null;
  }

  #arm(nowMs: number): void {
    const atMs = this.#closed ? null : this.#wheel.nextAtMs();
    if (atMs === null || (this.#wake !== null && this.#wake.atMs <= atMs)) return;
    this.#wake?.timer.cancel();
    const timer = this.#clock.setTimer(Math.max(0, atMs - nowMs), () => {
      this.#wake = null;
      const dueMs = this.#clock.monotonicMs();
      this.#wheel.advance(dueMs, this.#fire);
      this.#arm(dueMs);
    });
    this.#wake = { atMs, timer };
  }
}
