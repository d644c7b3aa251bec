/** The branch machine as its vote is durable; see `branch.ts`. */

import {
  adopt,
  alarm,
  beginCommit,
  beginRollback,
  reasons,
  recordAbort,
  refuseCommit,
  refuseEnlist,
  repeatVote,
  sendVote,
  stillInDoubt,
} from './effects.ts';
import { atRest, identity, type Next, type Row, stay, stopTimer } from './row.ts';
import type { ConnectionId, LocalBranchOf } from './types.ts';

export const prepared: Row<'prepared'> = {
  ...atRest,
  // Whatever the epoch: I7 is about new promises, and this one was made and is durable.
  prepare: repeatVote,
  commit: (branch, { connection }) => stopTimer('patience', commitPrepared(branch, [connection])),
  rollback: (branch, { connection }) =>
    stopTimer('patience', rollbackPrepared(branch, [connection])),
  // I4. A node may say `forget` only after this branch acknowledged.
  forget: (branch) => ({
    branch,
    effects: [alarm('forget-in-doubt', 'A node said forget for a branch in doubt. It is kept.')],
  }),
  answer: (branch, { decision }) => {
    if (decision === 'commit') return stopTimer('patience', commitPrepared(branch, []));
    if (decision === 'abort') return stopTimer('patience', rollbackPrepared(branch, []));
    return stillInDoubt(branch, decision);
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  // Another process of the shared resource may have learned the outcome; what the journal no
  // longer says is over (8.8).
  journal: (branch, { found }, context) =>
    found?.state === 'prepared' || found?.state === 'started'
      ? stay(branch)
      : stopTimer('patience', adopt(branch, found, context)),
  'patience-over': (branch) => ({ branch, effects: [{ type: 'query', witness: branch.witness }] }),
};

export const readonly: Row<'readonly'> = {
  ...atRest,
  prepare: (branch, { connection }) => ({
    branch,
    effects: sendVote(branch, connection, { vote: 'readonly', result: branch.result }),
  }),
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) => recordAbort(branch, { owed: [connection], reason: null }),
  forget: (branch) => ({
    branch: { ...identity(branch), state: 'gone', reason: null },
    effects: [{ type: 'write-forget' }],
  }),
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: (branch) => ({
    branch,
    effects: [
      alarm('held-after-readonly', 'The application holds a branch for which it voted readonly.'),
    ],
  }),
  journal: (branch, { found }, context) =>
    found?.state === 'readonly' ? stay(branch) : adopt(branch, found, context),
};

function commitPrepared(branch: LocalBranchOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginCommit(branch, { payload: branch.payload, result: branch.result, owed });
}

function rollbackPrepared(branch: LocalBranchOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginRollback(branch, { payload: branch.payload, owed, reason: reasons.rolledBack });
}
