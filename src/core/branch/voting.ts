/** The branch machine from the application's prepare to the vote; see `branch.ts`. */

import type { VoteReason } from '../messages.ts';
import { forgetVoterAndAsker, withAsker } from './askers.ts';
import {
  adopt,
  beginRollback,
  reasons,
  recordAbort,
  refuseCommit,
  refuseCommitAnswer,
  refuseEnlist,
  replayPrepare,
  replayRollbacks,
  sendVote,
} from './effects.ts';
import { atRest, identity, type Next, type Row, stay } from './row.ts';
import type { LocalBranchOf } from './types.ts';

export const preparing: Row<'preparing'> = {
  ...atRest,
  // A repeat: the application is not called again, and the one vote goes to the newest connection.
  prepare: (branch, { connection }) => ({ branch: { ...branch, voter: connection }, effects: [] }),
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) => ({
    branch: { ...branch, interrupted: 'rollback', owed: withAsker(branch.owed, connection) },
    effects: branch.interrupted === null ? [{ type: 'interrupt-prepare', why: 'rollback' }] : [],
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'prepare-timeout': (branch) =>
    branch.interrupted === null
      ? {
          branch: { ...branch, interrupted: 'timeout' },
          effects: [{ type: 'interrupt-prepare', why: 'timeout' }],
        }
      : stay(branch),
  'application-prepared': (branch, { prepared }) => {
    const { prepare, voter, owed, interrupted } = branch;
    const holds = prepared.vote === 'commit' || prepared.vote === 'threw';
    if (interrupted !== null) {
      // A late `commit` must not become a vote. After a rollback no one waits for a vote any more.
      const reason = interrupted === 'rollback' ? reasons.rolledBack : reasons.timedOut;
      const end = { owed, reason, voter: interrupted === 'timeout' ? voter : null };
      return holds
        ? beginRollback(branch, { ...end, payload: prepare.payload })
        : recordAbort(branch, end);
    }
    if (prepared.vote === 'threw') {
      return beginRollback(branch, { payload: prepare.payload, voter, reason: prepared.reason });
    }
    if (prepared.vote === 'abort') return recordAbort(branch, { voter, reason: prepared.reason });
    const { vote, result } = prepared;
    return {
      branch: {
        ...identity(branch),
        state: 'voting',
        prepare,
        vote,
        result,
        voter,
        rollback: false,
        owed: [],
      },
      effects: [
        {
          type: 'write-vote',
          state: vote === 'commit' ? 'prepared' : 'readonly',
          epoch: prepare.epoch,
          witness: prepare.witness,
          payload: vote === 'commit' ? prepare.payload : undefined,
          result,
        },
      ],
    };
  },
};

export const voting: Row<'voting'> = {
  ...atRest,
  prepare: (branch, { connection }) => ({ branch: { ...branch, voter: connection }, effects: [] }),
  // Its vote was never sent, so no correct leader can have decided this.
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) => ({
    branch: { ...branch, rollback: true, owed: withAsker(branch.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'vote-written': (branch) => {
    const { vote, result, voter, prepare } = branch;
    if (branch.rollback) return undoVote(branch);
    const base = identity(branch);
    if (vote === 'readonly') {
      return {
        branch: { ...base, state: 'readonly', result },
        effects: sendVote(branch, voter, { vote, result }),
      };
    }
    const { epoch, witness, payload } = prepare;
    return {
      branch: { ...base, state: 'prepared', epoch, witness, payload, result },
      effects: [
        ...sendVote(branch, voter, { vote, result }),
        { type: 'start-timer', timer: 'patience' },
      ],
    };
  },
  'vote-refused': (branch, event, context) => {
    if (
      event.by === 'entry' &&
      event.entry.state !== 'tombstone' &&
      event.entry.state !== 'started'
    ) {
      // Another process of the shared resource voted for this branch: its word stands.
      const next = adopt(branch, event.entry, context);
      return {
        ...next,
        again: [
          ...replayPrepare(branch.prepare, branch.voter),
          ...replayRollbacks(branch.owed, branch.txid),
        ],
      };
    }
    return undoVote(branch, event.by === 'entry' ? reasons.rolledBack : reasons.staleEpoch);
  },
};

/** No vote was sent, and none will be: a tombstone, whoever was first in the journal. */
function undoVote(branch: LocalBranchOf<'voting'>, reason: VoteReason = reasons.rolledBack): Next {
  const { owed, prepare } = branch;
  // A rollback that came makes a vote pointless.
  const end = { owed, reason, voter: branch.rollback ? null : branch.voter };
  return branch.vote === 'commit'
    ? beginRollback(branch, { ...end, payload: prepare.payload })
    : recordAbort(branch, end);
}
