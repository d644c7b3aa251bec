/**
 * Shared and exclusive locks on keys, granted in the order in which they were asked for. They live
 * in memory: after a restart the store takes them again for every branch that it finds prepared.
 *
 * No one waits forever: two transactions may wait for each other in two services, where neither can
 * see it, and `waitMs` ends that. Where both wait here it is seen at once: who would close a cycle
 * of waiting owners is refused instead. Every other wait was checked when it began, and a grant
 * only turns waiting for someone in the queue into waiting for a holder: no cycle arises unseen.
 */
import type { Clock, Timer } from '../../ports/clock.ts';

export type LockMode = 'shared' | 'exclusive';
export type LockResult = 'granted' | 'timed-out' | 'given-up' | 'too-many' | 'deadlock';

export interface LockRequest {
  readonly owner: string;
  readonly key: string;
  readonly mode: LockMode;
  /** Asked for only where there is something to wait for. */
  readonly signal: () => AbortSignal | null;
}

interface Waiter extends Pick<LockRequest, 'owner' | 'key' | 'mode'> {
  /** Called once, when it is no longer in the queue. */
  readonly settle: (result: LockResult) => void;
}

interface Lock {
  readonly holders: Map<string, LockMode>;
  readonly waiters: Waiter[];
}

interface KeyLocksOptions {
  readonly clock: Clock;
  readonly waitMs: number;
  /** Of all keys together; one more is refused at once. */
  readonly maxWaiters: number;
}

export class KeyLocks {
  readonly #options: KeyLocksOptions;
  readonly #locks = new Map<string, Lock>();
  readonly #heldBy = new Map<string, Set<string>>();
  readonly #waitersOf = new Map<string, Set<Waiter>>();
  #waiting = 0;

  constructor(options: KeyLocksOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  modeOf(key: string, owner: string): LockMode | null {
    return this.#locks.get(key)?.holders.get(owner) ?? null;
  }

  /** The keys that the owner holds in this mode, in order. */
  keysOf(owner: string, mode: LockMode): readonly string[] {
    const keys = [...(this.#heldBy.get(owner) ?? [])];
    return keys.filter((key) => this.modeOf(key, owner) === mode).sort();
  }

  /** Takes the lock where no one is in the way. An owner may take its own again, and more of it. */
  tryTake({ owner, key, mode }: Omit<LockRequest, 'signal'>): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined) {
      this.#locks.set(key, { holders: new Map(), waiters: [] });
      this.#hold(owner, key, mode);
      return true;
    }
    const held = lock.holders.get(owner);
    if (held === 'exclusive' || held === mode) return true;
    // A newcomer does not overtake; one that holds the lock already is in the way of all who wait.
    if (held === undefined && lock.waiters.length > 0) return false;
    if (!isCompatible(lock, owner, mode)) return false;
    this.#hold(owner, key, mode);
    return true;
  }

  take(request: LockRequest): Promise<LockResult> {
    if (this.tryTake(request)) return Promise.resolve('granted');
    const signal = request.signal();
    if (signal?.aborted === true) return Promise.resolve('given-up');
    if (this.#waiting >= this.#options.maxWaiters) return Promise.resolve('too-many');
    return new Promise((resolve) => this.#wait(request, signal, resolve));
  }

  /** All that the owner holds, and its place wherever it waits. */
  release(owner: string): void {
    this.#giveUp(owner);
    for (const key of [...(this.#heldBy.get(owner) ?? [])]) this.#letGo(owner, key);
  }

  releaseShared(owner: string): void {
    for (const key of this.keysOf(owner, 'shared')) this.#letGo(owner, key);
  }

  /** Everyone who waits gives up. */
  close(): void {
    for (const owner of [...this.#waitersOf.keys()]) this.#giveUp(owner);
  }

  /** One after the other: the end of one may be the grant of the next. */
  #giveUp(owner: string): void {
    for (;;) {
      const [waiter] = this.#waitersOf.get(owner) ?? [];
      if (waiter === undefined) return;
      this.#leave(waiter, 'given-up');
    }
  }

  #wait(
    { owner, key, mode }: LockRequest,
    signal: AbortSignal | null,
    resolve: (result: LockResult) => void,
  ): void {
    let timer: Timer | null = null;
    const giveUp = (): void => this.#leave(waiter, 'given-up');
    const waiter: Waiter = {
      owner,
      key,
      mode,
      settle: (result) => {
        timer?.cancel();
        signal?.removeEventListener('abort', giveUp);
        resolve(result);
      },
    };
    this.#enqueue(waiter);
    if (this.#closesCircle(waiter)) return this.#leave(waiter, 'deadlock');
    const { clock, waitMs } = this.#options;
    timer = clock.setTimer(waitMs, () => this.#leave(waiter, 'timed-out'));
    signal?.addEventListener('abort', giveUp, { once: true });
  }

  /** One that holds the key already goes before all that do not: they wait for it anyway. */
  #enqueue(waiter: Waiter): void {
    const { holders, waiters } = this.#lockAt(waiter.key);
    const place = holders.has(waiter.owner)
      ? waiters.findIndex(({ owner }) => !holders.has(owner))
      : -1;
    if (place === -1) waiters.push(waiter);
    else waiters.splice(place, 0, waiter);
    this.#waiting += 1;
    const own = this.#waitersOf.get(waiter.owner);
    if (own === undefined) this.#waitersOf.set(waiter.owner, new Set([waiter]));
    else own.add(waiter);
  }

  #leave(waiter: Waiter, result: LockResult): void {
    const { waiters } = this.#lockAt(waiter.key);
    waiters.splice(waiters.indexOf(waiter), 1);
    this.#waiting -= 1;
    const own = this.#waitersOf.get(waiter.owner);
    own?.delete(waiter);
    if (own?.size === 0) this.#waitersOf.delete(waiter.owner);
    waiter.settle(result);
    // It may have been all that those behind it waited for.
    if (result !== 'granted') this.#grant(waiter.key);
  }

  #letGo(owner: string, key: string): void {
    this.#lockAt(key).holders.delete(owner);
    const held = this.#heldBy.get(owner);
    held?.delete(key);
    if (held?.size === 0) this.#heldBy.delete(owner);
    this.#grant(key);
  }

  /** From the front of the queue, as far as it goes. */
  #grant(key: string): void {
    const lock = this.#lockAt(key);
    for (;;) {
      const next = lock.waiters[0];
      if (next === undefined || !isCompatible(lock, next.owner, next.mode)) break;
      this.#hold(next.owner, key, next.mode);
      this.#leave(next, 'granted');
      this.#grantCovered(lock, next);
    }
    if (lock.holders.size === 0 && lock.waiters.length === 0) this.#locks.delete(key);
  }

  /**
   * What else the owner asked for on this key and has with this grant. In the queue it might stand
   * behind someone who waits for the owner, a cycle that could not be seen when it began to wait.
   */
  #grantCovered({ waiters }: Lock, { owner, mode }: Waiter): void {
    const covered = waiters.filter(
      (waiter) => waiter.owner === owner && (mode === 'exclusive' || waiter.mode === mode),
    );
    for (const waiter of covered) this.#leave(waiter, 'granted');
  }

  #hold(owner: string, key: string, mode: LockMode): void {
    const { holders } = this.#lockAt(key);
    if (holders.get(owner) !== 'exclusive') holders.set(owner, mode);
    const held = this.#heldBy.get(owner);
    if (held === undefined) this.#heldBy.set(owner, new Set([key]));
    else held.add(key);
  }

  #lockAt(key: string): Lock {
    const lock = this.#locks.get(key);
    if (lock === undefined) throw new Error(`No one holds or wants the key ${key}.`);
    return lock;
  }

  /** Whether those that `waiter` waits for wait, in the end, for its owner. */
  #closesCircle(waiter: Waiter): boolean {
    if (!this.#isInTheWay(waiter)) return false;
    const seen = new Set<string>();
    const next = blockersOf(this.#lockAt(waiter.key), waiter);
    for (let owner = next.pop(); owner !== undefined; owner = next.pop()) {
      if (owner === waiter.owner) return true;
      if (seen.has(owner)) continue;
      seen.add(owner);
      for (const other of this.#waitersOf.get(owner) ?? []) {
        next.push(...blockersOf(this.#lockAt(other.key), other));
      }
    }
    return false;
  }

  /** Whether anyone may wait for its owner: the usual waiter, on its first key, needs no search. */
  #isInTheWay(waiter: Waiter): boolean {
    if ((this.#waitersOf.get(waiter.owner)?.size ?? 0) > 1) return true;
    for (const key of this.#heldBy.get(waiter.owner) ?? []) {
      if (this.#lockAt(key).waiters.length > 0) return true;
    }
    return false;
  }
}

function excludes(one: LockMode, other: LockMode): boolean {
  return one === 'exclusive' || other === 'exclusive';
}

function isCompatible({ holders }: Lock, owner: string, mode: LockMode): boolean {
  for (const [other, held] of holders) {
    if (other !== owner && excludes(held, mode)) return false;
  }
  return true;
}

/** Whom a waiter waits for: holders, and those before it, back to an exclusive one at most. */
function blockersOf({ holders, waiters }: Lock, waiter: Waiter): string[] {
  const found: string[] = [];
  for (const [other, held] of holders) {
    if (other !== waiter.owner && excludes(held, waiter.mode)) found.push(other);
  }
  for (let place = waiters.indexOf(waiter) - 1; place >= 0; place -= 1) {
    const before = waiters[place] as Waiter;
    if (before.owner === waiter.owner) continue;
    if (excludes(before.mode, waiter.mode)) found.push(before.owner);
    if (before.mode === 'exclusive') break;
  }
  return found;
}
