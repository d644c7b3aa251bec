/** Patterns of the access file, and what they are asked for. */
import { describe, expect, it } from 'vitest';
import { beginProblem, callProblem, helloProblem } from '../../../src/core/access/judge-access.ts';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Rights } from '../../../src/core/access/rights.ts';
import { Shares } from '../../../src/core/shares.ts';

describe('patterns', () => {
  it.each<[string[], string, boolean]>([
    [[], 'a', false],
    [['a'], 'a', true],
    [['a'], 'ab', false],
    [['a*'], 'ab', true],
    [['a*'], 'a', true],
    [['a*'], 'ba', false],
    [['*'], 'anything', true],
    [['b', 'a*'], 'a.b', true],
    [['a.b'], 'a-b', false],
  ])('%j and %s: %s', (patterns, text, matches) => {
    expect(new Patterns(patterns).match(text)).toBe(matches);
  });
});

const rights: Rights = {
  name: 'shop',
  roles: new Set(['client', 'participant']),
  participants: new Patterns(['stock']),
  clients: new Patterns(['shop-*']),
  calls: new Patterns(['payment']),
  labels: new Patterns(['order']),
  lockGroups: new Patterns(['shared/stock']),
  sees: 'own',
  quotas: {},
};

describe('what an identity says', () => {
  it.each([
    [{ roles: ['client'], name: 'shop-1' }, null],
    [{ roles: ['participant'], name: 'stock' }, null],
    [{ roles: ['operator'], name: 'shop-1' }, /role operator.*"roles"/],
    [{ roles: ['client'], name: 'stock' }, /client name stock.*"clients"/],
    [{ roles: ['participant'], name: 'shop-1' }, /participant shop-1.*"participants"/],
    // Each of its roles, under its one name.
    [{ roles: ['client', 'participant'], name: 'stock' }, /"clients"/],
  ] as const)('hello as %j', (hello, problem) => {
    const said = helloProblem(rights, hello);
    if (problem === null) expect(said).toBeNull();
    else expect(said).toMatchObject({ code: 'FORBIDDEN', message: expect.stringMatching(problem) });
  });

  it('is told by the rule that is missing, and whether there is such a thing is not', () => {
    const begin = { type: 'begin', id: 1, labels: { order: '1', secret: '2' } } as const;
    expect(beginProblem(rights, begin)?.message).toMatch(/label secret/);
    const locks = { type: 'begin', id: 1, lockGroup: 'shared/bank' } as const;
    expect(beginProblem(rights, locks)?.message).toMatch(/lock group shared\/bank/);
    expect(beginProblem(rights, { type: 'begin', id: 1, lockGroup: 'own' })).toBeNull();
    expect(callProblem(rights, 'nothing')?.message).toBe(
      'enlist is refused: the access file does not give calls of nothing to the identity shop. "nothing" in "calls" of its entry would.',
    );
    expect(callProblem(rights, 'payment')).toBeNull();
  });
});

it('a share is bounded by its quota, for all names of an address together', () => {
  const shares = new Shares(1_000, 'transactions');
  const of = (name: string) => ({ address: 'identity shop', name, max: { transactions: 2 } });
  shares.take(of('a'), 1);
  expect(shares.admits(of('b'), 1)).toBe(true);
  shares.take(of('b'), 1);
  expect(shares.admits(of('c'), 1)).toBe(false);
  expect(shares.admits({ ...of('c'), max: {} }, 1)).toBe(true);
  expect(shares.admits({ address: 'other', name: 'x', max: { locks: 0 } }, 1)).toBe(true);
});
