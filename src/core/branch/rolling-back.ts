/** The branch machine from the rollback on; see `branch.ts`. */

import { acknowledge, everyAsker, failed, forgetAsker, pause, retry, withAsker } from './askers.ts';
import {
  adopt,
  alarm,
  beginRollback,
  reasons,
  recordAbort,
  refuseCommit,
  refuseCommitAnswer,
  refuseEnlist,
  settled,
  voteAbort,
  votedElsewhere,
} from './effects.ts';
import { atRest, identity, type Next, type Row, stay, stopTimer } from './row.ts';
import type { ConnectionId, LocalBranchOf } from './types.ts';

export const rollingBack: Row<'rolling-back'> = {
  ...atRest,
  prepare: refusePrepare,
  commit: (branch, { connection }) => refuseCommit(branch, connection, 'commit-after-rollback'),
  rollback: (branch, { connection }) => ({
    branch:
      branch.lastError === null
        ? { ...branch, owed: withAsker(branch.owed, connection) }
        : { ...branch, told: withAsker(branch.told, connection) },
    effects:
      branch.lastError === null ? [] : failed(branch, [connection], 'abort', branch.lastError),
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'retry-due': (branch) => retry(branch, 'call-rollback'),
  'application-failed': (branch, { message, found }) => {
    // Another one committed it, and its record was collected: "abort" was said below the floor.
    if (branch.takenOver !== null && found !== undefined && everyAsker(branch).length === 0) {
      return settled(branch, []);
    }
    return branch.takenOver === null && found === 'committed-by-sibling'
      ? committedBySibling(branch)
      : pause(branch, 'abort', message);
  },
  // The application first, the tombstone second: a crash between the two finds the entry and rolls
  // back again; the other way round would leave the application holding what no one remembers.
  'application-rolled-back': (branch) =>
    branch.begunElsewhere
      ? {
          branch: { ...identity(branch), state: 'rolled-back', payload: branch.payload },
          effects: [
            ...acknowledge(branch, everyAsker(branch), 'abort'),
            { type: 'start-timer', timer: 'tombstone' },
          ],
        }
      : recordAbort(branch, branch),
};

export const rolledBack: Row<'rolled-back'> = {
  ...atRest,
  prepare: refusePrepare,
  commit: (branch, { connection }) => refuseCommit(branch, connection, 'commit-after-rollback'),
  rollback: (branch, { connection }) => rollbackAgain(branch, { owed: [connection] }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: (branch) => rollbackAgain(branch, {}),
  // Who began it has ended it, or voted after all: no one counts that vote, and it asks.
  journal: (branch, { found }, context) =>
    found?.state === 'started'
      ? stay(branch)
      : stopTimer('tombstone', adopt(branch, found, context)),
  // Its process may have died since, holding what its prepare took.
  'tombstone-due': (branch) => rollbackAgain(branch, { begunElsewhere: false }),
};

function rollbackAgain(
  branch: LocalBranchOf<'rolled-back'>,
  more: { readonly owed?: readonly ConnectionId[]; readonly begunElsewhere?: boolean },
): Next {
  const { payload } = branch;
  return stopTimer(
    'tombstone',
    beginRollback(branch, { payload, reason: null, begunElsewhere: true, ...more }),
  );
}

export const recordingAbort: Row<'recording-abort'> = {
  ...atRest,
  prepare: refusePrepare,
  commit: (branch, { connection }) => refuseCommit(branch, connection, 'commit-after-rollback'),
  rollback: (branch, { connection }) => ({
    branch: { ...branch, owed: withAsker(branch.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'outcome-written': (branch) => {
    const { reason } = branch;
    return {
      branch: { ...identity(branch), state: 'gone', reason },
      effects: acknowledge(branch, everyAsker(branch), 'abort'),
    };
  },
  'outcome-contradicted': (branch, { entry }, context) => {
    const next = adopt(branch, entry, context);
    const message = `A branch was rolled back of which the journal says ${next.branch.state}.`;
    return {
      ...next,
      effects: [
        ...next.effects,
        ...acknowledge(branch, everyAsker(branch), 'abort', { code: 'WRONG_STATE', message }),
        alarm('contradicting-journal', message),
      ],
    };
  },
};

export const gone: Row<'gone'> = {
  ...atRest,
  prepare: refusePrepare,
  commit: (branch, { connection }) => refuseCommit(branch, connection, 'commit-after-rollback'),
  rollback: (branch, { connection }) => ({
    branch,
    effects: acknowledge(branch, [connection], 'abort'),
  }),
  forget: stay,
  // It may stand for a readonly vote that was forgotten: neither answer contradicts it.
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // The application's own durability lagged behind the tombstone's.
  held: (branch, { mine }, { siblings }) =>
    siblings && !mine ? votedElsewhere(branch) : beginRollback(branch, { reason: branch.reason }),
  journal: stay,
};

/** It promises nothing, so it waits for nothing: no rollback, which may take long, no journal. */
function refusePrepare(
  branch: LocalBranchOf<'rolling-back' | 'rolled-back' | 'recording-abort' | 'gone'>,
  event: { readonly connection: ConnectionId },
): Next {
  const reason = branch.state === 'rolled-back' ? null : branch.reason;
  return voteAbort(branch, event.connection, reason ?? reasons.rolledBack);
}

/** On command, and acknowledged: the journal is brought in line, and nothing is undone. */
function committedBySibling(branch: LocalBranchOf<'rolling-back'>): Next {
  const askers = everyAsker(branch);
  const message =
    'A rollback came for a branch that another instance has committed. Nothing was undone.';
  return {
    branch: {
      ...identity(branch),
      state: 'recording-commit',
      owed: [],
      told: [],
      result: undefined,
    },
    effects: [
      ...acknowledge(branch, askers, 'abort', { code: 'WRONG_STATE', message }),
      ...(askers.length === 0 ? [] : [alarm('rollback-after-commit', message)]),
      { type: 'write-committed' },
    ],
  };
}
