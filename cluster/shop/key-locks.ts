/**
 * Exclusive locks on keys, in the order in which they were asked for. They live in memory: after a restart
 * the store takes them again for every branch it finds prepared.
 *
 * A competing write waits, but for a short time only: two transactions may wait for each other in two different
 * services, where neither can see it, and a refusal with `retryable` ends that.
 */
import type { Clock, Timer } from '../../src/ports/clock.ts';

export type LockResult = 'granted' | 'timed-out' | 'given-up' | 'too-many';

interface Waiter {
  readonly owner: string;
  readonly settle: (result: LockResult) => void;
}

interface Lock {
  owner: string;
  readonly waiters: Waiter[];
}

export class KeyLocks {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #waitersMax: number;
  readonly #locks = new Map<string, Lock>();
  #waiting = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly waitMs: number;
    /** Of all keys together; one more is refused at once. */
    readonly waitersMax: number;
  }) {
    this.#clock = options.clock;
    this.#waitMs = options.waitMs;
    this.#waitersMax = options.waitersMax;
  }

  ownerOf(key: string): string | null {
    return this.#locks.get(key)?.owner ?? null;
  }

  /** Takes the lock where it is free. An owner may take its own again. */
  tryTake(key: string, owner: string): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined) this.#locks.set(key, { owner, waiters: [] });
    return lock === undefined || lock.owner === owner;
  }

  take(key: string, owner: string, signal: AbortSignal): Promise<LockResult> {
    if (signal.aborted) return Promise.resolve('given-up');
    if (this.tryTake(key, owner)) return Promise.resolve('granted');
    if (this.#waiting >= this.#waitersMax) return Promise.resolve('too-many');
    return new Promise((resolve) => this.#wait(key, owner, signal, resolve));
  }

  /** Gives the lock to whoever has waited longest. Nothing happens where `owner` does not hold it. */
  release(key: string, owner: string): void {
    const lock = this.#locks.get(key);
    if (lock?.owner !== owner) return;
    const next = lock.waiters[0];
    if (next === undefined) {
      this.#locks.delete(key);
      return;
    }
    lock.owner = next.owner;
    next.settle('granted');
  }

  #wait(
    key: string,
    owner: string,
    signal: AbortSignal,
    resolve: (result: LockResult) => void,
  ): void {
    const waiters = this.#locks.get(key)?.waiters ?? [];
    const giveUp = (): void => waiter.settle('given-up');
    const timer: Timer = this.#clock.setTimer(this.#waitMs, () => waiter.settle('timed-out'));
    const waiter: Waiter = {
      owner,
      settle: (result) => {
        waiters.splice(waiters.indexOf(waiter), 1);
        this.#waiting -= 1;
        timer.cancel();
        signal.removeEventListener('abort', giveUp);
        resolve(result);
      },
    };
    waiters.push(waiter);
    this.#waiting += 1;
    signal.addEventListener('abort', giveUp, { once: true });
  }
}
