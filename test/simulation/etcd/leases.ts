/** Etcd's leases: granted in whole seconds, looked at every half second, all prolonged when its leader changes. */
import type { World } from '../world/world.ts';

interface Lease {
  readonly ttlMs: number;
  expiresAtMs: number;
}

const checkMs = 500;
const restoredTtlMs = 3_000;

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
    const ttlMs = granted * 1_000;
    this.#leases.set(id, { ttlMs, expiresAtMs: this.#world.nowMs + ttlMs });
    this.#watch(id);
    return { id, ttlS: granted };
  }

  /**
   * Seconds from now on; 0 where it is over. One that has run out, and that etcd has not come round to yet, is over too:
   * etcd answers when it is gone, and no beat brings it back.
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

  snapshot(): readonly string[] {
    return [...this.#leases.keys()];
  }

  /** Those of the snapshot begin anew, the others were never granted. */
  restore(ids: readonly string[]): void {
    const kept = new Set(ids);
    for (const id of this.#leases.keys()) if (!kept.has(id)) this.#leases.delete(id);
    for (const id of ids) {
      const known = this.#leases.get(id);
      if (known !== undefined) continue;
      this.#leases.set(id, {
        ttlMs: restoredTtlMs,
        expiresAtMs: this.#world.nowMs + restoredTtlMs,
      });
      this.#watch(id);
    }
    this.prolongAll();
  }

  /** A new leader of etcd's own does not know how much had run out. */
  prolongAll(): void {
    for (const lease of this.#leases.values()) lease.expiresAtMs = this.#world.nowMs + lease.ttlMs;
  }

  #watch(id: string): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    const dueMs = Math.ceil(lease.expiresAtMs / checkMs) * checkMs;
    this.#world.at(dueMs, () => {
      if (lease.expiresAtMs <= this.#world.nowMs) this.end(id);
      else this.#watch(id);
    });
  }
}
