/** The timers of branches. */
import { backoffMs } from '../core/backoff.ts';
import type { ParticipantOptions } from '../core/participant-options.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

export interface BranchTimersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly options: ParticipantOptions;
}

export class BranchTimers<Key> {
  readonly #with: BranchTimersOptions;
  readonly #delays: { readonly [Name in 'patience' | 'limit']: EqualDelays<Key> };
  readonly #retries = new Map<Key, Timer>();

  constructor(given: BranchTimersOptions) {
    this.#with = given;
    const { clock, options } = given;
    this.#delays = {
      patience: new EqualDelays({ clock, delayMs: options.patienceMs }),
      limit: new EqualDelays({ clock, delayMs: options.lockLimitMs }),
    };
  }

  start(timer: 'patience' | 'limit', key: Key, fire: () => void): void {
    if (timer === 'limit' && this.#with.options.lockLimitMs === 0) return;
    this.#delays[timer].start(key, fire);
  }

  /** The first attempt, which failed, is 1. */
  startRetry(key: Key, attempt: number, fire: () => void): void {
    const { clock, random, options } = this.#with;
    const pauseMs = backoffMs(attempt, options, random.fraction());
    const timer = clock.setTimer(pauseMs, () => {
      this.#retries.delete(key);
      fire();
    });
    this.#retries.set(key, timer);
  }

  stop(timer: 'patience' | 'limit', key: Key): void {
    this.#delays[timer].stop(key);
  }

  close(): void {
    this.#delays.patience.clear();
    this.#delays.limit.clear();
    for (const timer of this.#retries.values()) timer.cancel();
    this.#retries.clear();
  }
}

/**
 * Delays that are all equally long: a queue and one timer, instead of a timer for each of the many
 * branches whose doubt ends long before their patience does.
 */
class EqualDelays<Key> {
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
