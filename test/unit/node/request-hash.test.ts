import { describe, expect, it } from 'vitest';
import { requestHash } from '../../../src/node/request-hash.ts';

const branches = [{ participant: 'a', payload: { x: 1 } }, { participant: 'b' }];

describe('the hash of a request', () => {
  it('is what it always was where there are no locks', () => {
    expect(requestHash({ branches })).toBe('v2NUTh5tEY2CZFirUgnuo2NnngG30F7y');
  });

  it('does not depend on how the same locks are written', () => {
    const one = requestHash({
      branches,
      locks: [{ keys: ['k', 'l', 'k'] }, { keys: ['s'], mode: 'shared' }],
    });
    const other = requestHash({
      branches,
      lockGroup: 'default',
      locks: [
        { keys: ['s', 'k'], mode: 'shared' },
        { keys: ['l'], mode: 'exclusive' },
        { keys: ['k'], mode: 'exclusive' },
      ],
    });
    expect(one).toBe(other);
  });

  it('differs with keys, modes, the group, and locks at all', () => {
    const locks = [{ keys: ['k'] }];
    const hashes = [
      requestHash({ branches }),
      requestHash({ branches, locks }),
      requestHash({ branches, locks, lockGroup: 'other' }),
      requestHash({ branches, lockGroup: 'other' }),
      requestHash({ branches, locks: [{ keys: ['k'], mode: 'shared' }] }),
      requestHash({ branches, locks: [{ keys: ['k', 'l'] }] }),
      requestHash({ branches: branches.slice(1), locks }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
