/**
 * One key: who holds it and who waits for it, in order. Upgrades stand before the others; each
 * group in order of arrival. Those who leave do so from anywhere, and a question about the first
 * must not cost the length.
 */
import { Fifo } from '../fifo.ts';
import type { LockMode } from './modes.ts';
import type { LockOwner, LockRequest } from './table.ts';

export class KeyQueue<Owner extends LockOwner> {
  private readonly held = new Map<Owner, LockMode>();
  /** Of the holders. More than one only where the log brought them: see table.ts. */
  private exclusives = 0;
  /** Holders of shared that want exclusive. */
  private readonly upgrades = new Set<LockRequest<Owner>>();
  private readonly waiters = new Fifo<LockRequest<Owner>>();
  /** Of the waiters, those that want it exclusive: what a shared one looks at. */
  private readonly exclusiveWaiters = new Fifo<LockRequest<Owner>>();

  add(request: LockRequest<Owner>, how: { mode: LockMode; upgrade: boolean }): void {
    if (how.upgrade) {
      this.upgrades.add(request);
      return;
    }
    this.waiters.add(request);
    if (how.mode === 'exclusive') this.exclusiveWaiters.add(request);
  }

  remove(request: LockRequest<Owner>): void {
    this.upgrades.delete(request);
    this.waiters.delete(request);
    this.exclusiveWaiters.delete(request);
  }

  hold(owner: Owner, mode: LockMode): void {
    if (this.held.get(owner) !== 'exclusive' && mode === 'exclusive') this.exclusives += 1;
    this.held.set(owner, mode);
  }

  letGo(owner: Owner): void {
    if (this.held.get(owner) === 'exclusive') this.exclusives -= 1;
    this.held.delete(owner);
  }

  isEmpty(): boolean {
    return this.held.size === 0 && this.upgrades.size === 0 && this.waiters.size === 0;
  }

  holders(): ReadonlyMap<Owner, LockMode> {
    return this.held;
  }

  /** In the order in which they are served. */
  *requests(): IterableIterator<LockRequest<Owner>> {
    yield* this.upgrades;
    yield* this.waiters;
  }

  /**
   * Those whom the queue itself may let through: up to the first that wants the key exclusively.
   * Whoever stands behind that one is blocked, granted or not, unless it is the same owner's. A
   * release of a key for which thousands wait must not cost a look at each.
   */
  *next(): IterableIterator<LockRequest<Owner>> {
    for (const request of this.upgrades) {
      yield request;
      return;
    }
    for (const request of this.waiters) {
      yield request;
      if (this.exclusiveWaiters.has(request)) return;
    }
  }

  get waiting(): number {
    return this.upgrades.size + this.waiters.size;
  }

  /** How the request waits here, or null where it does not. */
  modeOf(request: LockRequest<Owner>): LockMode | null {
    if (this.upgrades.has(request) || this.exclusiveWaiters.has(request)) return 'exclusive';
    return this.waiters.has(request) ? 'shared' : null;
  }

  isUpgrade(request: LockRequest<Owner>): boolean {
    return this.upgrades.has(request);
  }

  /** Whether the other holders leave room for it. */
  admits(owner: Owner, mode: LockMode): boolean {
    const own = this.held.get(owner);
    if (mode === 'shared') return this.exclusives === (own === 'exclusive' ? 1 : 0);
    return this.held.size === (own === undefined ? 0 : 1);
  }

  isBlocked(request: LockRequest<Owner>): boolean {
    const mode = this.modeOf(request);
    if (mode === null) return false;
    if (!this.admits(request.owner, mode)) return true;
    for (const _ of this.before(request, mode)) return true;
    return false;
  }

  *blockersOf(request: LockRequest<Owner>): IterableIterator<Owner> {
    const mode = this.modeOf(request);
    if (mode === null) return;
    for (const [owner, held] of this.held) {
      if (owner !== request.owner && (mode === 'exclusive' || held === 'exclusive')) yield owner;
    }
    for (const { owner } of this.before(request, mode)) yield owner;
  }

  /** The waiters of all other owners that its holding here keeps waiting. */
  *blockedBy(owner: Owner): IterableIterator<LockRequest<Owner>> {
    const held = this.held.get(owner);
    if (held !== undefined) {
      for (const request of this.upgrades) if (request.owner !== owner) yield request;
      const kept = held === 'exclusive' ? this.waiters : this.exclusiveWaiters;
      for (const request of kept) if (request.owner !== owner) yield request;
    }
  }

  /** The waiters behind this one, of other owners, that are incompatible with it. */
  *behind(request: LockRequest<Owner>): IterableIterator<LockRequest<Owner>> {
    const upgrade = this.upgrades.has(request);
    if (upgrade) {
      for (const other of this.upgrades) {
        if (other.arrival > request.arrival && other.owner !== request.owner) yield other;
      }
    }
    const mode = this.modeOf(request);
    if (mode === null) return;
    const kept = mode === 'exclusive' ? this.waiters : this.exclusiveWaiters;
    for (const other of kept) {
      if (other.owner === request.owner) continue;
      if (upgrade || other.arrival > request.arrival) yield other;
    }
  }

  /** Those of other owners that stand before it and are incompatible with it. */
  private *before(
    request: LockRequest<Owner>,
    mode: LockMode,
  ): IterableIterator<LockRequest<Owner>> {
    const upgrade = this.upgrades.has(request);
    for (const other of this.upgrades) {
      if (upgrade && other.arrival >= request.arrival) break;
      if (other.owner !== request.owner) yield other;
    }
    if (upgrade) return;
    const kept = mode === 'exclusive' ? this.waiters : this.exclusiveWaiters;
    for (const other of kept) {
      if (other.arrival >= request.arrival) return;
      if (other.owner !== request.owner) yield other;
    }
  }
}
