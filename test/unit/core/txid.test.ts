import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  epochOf,
  epochOfPosition,
  epochParts,
  epochZero,
  isEpoch,
  isPosition,
  isTxid,
  makeEpoch,
  makePosition,
  maxGeneration,
  positionOf,
  positionZero,
  randomDigits,
  shardOf,
} from '../../../src/core/txid.ts';
import { makeTxid, txidParts } from '../../support/core/txids.ts';

const generation = fc.nat(maxGeneration);
const revision = fc.bigInt(0n, 2n ** 63n - 1n);
const sequence = fc.nat(2 ** 31 - 1);
const random = 'a'.repeat(randomDigits);

function order<T extends number | bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

describe('txids', () => {
  it('give back what they were made of', () => {
    fc.assert(
      fc.property(fc.nat(46_655), generation, revision, sequence, (shard, gen, rev, seq) => {
        const epoch = makeEpoch({ generation: gen, revision: rev });
        const txid = makeTxid({ shard, epoch, sequence: seq, random });
        expect(isTxid(txid) && isEpoch(epoch) && isPosition(positionOf(txid))).toBe(true);
        expect(epochParts(epoch)).toEqual({ generation: gen, revision: rev });
        expect(shardOf(txid)).toBe(shard);
        expect(epochOf(txid)).toBe(epoch);
        expect(epochOfPosition(positionOf(txid))).toBe(epoch);
        const position = makePosition(epoch, seq);
        expect(txidParts(txid)).toEqual({ shard, epoch, sequence: seq, position });
      }),
    );
  });

  it('are no ids where their epoch is beyond every plausible one: whoever believed it would refuse all real leaders', () => {
    for (const epoch of [
      'z'.repeat(17),
      `1000${'0'.repeat(13)}`,
      `0000${'2'.padEnd(13, '0')}`,
      '0'.repeat(16),
    ]) {
      expect(isEpoch(epoch)).toBe(false);
      expect(isTxid(`0.${epoch}.000000001.abcdefghijklm`)).toBe(false);
      expect(isPosition(`${epoch}.000000001`)).toBe(false);
    }
    expect(isEpoch(makeEpoch({ generation: maxGeneration, revision: 2n ** 63n - 1n }))).toBe(true);
  });

  it('sort as text in the order of generation, revision and sequence', () => {
    const parts = fc.tuple(generation, revision, sequence);
    fc.assert(
      fc.property(
        parts,
        parts,
        fc.boolean(),
        fc.boolean(),
        (a, b, sameGeneration, sameRevision) => {
          const other: typeof b = [
            sameGeneration ? a[0] : b[0],
            sameGeneration && sameRevision ? a[1] : b[1],
            b[2],
          ];
          const text = (p: typeof a): string =>
            makeTxid({
              shard: 0,
              epoch: makeEpoch({ generation: p[0], revision: p[1] }),
              sequence: p[2],
              random,
            });
          const numeric = order(a[0], other[0]) || order(a[1], other[1]) || order(a[2], other[2]);
          expect(order(text(a), text(other))).toBe(numeric);
        },
      ),
    );
  });

  it('begin above the zeros', () => {
    const epoch = makeEpoch({ generation: 0, revision: 1n });
    expect(epochZero < epoch).toBe(true);
    expect(positionZero < makePosition(epoch, 0)).toBe(true);
  });

  it.each([
    '',
    '0',
    `00.${'0'.repeat(17)}.${'0'.repeat(9)}.${'0'.repeat(13)}`,
    `0.${'0'.repeat(16)}.${'0'.repeat(9)}.${'0'.repeat(13)}`,
    `0.${'0'.repeat(17)}.${'0'.repeat(9)}.${'A'.repeat(13)}`,
    `0.${'0'.repeat(17)}.${'0'.repeat(9)}.${'0'.repeat(13)}\n`,
    `0.${'0'.repeat(17)}.${'0'.repeat(9)}.${'0'.repeat(13)}/..`,
  ])('refuse %j', (text) => {
    expect(isTxid(text)).toBe(false);
  });

  it('refuse numbers that do not fit their width', () => {
    expect(() => makeEpoch({ generation: 36 ** 4, revision: 0n })).toThrow(RangeError);
    expect(() => makeEpoch({ generation: 0, revision: -1n })).toThrow(RangeError);
    expect(() => makePosition(epochZero, 36 ** 9)).toThrow(RangeError);
  });
});
