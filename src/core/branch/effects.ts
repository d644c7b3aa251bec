/** The pieces that the handlers of the branch machine are made of. */

import type { VoteMessage, VoteReason, Witness } from '../messages.ts';
import { epochOf } from '../txid.ts';
import { acknowledge } from './askers.ts';
import { identity, type Next, stay } from './row.ts';
import type {
  Askers,
  BranchAlarm,
  BranchContext,
  ConnectionId,
  Found,
  LocalBranch,
  LocalBranchOf,
  LocalEffect,
  LocalEvent,
  PrepareData,
  TakenOver,
} from './types.ts';

type Vote =
  | { readonly vote: 'commit' | 'readonly'; readonly result: unknown }
  | { readonly vote: 'abort'; readonly reason: VoteReason };

export function sendVote(branch: LocalBranch, to: ConnectionId | null, vote: Vote): LocalEffect[] {
  if (to === null) return [];
  return [{ type: 'send', to, message: voteMessage(branch, vote) }];
}

/** A result that is undefined is left out: it could not be encoded. */
function voteMessage({ txid, branch }: LocalBranch, given: Vote): VoteMessage {
  if (given.vote === 'abort')
    return { type: 'vote', txid, branch, vote: 'abort', reason: given.reason };
  const { vote, result } = given;
  return result === undefined
    ? { type: 'vote', txid, branch, vote }
    : { type: 'vote', txid, branch, vote, result };
}

/** Said and not written: it promises nothing. */
export function voteAbort(branch: LocalBranch, voter: ConnectionId, reason: VoteReason): Next {
  return { branch, effects: sendVote(branch, voter, { vote: 'abort', reason }) };
}

export function alarm(name: BranchAlarm, message: string): LocalEffect {
  return { type: 'alarm', alarm: name, message };
}

export const reasons: Readonly<
  Record<
    'staleEpoch' | 'rolledBack' | 'timedOut' | 'limitOver' | 'otherProcess' | 'notPrepared',
    VoteReason
  >
> = {
  staleEpoch: retryable('The leadership that asks is over. Try the transaction again.'),
  rolledBack: retryable('The branch was rolled back, or forgotten, before this prepare came.'),
  // The transaction's own time-out: this vote and the leader's timer say the same.
  timedOut: {
    ...retryable('The participant did not finish preparing in time.'),
    code: 'TRANSACTION_TIMEOUT',
  },
  limitOver: retryable('The participant waited for a prepare longer than it may hold its locks.'),
  otherProcess: retryable(
    'Another process of the shared resource began this branch and has not voted.',
  ),
  notPrepared: retryable('The process that began this branch ended before it had voted.'),
};

function retryable(message: string): VoteReason {
  return { code: 'VOTED_ABORT', message, retryable: true };
}

/** The vote `abort` to a prepare that waits: it promises nothing, so it waits for nothing. */
function refuse(
  branch: LocalBranch,
  { voter, reason }: { readonly voter?: ConnectionId | null; readonly reason: VoteReason | null },
): LocalEffect[] {
  return sendVote(branch, voter ?? null, { vote: 'abort', reason: reason ?? reasons.rolledBack });
}

export function beginRollback(
  branch: LocalBranch,
  more: {
    readonly payload?: unknown;
    readonly owed?: readonly ConnectionId[];
    readonly voter?: ConnectionId | null;
    readonly reason: VoteReason | null;
    readonly takenOver?: TakenOver;
    readonly begunElsewhere?: boolean;
  },
): Next {
  return {
    branch: {
      ...identity(branch),
      state: 'rolling-back',
      takenOver: more.takenOver ?? null,
      begunElsewhere: more.begunElsewhere ?? false,
      payload: more.payload,
      owed: more.owed ?? [],
      told: [],
      reason: more.reason,
      attempt: 1,
      lastError: null,
    },
    effects: [
      ...refuse(branch, more),
      { type: 'call-rollback', payload: more.payload, takenOver: more.takenOver !== undefined },
    ],
  };
}

/** For a branch of which the application holds nothing. */
export function recordAbort(
  branch: LocalBranch,
  more: Partial<Askers> & {
    readonly voter?: ConnectionId | null;
    readonly reason: VoteReason | null;
  },
): Next {
  return {
    branch: {
      ...identity(branch),
      state: 'recording-abort',
      owed: more.owed ?? [],
      told: more.told ?? [],
      reason: more.reason,
    },
    effects: [...refuse(branch, more), { type: 'write-tombstone', reason: more.reason }],
  };
}

export function beginCommit(
  branch: LocalBranch,
  more: {
    readonly payload: unknown;
    readonly result: unknown;
    readonly owed: readonly ConnectionId[];
    readonly takenOver?: TakenOver;
  },
): Next {
  return {
    branch: {
      txid: branch.txid,
      branch: branch.branch,
      state: 'committing',
      payload: more.payload,
      result: more.result,
      owed: more.owed,
      told: [],
      attempt: 1,
      lastError: null,
      takenOver: more.takenOver ?? null,
    },
    effects: [
      { type: 'call-commit', payload: more.payload, takenOver: more.takenOver !== undefined },
    ],
  };
}

/** For the sibling that voted: the store knows whether it is prepared, or committed already. */
export function commitElsewhere(
  branch: LocalBranch,
  owed: readonly ConnectionId[],
  { quiet = false, answered = false }: Partial<TakenOver> = {},
): Next {
  const takenOver = { quiet, answered };
  return beginCommit(branch, { payload: undefined, result: undefined, owed, takenOver });
}

/** For the sibling that voted, or is about to: that one is in doubt then, and asks. */
export function rollbackElsewhere(branch: LocalBranch, owed: readonly ConnectionId[]): Next {
  const takenOver = { quiet: false };
  return beginRollback(branch, { owed, reason: null, takenOver });
}

/** It waited in the store for the whole patience: asks at once, and until there is an answer. */
export function votedElsewhere(branch: LocalBranch): Next {
  return {
    branch: { ...identity(branch), state: 'voted-elsewhere' },
    effects: [{ type: 'query', witness: null }],
  };
}

/** A vote, or none: whoever knew is gone, and the store alone has kept it (8.11). */
export function keptVote(branch: LocalBranch, witness: Witness | null): Next {
  return {
    branch: { ...identity(branch), state: 'kept', witness },
    effects: [{ type: 'query', witness }],
  };
}

/** The state that the journal's entry stands for. */
export function adopt(branch: LocalBranch, found: Found | null, context: BranchContext): Next {
  const base = identity(branch);
  if (found === null) return { branch: { ...base, state: 'unknown' }, effects: [] };
  switch (found.state) {
    case 'started':
      return context.shared
        ? orphan(branch, { ...found, recorded: true })
        : beginRollback(branch, { payload: found.payload, reason: reasons.notPrepared });
    case 'prepared': {
      const { epoch, witness, payload, result } = found;
      return {
        branch: { ...base, state: 'prepared', epoch, witness, payload, result },
        effects: [{ type: 'start-timer', timer: 'patience' }],
      };
    }
    case 'readonly':
    case 'committed':
      return { branch: { ...base, state: found.state, result: found.result }, effects: [] };
    case 'tombstone':
      return found.forgotten === true
        ? { branch: { ...base, state: 'forgotten' }, effects: [] }
        : { branch: { ...base, state: 'gone', reason: found.reason ?? null }, effects: [] };
  }
}

export function orphan(
  branch: LocalBranch,
  held: Pick<Found, 'witness' | 'payload'> & { readonly recorded: boolean },
): Next {
  const { witness, payload, recorded } = held;
  return {
    branch: { ...identity(branch), state: 'orphaned', witness, payload, recorded },
    effects: [{ type: 'start-timer', timer: 'patience' }],
  };
}

/** 8.6: a commit is only ever of what was prepared. */
export function refuseCommit(
  branch: LocalBranch,
  connection: ConnectionId,
  name: BranchAlarm = 'commit-of-unknown',
): Next {
  const message =
    name === 'commit-after-rollback'
      ? `A commit came for a branch that is ${branch.state}: it was rolled back before.`
      : `A commit came for a branch that is ${branch.state}: neither prepared nor committed here.`;
  return {
    branch,
    effects: [
      ...acknowledge(branch, [connection], 'commit', { code: 'UNKNOWN_BRANCH', message }),
      alarm(name, message),
    ],
  };
}

export function refuseRollback(branch: LocalBranch, connection: ConnectionId): Next {
  const message =
    'A rollback came for a branch that is committed, or being committed. Nothing was undone.';
  return {
    branch,
    effects: [
      ...acknowledge(branch, [connection], 'abort', { code: 'WRONG_STATE', message }),
      alarm('rollback-after-commit', message),
    ],
  };
}

/** 8.5: refused, and undoes nothing. */
export function contradicted(branch: LocalBranch, answered: string): Next {
  const message = `A node answered ${answered} for a branch that is ${branch.state} here. Nothing was changed.`;
  return { branch, effects: [alarm('contradicting-answer', message)] };
}

/** Where a commit has become impossible. */
export function refuseCommitAnswer(
  branch: LocalBranch,
  event: { readonly decision: string },
): Next {
  return event.decision === 'commit' ? contradicted(branch, event.decision) : stay(branch);
}

/** To a branch in doubt, without an outcome: it asks again. */
export function stillInDoubt(branch: LocalBranch, decision: 'undecided' | 'expired'): Next {
  const wait: LocalEffect = { type: 'start-timer', timer: 'patience' };
  if (decision === 'undecided') return { branch, effects: [wait] };
  // Never said to an enlisted participant in doubt (section 5): whoever did knew no better.
  const text = 'A node answered expired for a branch in doubt. It stays in doubt and asks again.';
  return { branch, effects: [alarm('outcome-expired', text), wait] };
}

export function refuseEnlist(branch: LocalBranch): Next {
  const refusal = `the branch is ${branch.state} already: enlist before the transaction is committed or rolled back`;
  return { branch, effects: [{ type: 'enlist-settled', refusal }] };
}

export function beginPrepare(
  branch: LocalBranch,
  prepare: PrepareData,
  voter: ConnectionId | null,
): Next {
  return {
    branch: {
      ...identity(branch),
      state: 'preparing',
      prepare,
      voter,
      interrupted: null,
      owed: [],
    },
    effects: [{ type: 'call-prepare', prepare }],
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
  txid: LocalBranch['txid'],
): LocalEvent[] {
  return owed.map((connection) => ({ type: 'rollback', connection, epoch: epochOf(txid) }));
}

export function repeatVote(
  branch: LocalBranchOf<'prepared' | 'committing' | 'recording-commit' | 'committed'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    branch,
    effects: sendVote(branch, event.connection, { vote: 'commit', result: branch.result }),
  };
}

/** Nothing is left to remember here: what there is to know, the store knows. */
export function settled(branch: LocalBranch, effects: readonly LocalEffect[]): Next {
  return { branch: { ...identity(branch), state: 'unknown' }, effects };
}
