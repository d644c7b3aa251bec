/** Time that runs by itself, and that a test moves ahead. */
import type { Clock, Timer } from '../ports/clock.ts';
import { later, realClock, turn } from '../system/real-time.ts';

interface Entry {
  readonly dueMs: number;
  readonly serial: number;
  readonly callback: () => void;
}

/** Turns of the event loop after each timer: a message there and back takes some four. */
const turnsAfterTimer = 8;

/**
 * The time of a test coordinator, and of the clients and participants that are given its options.
 * It runs as real time does, so that nothing has to wait for a test, and `advance` moves it ahead.
 */
export interface TestClock {
  /** Milliseconds since some point. */
  monotonicMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /**
   * Moves the time ahead. What falls due meanwhile is called in its order, and between two such
   * moments messages are delivered and promises go on. Resolves when that is done. What a service
   * waits for outside - a database, a socket of its own - takes real time and is not waited for.
   */
  advance(byMs: number): Promise<void>;
}

export class MovedClock implements Clock, TestClock {
  readonly #entries = new Set<Entry>();
  readonly #due = new Set<Entry>();
  readonly #wallAtZeroMs: number = realClock.wallMs() - realClock.monotonicMs();
  #aheadMs = 0;
  #serial = 0;
  #advancing: Promise<void> = Promise.resolve();
  /** Where an advance has come to: real time does not pass meanwhile. */
  #fixedMs: number | null = null;
  #wake: Timer | null = null;
  /** For when the real timer is set. */
  #wakeMs: number = Number.POSITIVE_INFINITY;

  monotonicMs(): number {
    return this.#fixedMs ?? realClock.monotonicMs() + this.#aheadMs;
  }

  wallMs(): number {
    return Math.round(this.#wallAtZeroMs + this.monotonicMs());
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    this.#serial += 1;
    const entry: Entry = {
      dueMs: this.monotonicMs() + Math.max(0, delayMs),
      serial: this.#serial,
      callback,
    };
    this.#entries.add(entry);
    if (entry.dueMs < this.#wakeMs) this.#arm();
    return {
      cancel: () => {
        this.#due.delete(entry);
        if (this.#entries.delete(entry) && this.#entries.size === 0) this.#arm();
      },
    };
  }

  advance(byMs: number): Promise<void> {
    if (!Number.isFinite(byMs) || byMs < 0) {
      throw new RangeError('advance takes a number of milliseconds, 0 or more.');
    }
    const advanced = this.#advancing.then(() => this.#advance(byMs));
    this.#advancing = advanced.catch(() => undefined);
    return advanced;
  }

  /** Forgets whatever waits. */
  stop(): void {
    this.#entries.clear();
    this.#due.clear();
    this.#arm();
  }

  async #advance(byMs: number): Promise<void> {
    await turns();
    const endMs = this.monotonicMs() + byMs;
    this.#fixedMs = this.monotonicMs();
    this.#arm();
    try {
      for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
        this.#fixedMs = Math.max(this.#fixedMs, next.dueMs);
        this.#entries.delete(next);
        next.callback();
        await turns();
      }
    } finally {
      this.#aheadMs = endMs - realClock.monotonicMs();
      this.#fixedMs = null;
      this.#arm();
    }
    await turns();
  }

  /** One real timer, for the next that is due. */
  #arm(): void {
    this.#wake?.cancel();
    this.#wake = null;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    if (this.#fixedMs !== null) return;
    const next = this.#next(Number.POSITIVE_INFINITY);
    if (next === null) return;
    this.#wakeMs = next.dueMs;
    this.#wake = realClock.setTimer(next.dueMs - this.monotonicMs(), () => this.#fire());
  }

  /** Each in a turn of its own, as Node's timers have it. */
  #fire(): void {
    this.#wake = null;
    const nowMs = this.monotonicMs();
    for (let next = this.#next(nowMs); next !== null; next = this.#next(nowMs)) {
      const entry = next;
      this.#entries.delete(entry);
      this.#due.add(entry);
      later(() => {
        if (this.#due.delete(entry)) entry.callback();
      });
    }
    this.#arm();
  }

  #next(untilMs: number): Entry | null {
    let next: Entry | null = null;
    for (const entry of this.#entries) {
      if (entry.dueMs > untilMs) continue;
      const isSooner =
        next === null ||
        entry.dueMs < next.dueMs ||
        (entry.dueMs === next.dueMs && entry.serial < next.serial);
      if (isSooner) next = entry;
    }
    return next;
  }
}

async function turns(): Promise<void> {
  for (let each = 0; each < turnsAfterTimer; each += 1) await turn();
}
