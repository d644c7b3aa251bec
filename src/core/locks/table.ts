/**
 * Who holds which named lock under one leadership, and who waits.
 *
 * A request names several keys, each `shared` or `exclusive`, and is granted whole or not at all.
 * It stands in the queue of each key from its arrival on, and is blocked by
 * - every other owner that holds one of its keys in an incompatible mode, and
 * - every earlier, incompatible waiter on one of its keys: so a stream of shared requests cannot
 *   starve an exclusive one, and grants are in order of arrival.
 * One rule serves both granting and the search for deadlocks (cycle.ts): what `blockersOf` names is
 * what `isBlocked` asks about. The edges of the wait-for graph are the reasons of waiting
 * themselves, and no cycle escapes.
 *
 * Interleavings that matter:
 * - An owner holds a key as shared and asks for it as exclusive while others wait. Behind them it
 *   would wait for those who wait for it: an *upgrade* goes before all waiters that do not hold the
 *   key. Two upgraders wait for each other, which is a deadlock like any other.
 * - A request for keys a and b finds a free and b taken. It takes neither, but no one who comes
 *   later and is incompatible gets a: else it would never have both.
 * - A leader releases L of T1, whose branches are all done, grants it to T2, which commits, and
 *   dies before T1's record has left `decisions/`. The next leader finds both and holds L for both:
 *   `hold` refuses nothing. Both are decided; what the lock keeps out is a third, until both are
 *   done.
 * - A new leader that granted L before it has read all of `decisions/` could grant it while a
 *   branch of a committed holder is not yet applied. So a table is closed at first: requests queue,
 *   and `open` grants what is free then.
 */
import { uphold } from '../invariants.ts';
import type { Txid } from '../txid.ts';
import type { LockMode } from './modes.ts';
import { KeyQueue } from './queue.ts';

export interface LockOwner {
  /** All of one shard: later ones are younger. */
  readonly txid: Txid;
}

export interface LockWant {
  readonly key: string;
  readonly mode: LockMode;
}

export interface Held {
  readonly mode: LockMode;
  readonly sinceMs: number;
}

export interface LockRequest<Owner extends LockOwner> {
  readonly owner: Owner;
  /** Each key once, sorted. */
  readonly wants: readonly LockWant[];
  readonly sinceMs: number;
  /** Of two requests the lower came first. */
  readonly arrival: number;
}

interface Owned<Owner extends LockOwner> {
  readonly held: Map<string, Held>;
  readonly waiting: Set<LockRequest<Owner>>;
}

/** Each key once, exclusive where both modes were asked for. Sorted: equal requests are equal. */
export function normalWants(given: readonly LockWant[]): LockWant[] {
  const modes = new Map<string, LockMode>();
  for (const { key, mode } of given) {
    if (modes.get(key) !== 'exclusive') modes.set(key, mode);
  }
  return [...modes]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, mode]) => ({ key, mode }));
}

export class LockTable<Owner extends LockOwner> {
  private readonly queues = new Map<string, KeyQueue<Owner>>();
  private readonly owners = new Map<Owner, Owned<Owner>>();
  private arrivals = 0;
  private waitCount = 0;
  private opened = false;

  /** Requests that wait. */
  get waiting(): number {
    return this.waitCount;
  }

  keys(): IterableIterator<[string, KeyQueue<Owner>]> {
    return this.queues.entries();
  }

  held(owner: Owner): ReadonlyMap<string, Held> {
    return this.owners.get(owner)?.held ?? none;
  }

  waits(owner: Owner): ReadonlySet<LockRequest<Owner>> {
    return this.owners.get(owner)?.waiting ?? noRequests;
  }

  /** The keys that the owner holds or waits for: what its limit counts. */
  keysOf(owner: Owner): Set<string> {
    const keys = new Set(this.held(owner).keys());
    for (const { wants } of this.waits(owner)) for (const { key } of wants) keys.add(key);
    return keys;
  }

  /** The request as it waits already, where the owner repeats one. */
  same(owner: Owner, wants: readonly LockWant[]): LockRequest<Owner> | null {
    for (const request of this.waits(owner)) {
      const { wants: waited } = request;
      if (waited.length !== wants.length) continue;
      if (waited.every(({ key, mode }, at) => key === wants[at]?.key && mode === wants[at]?.mode)) {
        return request;
      }
    }
    return null;
  }

  /** Whether the owner holds all of it already, in these modes or stronger ones. */
  covers(owner: Owner, wants: readonly LockWant[]): boolean {
    const held = this.held(owner);
    return wants.every(({ key, mode }) => {
      const now = held.get(key);
      return now !== undefined && (now.mode === 'exclusive' || mode === 'shared');
    });
  }

  /** Queues a request, of `normalWants`; null where nothing blocks it, so that it is granted. */
  request(given: {
    readonly owner: Owner;
    readonly wants: readonly LockWant[];
    readonly nowMs: number;
  }): LockRequest<Owner> | null {
    const { owner, wants, nowMs } = given;
    if (this.covers(owner, wants)) return null;
    this.arrivals += 1;
    const request = { owner, wants, sinceMs: nowMs, arrival: this.arrivals };
    const owned = this.owned(owner);
    owned.waiting.add(request);
    this.waitCount += 1;
    for (const { key, mode } of wants) {
      const held = owned.held.get(key);
      if (held !== undefined && (held.mode === 'exclusive' || mode === 'shared')) continue;
      this.queueOf(key).add(request, { mode, upgrade: held !== undefined });
    }
    if (this.opened && !this.isBlocked(request)) {
      this.grant(request, nowMs);
      return null;
    }
    return request;
  }

  /** Of a committed transaction that an earlier leadership granted them to. */
  hold(owner: Owner, wants: readonly LockWant[], nowMs: number): void {
    const { held } = this.owned(owner);
    for (const { key, mode } of wants) {
      held.set(key, { mode, sinceMs: nowMs });
      this.queueOf(key).hold(owner, mode);
    }
  }

  /** All that earlier leaderships granted is held again. Returns what is granted by that. */
  open(nowMs: number): LockRequest<Owner>[] {
    if (this.opened) return [];
    this.opened = true;
    const waiting: LockRequest<Owner>[] = [];
    for (const owned of this.owners.values()) {
      for (const request of owned.waiting) waiting.push(request);
    }
    return this.grantFree(waiting, nowMs);
  }

  /** The owner holds nothing and waits for nothing any more. Returns what is granted by that. */
  release(owner: Owner, nowMs: number): LockRequest<Owner>[] {
    const owned = this.owners.get(owner);
    if (owned === undefined) return [];
    const touched = new Set(owned.held.keys());
    for (const request of owned.waiting) {
      for (const { key } of request.wants) touched.add(key);
      this.remove(request);
    }
    for (const key of owned.held.keys()) this.queues.get(key)?.letGo(owner);
    this.owners.delete(owner);
    const candidates = new Set<LockRequest<Owner>>();
    for (const key of touched) {
      const queue = this.queues.get(key);
      if (queue === undefined) continue;
      for (const next of queue.next()) {
        // One stands in its own owner's way neither here nor elsewhere.
        for (const request of this.waits(next.owner)) candidates.add(request);
      }
      if (queue.isEmpty()) this.queues.delete(key);
    }
    return this.grantFree([...candidates], nowMs);
  }

  isBlocked(request: LockRequest<Owner>): boolean {
    return request.wants.some(({ key }) => this.queues.get(key)?.isBlocked(request) === true);
  }

  /** Everyone the request waits for, and by which key; an owner may come once for each key. */
  *blockersOf(request: LockRequest<Owner>): IterableIterator<{ owner: Owner; key: string }> {
    for (const { key } of request.wants) {
      const queue = this.queues.get(key);
      if (queue === undefined) continue;
      for (const owner of queue.blockersOf(request)) yield { owner, key };
    }
  }

  queue(key: string): KeyQueue<Owner> | null {
    return this.queues.get(key) ?? null;
  }

  private grantFree(candidates: LockRequest<Owner>[], nowMs: number): LockRequest<Owner>[] {
    if (!this.opened) return [];
    // In order of arrival: what a grant blocks came later.
    candidates.sort((one, other) => one.arrival - other.arrival);
    const granted: LockRequest<Owner>[] = [];
    for (const request of candidates) {
      if (this.isBlocked(request)) continue;
      this.grant(request, nowMs);
      granted.push(request);
    }
    return granted;
  }

  private grant(request: LockRequest<Owner>, nowMs: number): void {
    const { owner, wants } = request;
    const { held } = this.owned(owner);
    this.remove(request);
    for (const { key, mode } of wants) {
      const before = held.get(key);
      if (before !== undefined && (before.mode === 'exclusive' || mode === 'shared')) continue;
      const queue = this.queueOf(key);
      uphold(
        queue.admits(owner, mode),
        'I12',
        () => `${owner.txid} was granted ${JSON.stringify(key)}, which another holds`,
      );
      held.set(key, { mode, sinceMs: before?.sinceMs ?? nowMs });
      queue.hold(owner, mode);
    }
  }

  private remove(request: LockRequest<Owner>): void {
    this.owners.get(request.owner)?.waiting.delete(request);
    this.waitCount -= 1;
    for (const { key } of request.wants) this.queues.get(key)?.remove(request);
  }

  private owned(owner: Owner): Owned<Owner> {
    let owned = this.owners.get(owner);
    if (owned === undefined) {
      owned = { held: new Map(), waiting: new Set() };
      this.owners.set(owner, owned);
    }
    return owned;
  }

  private queueOf(key: string): KeyQueue<Owner> {
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = new KeyQueue();
      this.queues.set(key, queue);
    }
    return queue;
  }
}

const none: ReadonlyMap<string, Held> = new Map();
const noRequests: ReadonlySet<never> = new Set();
