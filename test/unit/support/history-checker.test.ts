import { describe, expect, it } from 'vitest';
import { makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { checkHistory, type HistoryRun } from '../../support/checks/history-checker.ts';
import { makeTxid } from '../../support/core/txids.ts';
import type { Change } from '../../support/etcd/etcd-history.ts';

const first = makeEpoch({ generation: 0, revision: 3n });
const second = makeEpoch({ generation: 0, revision: 9n });
const txid = (sequence: number, epoch = first): Txid =>
  makeTxid({ shard: 0, epoch, sequence, random: 'a'.repeat(13) });
const [one, two] = [txid(1), txid(2)] as const;

function change(revision: bigint, more: Partial<Change>): Change {
  return {
    revision,
    type: 'put',
    shard: 0,
    area: 'decisions',
    name: '',
    version: 1,
    outcome: null,
    branches: [],
    epoch: null,
    ...more,
  };
}

const branches = ['a', 'b'].map((participant) => ({ participant, branch: 'x' }));
const took = change(3n, { area: 'leader', epoch: first });
const committed = change(4n, { name: one, outcome: 'commit', branches });
const removed = change(6n, { type: 'delete', name: one });
const moved = change(6n, { area: 'finished', name: one, outcome: 'commit' });
const forced = change(7n, { name: two, outcome: 'abort' });
const request = change(4n, { area: 'requests', name: '"r"' });

/** One committed and moved, one forced to abort; then another leads. */
const sound: HistoryRun = {
  changes: [
    took,
    committed,
    request,
    removed,
    moved,
    forced,
    change(9n, { area: 'leader', epoch: second, version: 2 }),
  ],
  participants: ['a', 'b'].map((participant) => ({
    participant,
    held: [{ txid: one, branch: 'x', prepared: false, applied: 1, tag: 'one' }],
    journalOpen: [],
  })),
};

function followedBy(...more: Change[]): HistoryRun {
  return { ...sound, changes: [...sound.changes, ...more] };
}

function heldByB(applied: number | null): HistoryRun {
  const participants = sound.participants.map((state) =>
    state.participant === 'b'
      ? { ...state, held: applied === null ? [] : state.held.map((each) => ({ ...each, applied })) }
      : state,
  );
  return { ...sound, participants };
}

describe('the checker of a history', () => {
  it('finds nothing in a sound run', () => {
    expect(checkHistory(sound)).toEqual([]);
  });

  it.each<[string, HistoryRun, RegExp]>([
    [
      'a decision put a second time after it was moved',
      followedBy(change(10n, { name: one, outcome: 'commit' })),
      /put more than once/,
    ],
    [
      'a decision written over',
      followedBy(change(10n, { name: two, outcome: 'abort', version: 2 })),
      /was written over/,
    ],
    [
      'a request key written over',
      followedBy(change(10n, { area: 'requests', name: '"r"', version: 2 })),
      /was written over/,
    ],
    [
      'two outcomes of one transaction',
      followedBy(change(10n, { area: 'finished', name: two, outcome: 'commit' })),
      /recorded as abort and as commit/,
    ],
    [
      'a commit of a leader whose time was over',
      followedBy(change(10n, { name: txid(5), outcome: 'commit' })),
      /was written while/,
    ],
    [
      'a commit while no one led',
      followedBy(
        change(10n, { type: 'delete', area: 'leader' }),
        change(11n, { name: txid(1, second), outcome: 'commit' }),
      ),
      /while no one led/,
    ],
    ['a commit without a vote', heldByB(null), /which never had it/],
    ['a commit that one has not applied', heldByB(0), /applied it 0 times/],
    [
      'an effect that no commit stands for',
      {
        ...sound,
        participants: sound.participants.map((state) => ({
          ...state,
          held: [
            ...state.held,
            { txid: two, branch: 'x', prepared: false, applied: 1, tag: 'two' },
          ],
        })),
      },
      /applied 2 effects, the log has 1/,
    ],
  ])('finds %s', (_what, run, violation) => {
    expect(checkHistory(run).join('\n')).toMatch(violation);
  });
});
