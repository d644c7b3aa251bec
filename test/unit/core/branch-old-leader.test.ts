/** A leader that was paused goes on after its successor: what a participant makes of its late commands. */
import { describe, expect, it } from 'vitest';
import { type LocalState, stepBranch } from '../../../src/core/branch.ts';
import { makeEpoch, makeTxid } from '../../../src/core/txid.ts';

const old = makeEpoch({ generation: 0, revision: 1n });
const newer = makeEpoch({ generation: 0, revision: 2n });
const txid = makeTxid({ shard: 0, epoch: old, sequence: 1, random: 'a'.repeat(13) });
const forgotten: LocalState = { txid, branch: 'b', name: 'gone', reason: null };
const context = { shared: false, recordsStart: false };

describe('a commit of a branch that was forgotten', () => {
  it.each([
    ['the leader that is known', newer, newer, true],
    ['the only leader there was', old, old, true],
    ['a leader that was succeeded', old, newer, false],
  ] as const)('from %s', (_who, epoch, knownEpoch, alarmed) => {
    const event = { type: 'commit', connection: 1, epoch } as const;
    const { state, effects } = stepBranch(forgotten, event, { ...context, knownEpoch });
    expect(state).toEqual(forgotten);
    const kinds = effects.map(({ kind }) => kind);
    // Refused either way: it is never acknowledged.
    expect(effects[0]).toMatchObject({ kind: 'send', message: { ok: false } });
    expect(kinds.includes('alarm')).toBe(alarmed);
  });
});
