import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overloaded } from '../../../src/coordinator/balance.ts';
import type { LeaderInfo } from '../../../src/core/messages.ts';
import { leaderInfo } from '../../support/samples/messages.ts';

const nodesOf = (...names: readonly string[]) =>
  names.map((node) => ({ node, url: `ws://${node}:7070/v1` }));
const ledBy = (...names: readonly (string | null)[]): (LeaderInfo | null)[] =>
  names.map((node, shard) => (node === null ? null : leaderInfo(node, { shard })));

describe('who gives a shard up', () => {
  it('is the one that leads two more than another, its last one first', () => {
    const leaders = ledBy('a', 'a', 'a', 'b');
    const nodes = nodesOf('a', 'b', 'c');
    expect(overloaded({ node: 'a', nodes, leaders })).toEqual([2]);
    expect(overloaded({ node: 'b', nodes, leaders })).toEqual([]);
    expect(overloaded({ node: 'c', nodes, leaders })).toEqual([]);
  });

  it('is no one where one more is as even as it gets, nor while a shard is without leader', () => {
    const nodes = nodesOf('a', 'b', 'c');
    expect(overloaded({ node: 'a', nodes, leaders: ledBy('a', 'a', 'b', 'c') })).toEqual([]);
    expect(overloaded({ node: 'a', nodes, leaders: ledBy('a', 'a', 'a', null) })).toEqual([]);
    expect(overloaded({ node: 'a', nodes: nodesOf('a'), leaders: ledBy('a', 'a') })).toEqual([]);
  });

  it('gives up a quarter of a large difference at once, and no more than eight', () => {
    const all = (count: number) => Array.from({ length: count }, () => 'a');
    const nodes = nodesOf('a', 'b');
    const of = (count: number) => overloaded({ node: 'a', nodes, leaders: ledBy(...all(count)) });
    expect(of(7)).toEqual([6]);
    expect(of(8)).toEqual([7, 6]);
    expect(of(64)).toEqual([63, 62, 61, 60, 59, 58, 57, 56]);
  });

  it('is one node at a time, whatever the board: each step is nearer to even, and it ends there', () => {
    const names = ['a', 'b', 'c', 'd', 'e'] as const;
    const boards = fc.record({
      up: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
      draws: fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
    });
    fc.assert(
      fc.property(boards, ({ up, draws }) => {
        const nodes = nodesOf(...up);
        let leaders = ledBy(...draws.map((draw) => up[draw % up.length] as string));
        const counts = (): number[] =>
          up.map((node) => leaders.filter((leader) => leader?.node === node).length);
        for (let step = 0; ; step += 1) {
          const giving = up.flatMap((node) => {
            const shards = overloaded({ node, nodes, leaders });
            return shards.length === 0 ? [] : [{ node, shards }];
          });
          expect(giving.length).toBeLessThanOrEqual(1);
          const [give] = giving;
          if (give === undefined) break;
          for (const shard of give.shards) expect(leaders[shard]?.node).toBe(give.node);
          const fewest = up[counts().indexOf(Math.min(...counts()))] as string;
          leaders = leaders.map((leader, shard) =>
            give.shards.includes(shard) ? leaderInfo(fewest, { shard }) : leader,
          );
          expect(step).toBeLessThan(draws.length);
        }
        expect(Math.max(...counts()) - Math.min(...counts())).toBeLessThan(2);
      }),
    );
  });
});
