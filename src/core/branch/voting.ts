/** The branch machine from the application's prepare to the vote. The diagram and the rules are in `branch.ts`. */

import type { VoteReason } from '../messages.ts';
import {
  adopt,
  beginRollback,
  contradicted,
  forgetVoterAndAsker,
  lateTimers,
  type Next,
  nothingOwed,
  type Row,
  reasons,
  recordAbort,
  refuseCommit,
  refuseEnlist,
  replayPrepare,
  replayRollbacks,
  sendVote,
  stay,
  withAsker,
} from './effects.ts';
import type { LocalStateOf } from './types.ts';

export const preparing: Row<'preparing'> = {
  ...nothingOwed,
  ...lateTimers,
  // A repeat: the application is not called again, and the one vote goes to the newest connection.
  prepare: (state, { connection }) => ({ state: { ...state, voter: connection }, effects: [] }),
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) => ({
    state: { ...state, interrupted: 'rollback', owed: withAsker(state.owed, connection) },
    effects: state.interrupted === null ? [{ kind: 'interrupt-prepare', why: 'rollback' }] : [],
  }),
  forget: stay,
  answer: (state, { decision }) =>
    decision === 'commit' ? contradicted(state, decision) : stay(state),
  enlisted: refuseEnlist,
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'prepare-timeout': (state) =>
    state.interrupted === null
      ? {
          state: { ...state, interrupted: 'timeout' },
          effects: [{ kind: 'interrupt-prepare', why: 'timeout' }],
        }
      : stay(state),
  'application-prepared': (state, { prepared }) => {
    const { prepare, voter, owed, interrupted } = state;
    const holds = prepared.vote === 'commit' || prepared.vote === 'threw';
    if (interrupted !== null) {
      // A late `commit` must not become a vote. After a rollback nobody waits for a vote any more.
      const reason = interrupted === 'rollback' ? reasons.rolledBack : reasons.timedOut;
      const end = { owed, reason, voter: interrupted === 'timeout' ? voter : null };
      return holds
        ? beginRollback(state, { ...end, payload: prepare.payload })
        : recordAbort(state, end);
    }
    if (prepared.vote === 'threw') {
      return beginRollback(state, { payload: prepare.payload, voter, reason: prepared.reason });
    }
    if (prepared.vote === 'abort') return recordAbort(state, { voter, reason: prepared.reason });
    const { vote, result } = prepared;
    const { txid, branch } = state;
    return {
      state: {
        txid,
        branch,
        name: 'voting',
        prepare,
        vote,
        result,
        voter,
        rollback: false,
        owed: [],
      },
      effects: [
        {
          kind: 'write-vote',
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
  ...nothingOwed,
  ...lateTimers,
  prepare: (state, { connection }) => ({ state: { ...state, voter: connection }, effects: [] }),
  // Its vote was never sent, so no correct leader can have decided this.
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) => ({
    state: { ...state, rollback: true, owed: withAsker(state.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: (state, { decision }) =>
    decision === 'commit' ? contradicted(state, decision) : stay(state),
  enlisted: refuseEnlist,
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'vote-written': (state) => {
    const { vote, result, voter, prepare } = state;
    if (state.rollback) return undoVote(state);
    const base = { txid: state.txid, branch: state.branch };
    if (vote === 'readonly') {
      return {
        state: { ...base, name: 'readonly', result },
        effects: sendVote(state, voter, { vote, result }),
      };
    }
    const { epoch, witness, payload } = prepare;
    return {
      state: { ...base, name: 'prepared', epoch, witness, payload, result },
      effects: [
        ...sendVote(state, voter, { vote, result }),
        { kind: 'start-timer', timer: 'patience' },
      ],
    };
  },
  'vote-refused': (state, event, context) => {
    if (
      event.by === 'entry' &&
      event.entry.state !== 'tombstone' &&
      event.entry.state !== 'started'
    ) {
      // Another process of the shared resource voted for this branch: its word stands.
      const next = adopt(state, event.entry, context);
      return {
        ...next,
        again: [
          ...replayPrepare(state.prepare, state.voter),
          ...replayRollbacks(state.owed, state.txid),
        ],
      };
    }
    return undoVote(state, event.by === 'entry' ? reasons.rolledBack : reasons.staleEpoch);
  },
};

/** No vote was sent, and none will be: the branch ends in a tombstone, whoever was first in the journal. */
function undoVote(state: LocalStateOf<'voting'>, reason: VoteReason = reasons.rolledBack): Next {
  const { owed, prepare } = state;
  // A rollback that came makes a vote pointless.
  const end = { owed, reason, voter: state.rollback ? null : state.voter };
  return state.vote === 'commit'
    ? beginRollback(state, { ...end, payload: prepare.payload })
    : recordAbort(state, end);
}
