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
} from './effects.ts';
import { identity, lateTimers, type Next, nothingOwed, type Row, stay, stopTimer } from './row.ts';
import type { ConnectionId, LocalBranchOf, LocalEffect } from './types.ts';

export const prepared: Row<'prepared'> = {
  ...nothingOwed,
  ...lateTimers,
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
    const wait: LocalEffect = { type: 'start-timer', timer: 'patience' };
    if (decision === 'undecided') return { branch, effects: [wait] };
    // Never said to an enlisted participant in doubt (section 5): whoever did knew no better.
    const text = 'A node answered expired for a branch in doubt. It stays in doubt and asks again.';
    return { branch, effects: [alarm('outcome-expired', text), wait] };
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
  ...nothingOwed,
  ...lateTimers,
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
