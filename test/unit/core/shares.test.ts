import { describe, expect, it } from 'vitest';
import { type Origin, Shares } from '../../../src/core/shares.ts';
import { weightOf } from '../../../src/core/weight.ts';

const from = (address: string, name = 'n'): Origin => ({ address, name });

/** Takes one at a time for as long as it gets any. */
function flood(shares: Shares, origin: Origin): number {
  let taken = 0;
  while (shares.admits(origin, 1)) {
    shares.take(origin, 1);
    taken += 1;
  }
  return taken;
}

describe('shares', () => {
  it('one alone gets most of it, and something is left for another name, and more for another address', () => {
    const shares = new Shares(10_000);
    const taken = flood(shares, from('a', 'greedy'));
    expect(taken).toBeGreaterThan(6_000);
    expect(taken).toBeLessThan(8_000);
    expect(shares.admits(from('a', 'modest'), 500)).toBe(true);
    expect(shares.admits(from('b', 'modest'), 1_500)).toBe(true);
  });

  it('however many names one address takes, there is room for others', () => {
    const shares = new Shares(10_000);
    for (let index = 0; index < 200; index += 1) flood(shares, from('a', `name ${index}`));
    expect(shares.admits(from('b'), 1_000)).toBe(true);
  });

  it('and where some addresses do the same', () => {
    const shares = new Shares(10_000);
    for (let index = 0; index < 3; index += 1) flood(shares, from(`address ${index}`));
    expect(shares.admits(from('b'), 10)).toBe(true);
  });

  it('what is given back is there again, for whoever wants it', () => {
    const shares = new Shares(100);
    const taken = flood(shares, from('a'));
    shares.take(from('a'), -taken);
    expect(shares.used).toBe(0);
    expect(flood(shares, from('b'))).toBe(taken);
  });

  it('never gives more than there is', () => {
    const shares = new Shares(3);
    for (const address of ['a', 'b', 'c', 'd', 'e']) flood(shares, from(address));
    expect(shares.used).toBe(3);
  });
});

describe('the weight of a value', () => {
  it.each<[unknown, number]>([
    ['x'.repeat(1_000_000), 1_000_000],
    [new Uint8Array(1_000_000), 1_000_000],
    [Array.from({ length: 100_000 }, () => ({})), 6_000_000],
    [{ ['k'.repeat(1_000)]: 1 }, 1_000],
  ])('is at least what it takes', (value, least) => {
    expect(weightOf(value)).toBeGreaterThanOrEqual(least);
    expect(weightOf(value)).toBeLessThan(least * 1.5 + 1_000);
  });
});
