/** The pieces that the handlers of the branch machine are made of. */

import type { ErrorCode } from '../catalogue.ts';
import type { Decision, VoteReason } from '../messages.ts';
import { epochOf } from '../txid.ts';
import type {
  Askers,
  BranchAlarm,
  BranchContext,
  BranchIdentity,
  ConnectionId,
  Found,
  LocalEffect,
  LocalEvent,
  LocalEventName,
  LocalEventOf,
  LocalState,
  LocalStateName,
  LocalStateOf,
  PrepareData,
  TakenOver,
} from './types.ts';

/** A step, and the events that are to be stepped right after it. */
export interface Next {
  readonly state: LocalState;
  readonly effects: readonly LocalEffect[];
  readonly again?: readonly LocalEvent[];
}

export type Handler<State extends LocalStateName, Event extends LocalEventName> = (
  state: LocalStateOf<State>,
  event: LocalEventOf<Event>,
  context: BranchContext,
) => Next;

/** One row of the table: what each event does in this state. The compiler demands every cell. */
export type Row<State extends LocalStateName> = {
  readonly [Event in LocalEventName]: Handler<State, Event>;
};

export function stay(state: LocalState): Next {
  return { state, effects: [] };
}

/** The driver told the machine something that cannot be: a fault of this program, not of a peer. */
export function impossible(state: LocalState, event: LocalEvent): never {
  throw new Error(`assertion: a branch that is ${state.name} cannot meet ${event.type}`);
}

/** Cells of every state in which the application and the journal owe no answer. */
export const nothingOwed: {
  readonly [Event in
    | 'application-prepared'
    | 'application-committed'
    | 'application-rolled-back'
    | 'application-failed'
    | 'vote-written'
    | 'vote-refused'
    | 'outcome-written'
    | 'outcome-contradicted']: typeof impossible;
} = {
  'application-prepared': impossible,
  'application-committed': impossible,
  'application-rolled-back': impossible,
  'application-failed': impossible,
  'vote-written': impossible,
  'vote-refused': impossible,
  'outcome-written': impossible,
  'outcome-contradicted': impossible,
};

/** A timer may fire in the turn in which it was stopped. */
export const lateTimers: {
  readonly [Event in 'prepare-timeout' | 'patience-over' | 'limit-over' | 'retry-due']: typeof stay;
} = {
  'prepare-timeout': stay,
  'patience-over': stay,
  'limit-over': stay,
  'retry-due': stay,
};

export function identity(state: LocalState): BranchIdentity {
  return { txid: state.txid, branch: state.branch };
}

export function withAsker(
  owed: readonly ConnectionId[],
  connection: ConnectionId,
): readonly ConnectionId[] {
  return owed.includes(connection) ? owed : [...owed, connection];
}

export function withoutAsker(
  owed: readonly ConnectionId[],
  connection: ConnectionId,
): readonly ConnectionId[] {
  return owed.includes(connection) ? owed.filter((one) => one !== connection) : owed;
}

export function sendVote(
  state: LocalState,
  to: ConnectionId | null,
  vote:
    | { readonly vote: 'commit' | 'readonly'; readonly result: unknown }
    | { readonly vote: 'abort'; readonly reason: VoteReason },
): LocalEffect[] {
  if (to === null) return [];
  const message = { type: 'vote', ...identity(state), ...vote } as const;
  if (message.vote !== 'abort' && message.result === undefined) {
    const { result: _none, ...bare } = message;
    return [{ kind: 'send', to, message: bare }];
  }
  return [{ kind: 'send', to, message }];
}

export function acknowledge(
  state: LocalState,
  to: readonly ConnectionId[],
  decision: Decision,
  error?: { readonly code: ErrorCode; readonly message: string },
): LocalEffect[] {
  const message = {
    type: 'ack',
    ...identity(state),
    decision,
    ok: error === undefined,
    ...(error === undefined ? {} : { error }),
  } as const;
  return to.map((one) => ({ kind: 'send', to: one, message }));
}

export function alarm(name: BranchAlarm, message: string): LocalEffect {
  return { kind: 'alarm', alarm: name, message };
}

export const reasons: Readonly<
  Record<
    'staleEpoch' | 'rolledBack' | 'timedOut' | 'limitOver' | 'otherProcess' | 'notPrepared',
    VoteReason
  >
> = {
  staleEpoch: {
    code: 'VOTED_ABORT',
    message: 'The leadership that asks is over. Try the transaction again.',
    retryable: true,
  },
  rolledBack: {
    code: 'VOTED_ABORT',
    message: 'The branch was rolled back, or forgotten, before this prepare came.',
    retryable: true,
  },
  // The transaction's own time-out: this vote and the leader's timer say the same, whichever comes first.
  timedOut: {
    code: 'TRANSACTION_TIMEOUT',
    message: 'The participant did not finish preparing in time.',
    retryable: true,
  },
  limitOver: {
    code: 'VOTED_ABORT',
    message: 'The participant waited for a prepare longer than it may hold its locks.',
    retryable: true,
  },
  otherProcess: {
    code: 'VOTED_ABORT',
    message: 'Another process of the shared resource began this branch and has not voted.',
    retryable: true,
  },
  notPrepared: {
    code: 'VOTED_ABORT',
    message: 'The process that began this branch ended before it had voted.',
    retryable: true,
  },
};

/** The vote `abort` to the prepare that waits, if one does: it promises nothing, so it waits for nothing. */
function refuse(
  state: LocalState,
  { voter, reason }: { readonly voter?: ConnectionId | null; readonly reason: VoteReason | null },
): LocalEffect[] {
  return sendVote(state, voter ?? null, { vote: 'abort', reason: reason ?? reasons.rolledBack });
}

export function beginRollback(
  state: LocalState,
  more: {
    readonly payload: unknown;
    readonly owed?: readonly ConnectionId[];
    readonly voter?: ConnectionId | null;
    readonly reason: VoteReason | null;
    readonly takenOver?: TakenOver;
  },
): Next {
  return {
    state: {
      ...identity(state),
      name: 'rolling-back',
      takenOver: more.takenOver ?? null,
      payload: more.payload,
      owed: more.owed ?? [],
      told: [],
      reason: more.reason,
      attempt: 1,
      lastError: null,
    },
    effects: [
      ...refuse(state, more),
      { kind: 'call-rollback', payload: more.payload, takenOver: more.takenOver !== undefined },
    ],
  };
}

/** For a branch of which the application holds nothing. */
export function recordAbort(
  state: LocalState,
  more: Partial<Askers> & {
    readonly voter?: ConnectionId | null;
    readonly reason: VoteReason | null;
  },
): Next {
  return {
    state: {
      ...identity(state),
      name: 'recording-abort',
      owed: more.owed ?? [],
      told: more.told ?? [],
      reason: more.reason,
    },
    effects: [...refuse(state, more), { kind: 'write-tombstone', reason: more.reason }],
  };
}

export function beginCommit(
  state: LocalState,
  more: {
    readonly payload: unknown;
    readonly result: unknown;
    readonly owed: readonly ConnectionId[];
    readonly takenOver?: TakenOver;
  },
): Next {
  return {
    state: {
      ...identity(state),
      name: 'committing',
      told: [],
      attempt: 1,
      lastError: null,
      ...more,
      takenOver: more.takenOver ?? null,
    },
    effects: [
      { kind: 'call-commit', payload: more.payload, takenOver: more.takenOver !== undefined },
    ],
  };
}

/** For the sibling that voted: the store knows whether it is prepared, or committed already. */
export function commitElsewhere(
  state: LocalState,
  owed: readonly ConnectionId[],
  quiet = false,
): Next {
  return beginCommit(state, { payload: undefined, result: undefined, owed, takenOver: { quiet } });
}

/** For the sibling that voted, or that is still on its way to a vote: that one then is in doubt, and asks. */
export function rollbackElsewhere(state: LocalState, owed: readonly ConnectionId[]): Next {
  const takenOver = { quiet: false };
  return beginRollback(state, { payload: undefined, owed, reason: null, takenOver });
}

/** It has waited in the store for the whole patience: asks at once, and until there is an answer. */
export function votedElsewhere(state: LocalState): Next {
  return {
    state: { ...identity(state), name: 'voted-elsewhere' },
    effects: [{ kind: 'query', witness: null }],
  };
}

/** The state that the journal's entry stands for. */
export function adopt(state: LocalState, found: Found | null, context: BranchContext): Next {
  const base = identity(state);
  if (found === null) return { state: { ...base, name: 'unknown' }, effects: [] };
  switch (found.state) {
    case 'started':
      return context.shared
        ? orphan(state, found)
        : beginRollback(state, { payload: found.payload, reason: reasons.notPrepared });
    case 'prepared': {
      const { epoch, witness, payload, result } = found;
      return {
        state: { ...base, name: 'prepared', epoch, witness, payload, result },
        effects: [{ kind: 'start-timer', timer: 'patience' }],
      };
    }
    case 'readonly':
    case 'committed':
      return { state: { ...base, name: found.state, result: found.result }, effects: [] };
    case 'tombstone':
      return found.forgotten === true
        ? { state: { ...base, name: 'forgotten' }, effects: [] }
        : { state: { ...base, name: 'gone', reason: found.reason ?? null }, effects: [] };
  }
}

export function orphan(state: LocalState, held: Omit<Found, 'state'>): Next {
  const { epoch, witness, payload } = held;
  return {
    state: { ...identity(state), name: 'orphaned', epoch, witness, payload },
    effects: [{ kind: 'start-timer', timer: 'patience' }],
  };
}

/** 8.6: a commit is only ever of what was prepared. */
export function refuseCommit(
  state: LocalState,
  connection: ConnectionId,
  name: BranchAlarm = 'commit-of-unknown',
): Next {
  const message =
    name === 'commit-after-rollback'
      ? `A commit came for a branch that is ${state.name}: it was rolled back before.`
      : `A commit came for a branch that is ${state.name}: neither prepared nor committed here.`;
  return {
    state,
    effects: [
      ...acknowledge(state, [connection], 'commit', { code: 'UNKNOWN_BRANCH', message }),
      alarm(name, message),
    ],
  };
}

export function refuseRollback(state: LocalState, connection: ConnectionId): Next {
  const message =
    'A rollback came for a branch that is committed, or being committed. Nothing was undone.';
  return {
    state,
    effects: [
      ...acknowledge(state, [connection], 'abort', { code: 'WRONG_STATE', message }),
      alarm('rollback-after-commit', message),
    ],
  };
}

/** 8.5: refused, and undoes nothing. */
export function contradicted(state: LocalState, answered: string): Next {
  const message = `A node answered ${answered} for a branch that is ${state.name} here. Nothing was changed.`;
  return { state, effects: [alarm('contradicting-answer', message)] };
}

export function refuseEnlist(state: LocalState): Next {
  const refusal = `the branch is ${state.name} already: enlist before the transaction is committed or rolled back`;
  return { state, effects: [{ kind: 'enlist-settled', refusal }] };
}

export function beginPrepare(
  state: LocalState,
  prepare: PrepareData,
  voter: ConnectionId | null,
): Next {
  const { txid, branch } = state;
  return {
    state: { txid, branch, name: 'preparing', prepare, voter, interrupted: null, owed: [] },
    effects: [{ kind: 'call-prepare', prepare }],
  };
}

export function replayPrepare(
  prepare: PrepareData | null,
  voter: ConnectionId | null,
): LocalEvent[] {
  return prepare === null || voter === null
    ? []
    : [{ type: 'prepare', connection: voter, prepare }];
}

export function replayRollbacks(
  owed: readonly ConnectionId[],
  txid: LocalState['txid'],
): LocalEvent[] {
  return owed.map((connection) => ({ type: 'rollback', connection, epoch: epochOf(txid) }));
}

export function forgetVoterAndAsker(
  state: LocalStateOf<'starting' | 'preparing' | 'voting'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    state: {
      ...state,
      voter: state.voter === event.connection ? null : state.voter,
      owed: withoutAsker(state.owed, event.connection),
    },
    effects: [],
  };
}
