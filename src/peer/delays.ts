import { type TimerHandle, TimerWheel } from '../core/timer-wheel.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** Later than this is no matter of a busy turn. */
const stoodStillMs = 50;
/** Of one standstill. All that stood still with it, a machine or a container, may answer in it. */
const maxPatienceMs = 1_000;

interface Armed {
  readonly atMs: number;
  readonly timer: Timer;
  /** It waits out a standstill. What fires after it is as late as may be. */
  readonly isPatient: boolean;
}

/** What is waited for: the answers of others, or no more than that the time comes. */
export type WaitFor = 'others' | 'time';

/**
 * The timer for the earliest of many time-outs. A process that stood still - stopped, throttled, or
 * in a long computation - comes to its timers before it reads what others sent meanwhile: it would
 * take its own silence for theirs. So where it waits for others and is late, it waits for as long
 * once more, within bounds, and reads first.
 */
export class Wake {
  readonly #clock: Clock;
  readonly #waitFor: WaitFor;
  readonly #due: () => void;
  #armed: Armed | null = null;

  /** `due`: what is due may fire. */
  constructor(clock: Clock, waitFor: WaitFor, due: () => void) {
    this.#clock = clock;
    this.#waitFor = waitFor;
    this.#due = due;
  }

  /** Calls back at that time, or before: where it is set for an earlier one. */
  set(atMs: number): void {
    const armed = this.#armed;
    if (armed !== null && (armed.isPatient || armed.atMs <= atMs)) return;
    this.#arm(atMs, false);
  }

  cancel(): void {
    this.#armed?.timer.cancel();
    this.#armed = null;
  }

  /** Whether what is due by now may fire, asked by who comes before the timer does. */
  mayFire(nowMs: number): boolean {
    const armed = this.#armed;
    if (armed === null) return true;
    if (armed.isPatient) return nowMs >= armed.atMs;
    const lateMs = nowMs - armed.atMs;
    if (this.#waitFor === 'time' || lateMs <= stoodStillMs) return true;
    this.#arm(nowMs + Math.min(lateMs, maxPatienceMs), true);
    return false;
  }

  #arm(atMs: number, isPatient: boolean): void {
    this.#armed?.timer.cancel();
    const delayMs = Math.max(0, atMs - this.#clock.monotonicMs());
    const timer = this.#clock.setTimer(delayMs, () => {
      // A clock may be early by a hair.
      if (!isPatient && !this.mayFire(this.#clock.monotonicMs())) return;
      this.#armed = null;
      this.#due();
    });
    this.#armed = { atMs, timer, isPatient };
  }
}

/** Many delays, of which nearly all are stopped early: a wheel, on one timer of the clock. */
export class Delays<Value> {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel<Value>;
  readonly #wake: Wake;
  #closed = false;

  constructor(clock: Clock, waitFor: WaitFor, fire: (value: Value) => void) {
    this.#clock = clock;
    this.#wheel = new TimerWheel({ nowMs: clock.monotonicMs(), granularityMs: 1 });
    this.#wake = new Wake(clock, waitFor, () => {
      this.#wheel.advance(clock.monotonicMs(), fire);
      this.#arm();
    });
  }

  start(delayMs: number, value: Value): TimerHandle {
    const handle = this.#wheel.schedule(this.#clock.monotonicMs() + delayMs, value);
    this.#arm();
    return handle;
  }

  /** No effect on one that fired or was stopped. */
  stop(handle: TimerHandle): void {
    this.#wheel.cancel(handle);
    // A timer that waits for nothing would keep the process from ending.
    if (this.#wheel.size === 0) this.#wake.cancel();
  }

  close(): void {
    this.#closed = true;
    this.#wake.cancel();
  }

  #arm(): void {
    const atMs = this.#closed ? null : this.#wheel.nextAtMs();
    if (atMs !== null) this.#wake.set(atMs);
  }
}
