/** The timers of branches. */
import { backoffMs } from '../core/backoff.ts';
import type { BranchTimer } from '../core/branch/branch.ts';
import type { TimerHandle } from '../core/timer-wheel.ts';
import { Delays } from '../peer/delays.ts';
import type { ParticipantContext } from './context.ts';

export class BranchTimers<Key> {
  readonly #given: ParticipantContext;
  readonly #delays: Delays<() => void>;
  readonly #delaysMs: { readonly [Timer in BranchTimer]: number };
  readonly #running: { readonly [Timer in BranchTimer]: Map<Key, TimerHandle> } = {
    patience: new Map(),
    limit: new Map(),
    tombstone: new Map(),
  };

  constructor(given: ParticipantContext) {
    this.#given = given;
    this.#delays = new Delays(given.clock, 'time', (fire) => fire());
    const { patienceMs, lockLimitMs, tombstoneMs } = given.options;
    this.#delaysMs = { patience: patienceMs, limit: lockLimitMs, tombstone: tombstoneMs };
  }

  /** Starts anew where it runs already. */
  start(timer: BranchTimer, key: Key, fire: () => void): void {
    if (timer === 'limit' && this.#delaysMs.limit === 0) return;
    this.stop(timer, key);
    const handle = this.#delays.start(this.#delaysMs[timer], () => {
      this.#running[timer].delete(key);
      fire();
    });
    this.#running[timer].set(key, handle);
  }

  /** The first attempt, which failed, is 1. */
  startRetry(attempt: number, fire: () => void): void {
    const { random, options } = this.#given;
    this.#delays.start(backoffMs(attempt, options, random.fraction()), fire);
  }

  stop(timer: BranchTimer, key: Key): void {
    const handle = this.#running[timer].get(key);
    if (handle === undefined) return;
    this.#running[timer].delete(key);
    this.#delays.stop(handle);
  }

  close(): void {
    this.#delays.close();
  }
}
