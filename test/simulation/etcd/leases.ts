/**
 * Etcd's leases: granted in whole seconds, looked at every half second, all prolonged when its
 * leader changes.
 */
import type { World } from '../world/world.ts';

interface Lease {
  readonly ttlMs: number;
  expiresAtMs: number;
}

/** By id, in milliseconds. */
export type LeaseCopy = ReadonlyMap<string, number>;

const checkMs = 500;

export class Leases {
  readonly #world: World;
  readonly #expired: (id: string) => void;
  readonly #leases = new Map<string, Lease>();
  #lastId = 7_000_000_000_000_000_000n;

  constructor(world: World, expired: (id: string) => void) {
    this.#world = world;
    this.#expired = expired;
  }

  has(id: string): boolean {
    return this.#leases.has(id);
  }

  grant(ttlS: number): { readonly id: string; readonly ttlS: number } {
    this.#lastId += 1n;
    const id = String(this.#lastId);
    const granted = Math.max(2, ttlS);
    this.#begin(id, granted * 1_000);
    return { id, ttlS: granted };
  }

  /**
   * Seconds from now on; 0 where it is over. One that has run out, and that etcd has not come round
   * to yet, is over too: etcd answers when it is gone, and no beat brings it back.
   */
  keepAlive(id: string): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    if (lease.expiresAtMs <= this.#world.nowMs) {
      this.end(id);
      return 0;
    }
    lease.expiresAtMs = this.#world.nowMs + lease.ttlMs;
    return lease.ttlMs / 1_000;
  }

  left(id: string): { readonly leftS: number; readonly grantedS: number } {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { leftS: -1, grantedS: 0 };
    const leftS = Math.trunc((lease.expiresAtMs - this.#world.nowMs) / 1_000);
    return { leftS, grantedS: lease.ttlMs / 1_000 };
  }

  /** False where there was none. */
  end(id: string): boolean {
    const ended = this.#leases.delete(id);
    if (ended) this.#expired(id);
    return ended;
  }

  /** What each was granted: how much of it is left is not on etcd's disk. */
  snapshot(): LeaseCopy {
    return new Map([...this.#leases].map(([id, { ttlMs }]) => [id, ttlMs]));
  }

  /** Those of the copy begin anew, the others were never granted. */
  restore(copy: LeaseCopy): void {
    this.#leases.clear();
    for (const [id, ttlMs] of copy) this.#begin(id, ttlMs);
  }

  /** A new leader of etcd's own does not know how much had run out. */
  prolongAll(): void {
    for (const lease of this.#leases.values()) lease.expiresAtMs = this.#world.nowMs + lease.ttlMs;
  }

  #begin(id: string, ttlMs: number): void {
    const lease: Lease = { ttlMs, expiresAtMs: this.#world.nowMs + ttlMs };
    this.#leases.set(id, lease);
    this.#watch(id, lease);
  }

  #watch(id: string, lease: Lease): void {
    const dueMs = Math.ceil(lease.expiresAtMs / checkMs) * checkMs;
    this.#world.at(dueMs, () => {
      // It is over, and another may have its id: that of a copy that was brought back.
      if (this.#leases.get(id) !== lease) return;
      if (lease.expiresAtMs <= this.#world.nowMs) this.end(id);
      else this.#watch(id, lease);
    });
  }
}
