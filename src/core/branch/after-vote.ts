/** The branch machine from the vote on. The diagram and the rules are in `branch.ts`. */

import type { Decision } from '../messages.ts';
import {
  acknowledge,
  adopt,
  alarm,
  beginCommit,
  beginRollback,
  contradicted,
  identity,
  lateTimers,
  type Next,
  nothingOwed,
  type Row,
  reasons,
  recordAbort,
  refuseCommit,
  refuseEnlist,
  refuseRollback,
  sendVote,
  stay,
  votedElsewhere,
  withAsker,
  withoutAsker,
} from './effects.ts';
import type {
  Askers,
  ConnectionId,
  LocalBranch,
  LocalBranchOf,
  LocalEffect,
  TakenOver,
} from './types.ts';

export const prepared: Row<'prepared'> = {
  ...nothingOwed,
  ...lateTimers,
  // Whatever the epoch: I7 is about new promises, and this one was made and is durable.
  prepare: repeatVote,
  commit: (branch, { connection }) => endDoubt(commitPrepared(branch, [connection])),
  rollback: (branch, { connection }) => endDoubt(rollbackPrepared(branch, [connection])),
  // I4. A node may say `forget` only after this branch acknowledged.
  forget: (branch) => ({
    branch,
    effects: [alarm('forget-in-doubt', 'A node said forget for a branch in doubt. It is kept.')],
  }),
  answer: (branch, { decision }) => {
    if (decision === 'commit') return endDoubt(commitPrepared(branch, []));
    if (decision === 'abort') return endDoubt(rollbackPrepared(branch, []));
    const wait: LocalEffect = { type: 'start-timer', timer: 'patience' };
    if (decision === 'undecided') return { branch, effects: [wait] };
    // Never said to an enlisted participant in doubt (section 5): whoever said it did not know that.
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
      : endDoubt(adopt(branch, found, context)),
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

export const committing: Row<'committing'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  // During the pause the last error is the answer, so that the leader counts the attempt; it hears
  // of the success when that comes.
  commit: (branch, { connection }) => ({
    branch:
      branch.lastError === null
        ? { ...branch, owed: withAsker(branch.owed, connection) }
        : { ...branch, told: withAsker(branch.told, connection) },
    effects:
      branch.lastError === null ? [] : failed(branch, [connection], 'commit', branch.lastError),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  // Said after another process of the shared resource acknowledged; said again on the next report.
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'retry-due': (branch) =>
    branch.lastError === null
      ? stay(branch)
      : {
          branch: { ...branch, attempt: branch.attempt + 1, lastError: null },
          effects: [
            { type: 'call-commit', payload: branch.payload, takenOver: branch.takenOver !== null },
          ],
        },
  'application-failed': (branch, { message, found }) =>
    branch.takenOver !== null && found === 'nothing'
      ? nothingToCommit(branch, branch.takenOver)
      : pause(branch, 'commit', message),
  'application-committed': (branch) => {
    // The store's own record outlives every repeat; the journal of the instance that voted says the rest.
    if (branch.takenOver !== null)
      return settled(branch, acknowledge(branch, everyAsker(branch), 'commit'));
    const { owed, told, result } = branch;
    return {
      branch: { ...identity(branch), state: 'recording-commit', owed, told, result },
      effects: [{ type: 'write-committed' }],
    };
  },
};

export const recordingCommit: Row<'recording-commit'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  commit: (branch, { connection }) => ({
    branch: { ...branch, owed: withAsker(branch.owed, connection) },
    effects: [],
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'outcome-written': (branch) => {
    const { result } = branch;
    return {
      branch: { ...identity(branch), state: 'committed', result },
      effects: acknowledge(branch, everyAsker(branch), 'commit'),
    };
  },
  // The application has committed what the journal says was rolled back, or was forgotten by way of
  // another process of the shared resource. Nothing is undone and nothing is acknowledged.
  'outcome-contradicted': (branch, { entry }, context) => {
    const next = adopt(branch, entry, context);
    const message = `The application committed a branch of which the journal says ${next.branch.state}.`;
    return {
      ...next,
      effects: [
        ...next.effects,
        ...acknowledge(branch, everyAsker(branch), 'commit', { code: 'UNKNOWN_BRANCH', message }),
        alarm('contradicting-journal', message),
      ],
    };
  },
};

export const committed: Row<'committed'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  commit: (branch, { connection }) => ({
    branch,
    effects: acknowledge(branch, [connection], 'commit'),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: (branch) => ({
    branch: { ...identity(branch), state: 'forgotten' },
    effects: [{ type: 'write-forget' }],
  }),
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; commit is idempotent, and no one is told anything new.
  held: (branch) => beginCommit(branch, { payload: undefined, result: branch.result, owed: [] }),
  journal: (branch, { found }, context) =>
    found?.state === 'tombstone' ? adopt(branch, found, context) : stay(branch),
};

export const rollingBack: Row<'rolling-back'> = {
  ...nothingOwed,
  ...lateTimers,
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
  'retry-due': (branch) =>
    branch.lastError === null
      ? stay(branch)
      : {
          branch: { ...branch, attempt: branch.attempt + 1, lastError: null },
          effects: [
            {
              type: 'call-rollback',
              payload: branch.payload,
              takenOver: branch.takenOver !== null,
            },
          ],
        },
  'application-failed': (branch, { message, found }) => {
    // Another one has committed it meanwhile, and had its record collected: "abort" was said below the floor.
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
  ...nothingOwed,
  ...lateTimers,
  prepare: refusePrepare,
  commit: (branch, { connection }) => refuseCommit(branch, connection, 'commit-after-rollback'),
  rollback: (branch, { connection }) => rollbackAgain(branch, { owed: [connection] }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: (branch) => rollbackAgain(branch, {}),
  // The process that began it has ended it, or voted after all: nobody counts that vote, and it asks.
  journal: (branch, { found }, context) =>
    found?.state === 'started' ? stay(branch) : stopTombstone(adopt(branch, found, context)),
  // Its process may have died since, holding what its prepare took.
  'tombstone-due': (branch) => rollbackAgain(branch, { begunElsewhere: false }),
};

function rollbackAgain(
  branch: LocalBranchOf<'rolled-back'>,
  more: { readonly owed?: readonly ConnectionId[]; readonly begunElsewhere?: boolean },
): Next {
  const { payload } = branch;
  return stopTombstone(
    beginRollback(branch, { payload, reason: null, begunElsewhere: true, ...more }),
  );
}

function stopTombstone(next: Next): Next {
  return { ...next, effects: [{ type: 'stop-timer', timer: 'tombstone' }, ...next.effects] };
}

export const recordingAbort: Row<'recording-abort'> = {
  ...nothingOwed,
  ...lateTimers,
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
  ...nothingOwed,
  ...lateTimers,
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
    siblings && !mine
      ? votedElsewhere(branch)
      : beginRollback(branch, { payload: undefined, reason: branch.reason }),
  journal: stay,
};

export const forgotten: Row<'forgotten'> = {
  ...nothingOwed,
  ...lateTimers,
  // Whatever is still unread in some buffer comes too late to run again.
  prepare: (branch, { connection }) => ({
    branch,
    effects: sendVote(branch, connection, { vote: 'abort', reason: reasons.rolledBack }),
  }),
  // A repeat that was delayed past the forget, or of a leader that has been succeeded: it was done, durably.
  commit: (branch, { connection }) => ({
    branch,
    effects: acknowledge(branch, [connection], 'commit'),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: stay,
  // The record may be collected by now, and a late answer to an earlier doubt then says `abort`.
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; as in `committed`.
  held: (branch) => beginCommit(branch, { payload: undefined, result: undefined, owed: [] }),
  journal: stay,
};

function repeatVote(
  branch: LocalBranchOf<'prepared' | 'committing' | 'recording-commit' | 'committed'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    branch,
    effects: sendVote(branch, event.connection, { vote: 'commit', result: branch.result }),
  };
}

/** It promises nothing, so it waits for nothing: not for a rollback that may take long, nor for the journal. */
function refusePrepare(
  branch: LocalBranchOf<'rolling-back' | 'rolled-back' | 'recording-abort' | 'gone'>,
  event: { readonly connection: ConnectionId },
): Next {
  const reason = (branch.state === 'rolled-back' ? null : branch.reason) ?? reasons.rolledBack;
  return { branch, effects: sendVote(branch, event.connection, { vote: 'abort', reason }) };
}

function commitPrepared(branch: LocalBranchOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginCommit(branch, { payload: branch.payload, result: branch.result, owed });
}

function rollbackPrepared(branch: LocalBranchOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginRollback(branch, { payload: branch.payload, owed, reason: reasons.rolledBack });
}

function endDoubt(next: Next): Next {
  return { ...next, effects: [{ type: 'stop-timer', timer: 'patience' }, ...next.effects] };
}

function everyAsker(askers: Askers): readonly ConnectionId[] {
  return [...askers.owed, ...askers.told.filter((one) => !askers.owed.includes(one))];
}

function failed(
  branch: LocalBranch,
  to: readonly ConnectionId[],
  decision: Decision,
  text: string,
): LocalEffect[] {
  return acknowledge(branch, to, decision, { code: 'INTERNAL', message: text });
}

/** Every command is answered once; later each who asked learns of the success, too. */
function pause(
  branch: LocalBranchOf<'committing' | 'rolling-back'>,
  decision: Decision,
  text: string,
): Next {
  return {
    branch: { ...branch, owed: [], told: everyAsker(branch), lastError: text },
    effects: [
      ...failed(branch, branch.owed, decision, text),
      { type: 'start-timer', timer: 'retry', attempt: branch.attempt },
    ],
  };
}

function forgetAsker(
  branch: LocalBranchOf<'committing' | 'recording-commit' | 'rolling-back' | 'recording-abort'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    branch: {
      ...branch,
      owed: withoutAsker(branch.owed, event.connection),
      told: withoutAsker(branch.told, event.connection),
    },
    effects: [],
  };
}

/** Nothing is left to remember here: what there is to know, the store knows. */
function settled(branch: LocalBranch, effects: readonly LocalEffect[]): Next {
  return { branch: { ...identity(branch), state: 'unknown' }, effects };
}

/** 8.6. To an answer it is no contradiction: the instance that voted was faster, and was told to forget. */
function nothingToCommit(branch: LocalBranchOf<'committing'>, { quiet }: TakenOver): Next {
  const askers = everyAsker(branch);
  const message =
    'A commit came for a branch that is neither prepared nor committed: not here, and not in the store.';
  return settled(branch, [
    ...acknowledge(branch, askers, 'commit', { code: 'UNKNOWN_BRANCH', message }),
    ...(askers.length === 0 || quiet ? [] : [alarm('commit-of-unknown', message)]),
  ]);
}

/** It was told to, and the coordinator has its acknowledgement: the journal is brought in line, and nothing is undone. */
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

function refuseAbortAnswer(branch: LocalBranch, event: { readonly decision: string }): Next {
  return event.decision === 'abort' ? contradicted(branch, event.decision) : stay(branch);
}

function refuseCommitAnswer(branch: LocalBranch, event: { readonly decision: string }): Next {
  return event.decision === 'commit' ? contradicted(branch, event.decision) : stay(branch);
}
