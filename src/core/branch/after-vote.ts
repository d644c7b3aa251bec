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
  LocalEffect,
  LocalState,
  LocalStateOf,
  TakenOver,
} from './types.ts';

export const prepared: Row<'prepared'> = {
  ...nothingOwed,
  ...lateTimers,
  // Whatever the epoch: I7 is about new promises, and this one was made and is durable.
  prepare: repeatVote,
  commit: (state, { connection }) => endDoubt(commitPrepared(state, [connection])),
  rollback: (state, { connection }) => endDoubt(rollbackPrepared(state, [connection])),
  // I4. A node may say `forget` only after this branch acknowledged.
  forget: (state) => ({
    state,
    effects: [alarm('forget-in-doubt', 'A node said forget for a branch in doubt. It is kept.')],
  }),
  answer: (state, { decision }) => {
    if (decision === 'commit') return endDoubt(commitPrepared(state, []));
    if (decision === 'abort') return endDoubt(rollbackPrepared(state, []));
    const wait: LocalEffect = { kind: 'start-timer', timer: 'patience' };
    if (decision === 'undecided') return { state, effects: [wait] };
    // Never said to an enlisted participant in doubt (section 5): whoever said it did not know that.
    const text = 'A node answered expired for a branch in doubt. It stays in doubt and asks again.';
    return { state, effects: [alarm('outcome-expired', text), wait] };
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  // Another process of the shared resource may have learned the outcome; what the journal no
  // longer says is over (8.8).
  journal: (state, { found }, context) =>
    found?.state === 'prepared' || found?.state === 'started'
      ? stay(state)
      : endDoubt(adopt(state, found, context)),
  'patience-over': (state) => ({ state, effects: [{ kind: 'query', witness: state.witness }] }),
};

export const readonly: Row<'readonly'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: (state, { connection }) => ({
    state,
    effects: sendVote(state, connection, { vote: 'readonly', result: state.result }),
  }),
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) => recordAbort(state, { owed: [connection], reason: null }),
  forget: ({ txid, branch }) => ({
    state: { txid, branch, name: 'gone', reason: null },
    effects: [{ kind: 'write-forget' }],
  }),
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: (state) => ({
    state,
    effects: [
      alarm('held-after-readonly', 'The application holds a branch for which it voted readonly.'),
    ],
  }),
  journal: (state, { found }, context) =>
    found?.state === 'readonly' ? stay(state) : adopt(state, found, context),
};

export const committing: Row<'committing'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  // During the pause the last error is the answer, so that the leader counts the attempt; it hears
  // of the success when that comes.
  commit: (state, { connection }) => ({
    state:
      state.lastError === null
        ? { ...state, owed: withAsker(state.owed, connection) }
        : { ...state, told: withAsker(state.told, connection) },
    effects: state.lastError === null ? [] : failed(state, [connection], 'commit', state.lastError),
  }),
  rollback: (state, { connection }) => refuseRollback(state, connection),
  // Said after another process of the shared resource acknowledged; said again on the next report.
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'retry-due': (state) =>
    state.lastError === null
      ? stay(state)
      : {
          state: { ...state, attempt: state.attempt + 1, lastError: null },
          effects: [
            { kind: 'call-commit', payload: state.payload, takenOver: state.takenOver !== null },
          ],
        },
  'application-failed': (state, { message, found }) =>
    state.takenOver !== null && found === 'nothing'
      ? nothingToCommit(state, state.takenOver)
      : pause(state, 'commit', message),
  'application-committed': (state) => {
    // The store's own record outlives every repeat; the journal of the instance that voted says the rest.
    if (state.takenOver !== null)
      return settled(state, acknowledge(state, everyAsker(state), 'commit'));
    const { txid, branch, owed, told, result } = state;
    return {
      state: { txid, branch, name: 'recording-commit', owed, told, result },
      effects: [{ kind: 'write-committed' }],
    };
  },
};

export const recordingCommit: Row<'recording-commit'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  commit: (state, { connection }) => ({
    state: { ...state, owed: withAsker(state.owed, connection) },
    effects: [],
  }),
  rollback: (state, { connection }) => refuseRollback(state, connection),
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'outcome-written': (state) => {
    const { txid, branch, result } = state;
    return {
      state: { txid, branch, name: 'committed', result },
      effects: acknowledge(state, everyAsker(state), 'commit'),
    };
  },
  // The application has committed what the journal says was rolled back, or was forgotten by way of
  // another process of the shared resource. Nothing is undone and nothing is acknowledged.
  'outcome-contradicted': (state, { entry }, context) => {
    const next = adopt(state, entry, context);
    const message = `The application committed a branch of which the journal says ${next.state.name}.`;
    return {
      ...next,
      effects: [
        ...next.effects,
        ...acknowledge(state, everyAsker(state), 'commit', { code: 'UNKNOWN_BRANCH', message }),
        alarm('contradicting-journal', message),
      ],
    };
  },
};

export const committed: Row<'committed'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: repeatVote,
  commit: (state, { connection }) => ({
    state,
    effects: acknowledge(state, [connection], 'commit'),
  }),
  rollback: (state, { connection }) => refuseRollback(state, connection),
  forget: ({ txid, branch }) => ({
    state: { txid, branch, name: 'forgotten' },
    effects: [{ kind: 'write-forget' }],
  }),
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; commit is idempotent, and nobody is told anything new.
  held: (state) => beginCommit(state, { payload: undefined, result: state.result, owed: [] }),
  journal: (state, { found }, context) =>
    found?.state === 'tombstone' ? adopt(state, found, context) : stay(state),
};

export const rollingBack: Row<'rolling-back'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: refusePrepare,
  commit: (state, { connection }) => refuseCommit(state, connection, 'commit-after-rollback'),
  rollback: (state, { connection }) => ({
    state:
      state.lastError === null
        ? { ...state, owed: withAsker(state.owed, connection) }
        : { ...state, told: withAsker(state.told, connection) },
    effects: state.lastError === null ? [] : failed(state, [connection], 'abort', state.lastError),
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'retry-due': (state) =>
    state.lastError === null
      ? stay(state)
      : {
          state: { ...state, attempt: state.attempt + 1, lastError: null },
          effects: [
            { kind: 'call-rollback', payload: state.payload, takenOver: state.takenOver !== null },
          ],
        },
  'application-failed': (state, { message, found }) => {
    // Another one has committed it meanwhile, and had its record collected: "abort" was said below the floor.
    if (state.takenOver !== null && found !== undefined && everyAsker(state).length === 0) {
      return settled(state, []);
    }
    return state.takenOver === null && found === 'committed-by-sibling'
      ? committedBySibling(state)
      : pause(state, 'abort', message);
  },
  // The application first, the tombstone second: a crash between the two finds the entry and rolls
  // back again; the other way round would leave the application holding what nobody remembers.
  'application-rolled-back': (state) => recordAbort(state, state),
};

export const recordingAbort: Row<'recording-abort'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: refusePrepare,
  commit: (state, { connection }) => refuseCommit(state, connection, 'commit-after-rollback'),
  rollback: (state, { connection }) => ({
    state: { ...state, owed: withAsker(state.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'outcome-written': (state) => {
    const { txid, branch, reason } = state;
    return {
      state: { txid, branch, name: 'gone', reason },
      effects: acknowledge(state, everyAsker(state), 'abort'),
    };
  },
  'outcome-contradicted': (state, { entry }, context) => {
    const next = adopt(state, entry, context);
    const message = `A branch was rolled back of which the journal says ${next.state.name}.`;
    return {
      ...next,
      effects: [
        ...next.effects,
        ...acknowledge(state, everyAsker(state), 'abort', { code: 'WRONG_STATE', message }),
        alarm('contradicting-journal', message),
      ],
    };
  },
};

export const gone: Row<'gone'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: refusePrepare,
  commit: (state, { connection }) => refuseCommit(state, connection, 'commit-after-rollback'),
  rollback: (state, { connection }) => ({
    state,
    effects: acknowledge(state, [connection], 'abort'),
  }),
  forget: stay,
  // It may stand for a readonly vote that was forgotten: neither answer contradicts it.
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // The application's own durability lagged behind the tombstone's.
  held: (state, { mine }, { siblings }) =>
    siblings && !mine
      ? votedElsewhere(state)
      : beginRollback(state, { payload: undefined, reason: state.reason }),
  journal: stay,
};

export const forgotten: Row<'forgotten'> = {
  ...nothingOwed,
  ...lateTimers,
  // Whatever is still unread in some buffer comes too late to run again.
  prepare: (state, { connection }) => ({
    state,
    effects: sendVote(state, connection, { vote: 'abort', reason: reasons.rolledBack }),
  }),
  // A repeat that was delayed past the forget, or of a leader that has been succeeded: it was done, durably.
  commit: (state, { connection }) => ({
    state,
    effects: acknowledge(state, [connection], 'commit'),
  }),
  rollback: (state, { connection }) => refuseRollback(state, connection),
  forget: stay,
  // The record may be collected by now, and a late answer to an earlier doubt then says `abort`.
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; as in `committed`.
  held: (state) => beginCommit(state, { payload: undefined, result: undefined, owed: [] }),
  journal: stay,
};

function repeatVote(
  state: LocalStateOf<'prepared' | 'committing' | 'recording-commit' | 'committed'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    state,
    effects: sendVote(state, event.connection, { vote: 'commit', result: state.result }),
  };
}

/** It promises nothing, so it waits for nothing: not for a rollback that may take long, nor for the journal. */
function refusePrepare(
  state: LocalStateOf<'rolling-back' | 'recording-abort' | 'gone'>,
  event: { readonly connection: ConnectionId },
): Next {
  const reason = state.reason ?? reasons.rolledBack;
  return { state, effects: sendVote(state, event.connection, { vote: 'abort', reason }) };
}

function commitPrepared(state: LocalStateOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginCommit(state, { payload: state.payload, result: state.result, owed });
}

function rollbackPrepared(state: LocalStateOf<'prepared'>, owed: readonly ConnectionId[]): Next {
  return beginRollback(state, { payload: state.payload, owed, reason: reasons.rolledBack });
}

function endDoubt(next: Next): Next {
  return { ...next, effects: [{ kind: 'stop-timer', timer: 'patience' }, ...next.effects] };
}

function everyAsker(askers: Askers): readonly ConnectionId[] {
  return [...askers.owed, ...askers.told.filter((one) => !askers.owed.includes(one))];
}

function failed(
  state: LocalState,
  to: readonly ConnectionId[],
  decision: Decision,
  text: string,
): LocalEffect[] {
  return acknowledge(state, to, decision, { code: 'INTERNAL', message: text });
}

/** Every command is answered once; each who asked hears of the success later, too. */
function pause(
  state: LocalStateOf<'committing' | 'rolling-back'>,
  decision: Decision,
  text: string,
): Next {
  return {
    state: { ...state, owed: [], told: everyAsker(state), lastError: text },
    effects: [
      ...failed(state, state.owed, decision, text),
      { kind: 'start-timer', timer: 'retry', attempt: state.attempt },
    ],
  };
}

function forgetAsker(
  state: LocalStateOf<'committing' | 'recording-commit' | 'rolling-back' | 'recording-abort'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    state: {
      ...state,
      owed: withoutAsker(state.owed, event.connection),
      told: withoutAsker(state.told, event.connection),
    },
    effects: [],
  };
}

/** Nothing is left to remember here: what there is to know, the store knows. */
function settled({ txid, branch }: LocalState, effects: readonly LocalEffect[]): Next {
  return { state: { txid, branch, name: 'unknown' }, effects };
}

/** 8.6. To an answer it is no contradiction: the instance that voted was faster, and was told to forget. */
function nothingToCommit(state: LocalStateOf<'committing'>, { quiet }: TakenOver): Next {
  const askers = everyAsker(state);
  const message =
    'A commit came for a branch that is neither prepared nor committed: not here, and not in the store.';
  return settled(state, [
    ...acknowledge(state, askers, 'commit', { code: 'UNKNOWN_BRANCH', message }),
    ...(askers.length === 0 || quiet ? [] : [alarm('commit-of-unknown', message)]),
  ]);
}

/** It was told to, and the coordinator has its acknowledgement: the journal is brought in line, and nothing is undone. */
function committedBySibling(state: LocalStateOf<'rolling-back'>): Next {
  const askers = everyAsker(state);
  const message =
    'A rollback came for a branch that another instance has committed. Nothing was undone.';
  return {
    state: { ...identity(state), name: 'recording-commit', owed: [], told: [], result: undefined },
    effects: [
      ...acknowledge(state, askers, 'abort', { code: 'WRONG_STATE', message }),
      ...(askers.length === 0 ? [] : [alarm('rollback-after-commit', message)]),
      { kind: 'write-committed' },
    ],
  };
}

function refuseAbortAnswer(state: LocalState, event: { readonly decision: string }): Next {
  return event.decision === 'abort' ? contradicted(state, event.decision) : stay(state);
}

function refuseCommitAnswer(state: LocalState, event: { readonly decision: string }): Next {
  return event.decision === 'commit' ? contradicted(state, event.decision) : stay(state);
}
