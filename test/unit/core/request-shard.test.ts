import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestShard } from '../../../src/core/request-shard.ts';

describe('the shard of a request id', () => {
  it('is FNV-1a, and stays what it is: a cluster depends on it forever', () => {
    // Of one-unit texts the second round hashes a zero byte.
    const fnv = (bytes: number[]): number =>
      bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
    expect(requestShard('', 1_000)).toBe(0x811c9dc5 % 1_000);
    expect(requestShard('a', 2 ** 31)).toBe(fnv([0x61, 0]) % 2 ** 31);
    expect(requestShard('order-1', 2 ** 31)).toBe(
      fnv([...'order-1'].flatMap((letter) => [letter.charCodeAt(0), 0])) % 2 ** 31,
    );
    expect(requestShard('\u20ac', 2 ** 31)).toBe(fnv([0xac, 0x20]) % 2 ** 31);
  });

  it('is one of the shards, and spreads', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 64 }), (id, shards) => {
        const shard = requestShard(id, shards);
        expect(Number.isInteger(shard) && shard >= 0 && shard < shards).toBe(true);
      }),
    );
    const counts = new Array<number>(8).fill(0);
    for (let index = 0; index < 8_000; index += 1) {
      const shard = requestShard(`order-${index}`, 8);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(700);
  });
});
