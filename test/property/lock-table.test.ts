/**
 * The lock table against a model that says the rules in the plainest way: a list of waiters, a list
 * of holders, and for every two of them whether one waits for the other.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cycleThrough, victimOf } from '../../src/core/locks/cycle.ts';
import type { LockMode } from '../../src/core/locks/modes.ts';
import {
  type LockOwner,
  LockTable,
  type LockWant,
  normalWants,
} from '../../src/core/locks/table.ts';
import { makeEpoch } from '../../src/core/txid.ts';
import { compatible } from '../simulation/check/compatible.ts';
import { makeTxid } from '../support/core/txids.ts';

interface Waiting {
  readonly owner: LockOwner;
  readonly wants: readonly LockWant[];
  /** The keys that the owner held already when it asked. */
  readonly upgrades: ReadonlySet<string>;
  readonly arrival: number;
}

const epoch = makeEpoch({ generation: 0, revision: 1n });

function owner(sequence: number): LockOwner {
  return {
    txid: makeTxid({ shard: 0, epoch, sequence, random: '0'.repeat(13) }),
  };
}

class Model {
  waiting: Waiting[] = [];
  readonly holding = new Map<LockOwner, Map<string, LockMode>>();
  open = false;

  held(who: LockOwner): Map<string, LockMode> {
    let held = this.holding.get(who);
    if (held === undefined) {
      held = new Map();
      this.holding.set(who, held);
    }
    return held;
  }

  /** Whom the request waits for. */
  blockers(request: Waiting): Set<LockOwner> {
    const found = new Set<LockOwner>();
    for (const { key, mode } of request.wants) {
      for (const [who, held] of this.holding) {
        const other = held.get(key);
        if (who !== request.owner && other !== undefined && !compatible(mode, other))
          found.add(who);
      }
      for (const other of this.waiting) {
        const wanted = other.wants.find((want) => want.key === key);
        if (other === request || other.owner === request.owner || wanted === undefined) continue;
        const mine = request.upgrades.has(key);
        const its = other.upgrades.has(key);
        const before = its === mine ? other.arrival < request.arrival : its;
        if (before && !compatible(mode, wanted.mode)) found.add(other.owner);
      }
    }
    return found;
  }

  blockersOf(who: LockOwner): Set<LockOwner> {
    const found = new Set<LockOwner>();
    for (const request of this.waiting) {
      if (request.owner !== who) continue;
      for (const other of this.blockers(request)) found.add(other);
    }
    return found;
  }

  /** Grants what is free, in order of arrival. */
  serve(): Waiting[] {
    if (!this.open) return [];
    const granted: Waiting[] = [];
    for (const request of [...this.waiting]) {
      if (this.blockers(request).size > 0) continue;
      this.waiting.splice(this.waiting.indexOf(request), 1);
      const held = this.held(request.owner);
      for (const { key, mode } of request.wants) {
        if (held.get(key) !== 'exclusive') held.set(key, mode);
      }
      granted.push(request);
    }
    return granted;
  }

  isDeadlocked(): boolean {
    return [...this.holding.keys()].some((start) => {
      const seen = new Set<LockOwner>();
      const open = [...this.blockersOf(start)];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        if (next === start) return true;
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(...this.blockersOf(next));
      }
      return false;
    });
  }
}

type Step =
  | { readonly kind: 'ask'; readonly who: number; readonly wants: readonly LockWant[] }
  | { readonly kind: 'end'; readonly who: number }
  | { readonly kind: 'open' };

const maxOwners = 6;
const want: fc.Arbitrary<LockWant> = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  mode: fc.constantFrom('shared', 'exclusive'),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      who: fc.nat(maxOwners - 1),
      wants: fc.array(want, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('end' as const), who: fc.nat(maxOwners - 1) }),
  },
);

describe('lock table', () => {
  it('grants and refuses as the model does, and leaves no deadlock standing', () => {
    let deadlocks = 0;
    let upgrades = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        fc.nat(5),
        fc.array(want, { maxLength: 2 }),
        (steps, openAfter, recovered) => {
          const table = new LockTable<LockOwner>();
          const model = new Model();
          let sequence = 1;
          let arrivals = 0;
          const old = owner(0);
          const loaded = normalWants(recovered);
          table.hold(old, loaded, 0);
          for (const { key, mode } of loaded) model.held(old).set(key, mode);
          const owners = Array.from({ length: maxOwners }, () => owner(sequence++));
          owners[0] = old;

          const agree = (granted: readonly { readonly owner: LockOwner }[]) => {
            const expected = model.serve();
            expect(granted.map((request) => request.owner.txid)).toEqual(
              expected.map((request) => request.owner.txid),
            );
            for (const who of owners) {
              expect([...table.held(who)].map(([key, { mode }]) => [key, mode]).sort()).toEqual(
                [...model.held(who)].sort(),
              );
            }
            expect(table.waiting).toBe(model.waiting.length);
          };
          const end = (who: LockOwner) => {
            model.waiting = model.waiting.filter((request) => request.owner !== who);
            model.holding.delete(who);
            const at = owners.indexOf(who);
            owners[at] = owner(sequence++);
            agree(table.release(who, 0));
          };

          const all = [...steps];
          all.splice(Math.min(openAfter, all.length), 0, { kind: 'open' });
          for (const each of all) {
            if (each.kind === 'open') {
              model.open = true;
              agree(table.open(0));
              continue;
            }
            const who = owners[each.who] as LockOwner;
            if (each.kind === 'end') {
              end(who);
              continue;
            }
            // One from an earlier leadership is decided: it asks for nothing.
            if (who === old) continue;
            const wants = normalWants(each.wants);
            const held = model.held(who);
            const owed = wants.filter(
              ({ key, mode }) =>
                held.get(key) !== 'exclusive' && held.get(key) !== (mode as string),
            );
            const covered = owed.length === 0;
            expect(table.covers(who, wants)).toBe(covered);
            const request = table.request({ owner: who, wants, nowMs: 0 });
            if (covered) {
              expect(request).toBeNull();
              continue;
            }
            const upgraded = new Set(owed.filter(({ key }) => held.has(key)).map(({ key }) => key));
            upgrades += upgraded.size;
            const waiting: Waiting = {
              owner: who,
              wants: owed,
              upgrades: upgraded,
              arrival: arrivals++,
            };
            model.waiting.push(waiting);
            const blocked = !model.open || model.blockers(waiting).size > 0;
            expect(request !== null).toBe(blocked);
            if (!blocked) agree([{ owner: who }]);
            for (;;) {
              const cycle = cycleThrough(table, who);
              if (cycle === null) break;
              deadlocks += 1;
              expect(cycle[0]?.owner).toBe(who);
              for (const [at, { owner: one, key }] of cycle.entries()) {
                const next = cycle[(at + 1) % cycle.length]?.owner as LockOwner;
                expect(model.blockersOf(one)).toContain(next);
                const here = model.waiting.some(
                  (other) => other.owner === one && other.wants.some((its) => its.key === key),
                );
                expect(here).toBe(true);
              }
              const victim = victimOf(cycle);
              // One that waits for nothing stands in no cycle: a decided transaction is never a
              // victim.
              expect(table.waits(victim).size).toBeGreaterThan(0);
              end(victim);
            }
            expect(model.isDeadlocked()).toBe(false);
          }
        },
      ),
      { numRuns: 3_000 },
    );
    expect(deadlocks).toBeGreaterThan(100);
    expect(upgrades).toBeGreaterThan(100);
  });
});
