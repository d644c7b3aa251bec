/** The timers of branches. */
import { backoffMs } from '../core/backoff.ts';
import type { TimerHandle } from '../core/timer-wheel.ts';
import { Delays } from '../peer/delays.ts';
import type { ParticipantContext } from './context.ts';

type Stoppable = 'patience' | 'limit';

export class BranchTimers<Key> {
  readonly #given: ParticipantContext;
  readonly #delays: Delays<() => void>;
  readonly #running: { readonly [Timer in Stoppable]: Map<Key, TimerHandle> } = {
    patience: new Map(),
    limit: new Map(),
  };

  constructor(given: ParticipantContext) {
    this.#given = given;
    this.#delays = new Delays(given.clock, (fire) => fire());
  }

  /** Starts anew where it runs already. */
  start(timer: Stoppable, key: Key, fire: () => void): void {
    const { patienceMs, lockLimitMs } = this.#given.options;
    if (timer === 'limit' && lockLimitMs === 0) return;
    this.stop(timer, key);
    const handle = this.#delays.start(timer === 'limit' ? lockLimitMs : patienceMs, () => {
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

  stop(timer: Stoppable, key: Key): void {
    const handle = this.#running[timer].get(key);
    if (handle === undefined) return;
    this.#running[timer].delete(key);
    this.#delays.stop(handle);
  }

  close(): void {
    this.#delays.close();
  }
}
