/**
 * Locks on keys under drawn sequences of requests: who excludes whom, and that no one waits
 * forever.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyLocks, type LockMode } from '../../src/resources/versioned-store/locks.ts';
import { ManualClock } from '../support/samples/manual-clock.ts';

const owners = ['a', 'b', 'c', 'd', 'e'];
const keys = ['k', 'l', 'm'];

interface Step {
  readonly owner: string;
  /** Null: lets go of everything. */
  readonly take: { readonly key: string; readonly mode: LockMode } | null;
}

const take = fc.record({
  key: fc.constantFrom(...keys),
  mode: fc.constantFrom<LockMode>('shared', 'exclusive'),
});
const step: fc.Arbitrary<Step> = fc.record({
  owner: fc.constantFrom(...owners),
  take: fc.option(take, { freq: 6 }),
});

class World {
  readonly locks: KeyLocks = new KeyLocks({
    clock: new ManualClock(),
    waitMs: 1_000,
    maxWaiters: 1_000,
  });
  /** Owners that have asked and have no answer. */
  readonly waiting: Map<string, number> = new Map();
  deadlocks = 0;

  async carryOut({ owner, take }: Step): Promise<void> {
    if (take === null) return this.#release(owner);
    this.#count(owner, 1);
    void this.locks.take({ owner, ...take, signal: () => null }).then((result) => {
      this.#count(owner, -1);
      if (result === 'granted') return;
      // As the store does: what was refused rolls the whole branch back.
      this.deadlocks += result === 'deadlock' ? 1 : 0;
      this.locks.release(owner);
    });
    await settled();
  }

  async #release(owner: string): Promise<void> {
    this.locks.release(owner);
    await settled();
  }

  check(): void {
    for (const key of keys) {
      const modes = owners.map((owner) => this.locks.modeOf(key, owner)).filter(Boolean);
      if (modes.includes('exclusive')) expect(modes).toHaveLength(1);
    }
  }

  /**
   * Whoever does not wait ends, as a transaction does; the clock stands still, so no limit helps.
   */
  async end(): Promise<void> {
    while (this.locks.waiting > 0) {
      const runs = owners.find((owner) => !this.waiting.has(owner) && this.#holds(owner));
      expect(runs, 'all that hold something wait for each other').toBeDefined();
      await this.#release(runs as string);
      this.check();
    }
  }

  #holds(owner: string): boolean {
    return keys.some((key) => this.locks.modeOf(key, owner) !== null);
  }

  #count(owner: string, by: number): void {
    const count = (this.waiting.get(owner) ?? 0) + by;
    if (count === 0) this.waiting.delete(owner);
    else this.waiting.set(owner, count);
  }
}

/** Every promise of the locks has had its turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
}

describe('locks on keys', () => {
  it('exclude whom they must, and let everybody go on without a time-out', async () => {
    let deadlocks = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new World();
        for (const each of steps) {
          await world.carryOut(each);
          world.check();
        }
        await world.end();
        deadlocks += world.deadlocks;
      }),
      { numRuns: 3_000 },
    );
    // Otherwise the drawn sequences would prove little.
    expect(deadlocks).toBeGreaterThan(100);
  });

  it('refuse no one who only asks in the order of the keys', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new World();
        for (const { owner, take } of steps) {
          const held = keys.filter((key) => world.locks.modeOf(key, owner) !== null);
          const inOrder = take === null || take.key > (held.at(-1) ?? '');
          if (inOrder && !world.waiting.has(owner)) await world.carryOut({ owner, take });
        }
        await world.end();
        expect(world.deadlocks).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});
