/** A clock that stands still until the test moves it. */
import type { Clock, Timer } from '../../../src/ports/clock.ts';

interface Entry extends Timer {
  readonly dueMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  #serial = 0;
  readonly #entries = new Set<Entry>();
  #sleptMs = 0;
  #setByMs = 0;

  constructor(startMs = 1_000) {
    this.#nowMs = startMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs + this.#sleptMs + this.#setByMs;
  }

  /** As Linux tells it; a test of another system takes it away. */
  bootMs(): number {
    return 60_000 + this.#nowMs + this.#sleptMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    this.#serial += 1;
    const entry: Entry = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      serial: this.#serial,
      callback,
      cancel: () => this.#entries.delete(entry),
    };
    this.#entries.add(entry);
    return entry;
  }

  /** How many timers are set: 0 when nothing was left behind. */
  get timers(): number {
    return this.#entries.size;
  }

  /** Fires what falls due, in order, and lets promises settle before, between and after. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#next(endMs);
      if (next === null) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#entries.delete(next);
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** The machine sleeps: nothing is due meanwhile, and the monotonic clock stands still. */
  sleep(forMs: number): void {
    this.#sleptMs += forMs;
  }

  /** Somebody sets the wall clock. */
  setWall(byMs: number): void {
    this.#setByMs += byMs;
  }

  /** Moves the time without firing anything: a process that stood still. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }

  #next(endMs: number): Entry | null {
    let next: Entry | null = null;
    for (const entry of this.#entries) {
      if (entry.dueMs > endMs) continue;
      if (
        next === null ||
        entry.dueMs < next.dueMs ||
        (entry.dueMs === next.dueMs && entry.serial < next.serial)
      ) {
        next = entry;
      }
    }
    return next;
  }
}

/** Until every promise that can go on has done so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
