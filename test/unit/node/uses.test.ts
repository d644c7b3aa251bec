/** What an identity uses at a node, over all its connections. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Quotas, Rights } from '../../../src/core/access/rights.ts';
import { Uses } from '../../../src/node/uses.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const none = new Patterns([]);
const rightsWith = (quotas: Quotas, name = 'shop'): Rights => ({
  name,
  roles: new Set(['client']),
  participants: none,
  clients: none,
  calls: none,
  labels: none,
  lockGroups: none,
  sees: 'own',
  quotas,
});

let clock: ManualClock;
let uses: Uses;
beforeEach(() => {
  clock = new ManualClock();
  uses = new Uses(clock);
  uses.connect(rightsWith({}));
});

describe('bytes a second', () => {
  const rights = rightsWith({ bytesPerSecond: 1_000 });

  it('may come at once as many as in a second; then it is waited for what is too many', () => {
    expect(uses.came(rights, 1_000)).toBe(0);
    expect(uses.came(rights, 500)).toBe(500);
    // Of another connection of the same identity, which brought no more than it may alone.
    expect(uses.came(rights, 500)).toBe(1_000);
    clock.jump(1_000);
    expect(uses.came(rights, 1)).toBe(1);
  });

  it('are others’ own, and without a quota no one is waited for', () => {
    uses.connect(rightsWith({}, 'rival'));
    expect(uses.came(rights, 5_000)).toBe(4_000);
    expect(uses.came(rightsWith({ bytesPerSecond: 1_000 }, 'rival'), 1_000)).toBe(0);
    expect(uses.came(rightsWith({}), 1e9)).toBe(0);
  });

  it('are counted anew under another quota', () => {
    expect(uses.came(rights, 5_000)).toBe(4_000);
    expect(uses.came(rightsWith({ bytesPerSecond: 10_000 }), 5_000)).toBe(0);
  });
});

it('counts connections as they are let in, and not before', () => {
  const rights = rightsWith({ connections: 2 });
  expect(uses.connect(rights)).toBeNull();
  expect(uses.connect(rights)).toMatchObject({ code: 'BUSY' });
  uses.ended('shop');
  expect(uses.connect(rights)).toBeNull();
});

it('forgets nothing of who goes and comes back', () => {
  const rights = rightsWith({ requestIdsPerSecond: 1, bytesPerSecond: 1_000 });
  expect(uses.requestIdProblem(rights)).toBeNull();
  expect(uses.came(rights, 3_000)).toBe(2_000);
  uses.ended('shop');
  expect(uses.connect(rights)).toBeNull();
  expect(uses.requestIdProblem(rights)).toMatchObject({ code: 'BUSY', retryAfterMs: 1_000 });
  expect(uses.came(rights, 0)).toBe(2_000);
});
