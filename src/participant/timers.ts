import type { Clock, Timer } from '../ports/clock.ts';

/**
 * Delays that are all equally long: a queue and one timer, instead of a timer for each of the many
 * branches whose doubt ends long before their patience does.
 */
export class EqualDelays<Key> {
  readonly #clock: Clock;
  readonly #delayMs: number;
  /** In order of falling due: a map keeps the order of insertion. */
  readonly #entries = new Map<Key, { readonly dueMs: number; readonly fire: () => void }>();
  #timer: Timer | null = null;

  constructor(options: { clock: Clock; delayMs: number }) {
    this.#clock = options.clock;
    this.#delayMs = options.delayMs;
  }

  /** Starts anew where it runs already. */
  start(key: Key, fire: () => void): void {
    this.#entries.delete(key);
    this.#entries.set(key, { dueMs: this.#clock.monotonicMs() + this.#delayMs, fire });
    if (this.#timer === null) this.#arm(this.#delayMs);
  }

  stop(key: Key): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#due());
  }

  #due(): void {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    for (const [key, entry] of this.#entries) {
      if (entry.dueMs > nowMs) break;
      this.#entries.delete(key);
      entry.fire();
    }
    const next = this.#entries.values().next();
    if (!next.done && this.#timer === null) this.#arm(Math.max(1, next.value.dueMs - nowMs));
  }
}

/** Resolves after the pause, or at once when the signal fires. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimer(delayMs, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
