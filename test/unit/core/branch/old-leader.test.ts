/**
 * A commit that comes late: repeated by the network, or sent by a leader that was paused and goes
 * on after its successor.
 */
import { describe, expect, it } from 'vitest';
import { type LocalBranch, stepBranch } from '../../../../src/core/branch/branch.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';
import { makeTxid } from '../../../support/core/txids.ts';

const old = makeEpoch({ generation: 0, revision: 1n });
const newer = makeEpoch({ generation: 0, revision: 2n });
const txid = makeTxid({ shard: 0, epoch: old, sequence: 1, random: 'a'.repeat(13) });
const forgotten: LocalBranch = { txid, branch: 'b', state: 'forgotten' };
const rolledBack: LocalBranch = { txid, branch: 'b', state: 'gone', reason: null };
const swept: LocalBranch = { txid, branch: 'b', state: 'unknown' };

const known = ['the leader that is known', newer, newer] as const;
const only = ['the only leader there was', old, old] as const;
const succeeded = ['a leader that was succeeded', old, newer] as const;

describe('a late commit', () => {
  it.each([
    [forgotten, ...known, { acknowledged: true, alarmed: false }],
    [forgotten, ...only, { acknowledged: true, alarmed: false }],
    [forgotten, ...succeeded, { acknowledged: true, alarmed: false }],
    [rolledBack, ...known, { acknowledged: false, alarmed: true }],
    [rolledBack, ...only, { acknowledged: false, alarmed: true }],
    [rolledBack, ...succeeded, { acknowledged: false, alarmed: true }],
    [swept, ...known, { acknowledged: false, alarmed: true }],
    [swept, ...only, { acknowledged: false, alarmed: true }],
    // Were something wrong, the successor's own commit would raise it.
    [swept, ...succeeded, { acknowledged: false, alarmed: false }],
  ] as const)('to $state from %s', (branch, _who, epoch, knownEpoch, expected) => {
    const event = { type: 'commit', connection: 1, epoch } as const;
    const context = {
      shared: false,
      siblings: false,
      recordsStart: false,
      keepsVotes: false,
      knownEpoch,
    };
    const { branch: state, effects } = stepBranch(branch, event, context);
    expect(state).toEqual(branch);
    expect(effects[0]).toMatchObject({
      type: 'send',
      message: { type: 'ack', decision: 'commit', ok: expected.acknowledged },
    });
    expect(effects.some(({ type }) => type === 'alarm')).toBe(expected.alarmed);
  });
});
