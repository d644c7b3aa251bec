/** Who waits for an acknowledgement, and what they are told. */

import type { ErrorCode } from '../catalogue.ts';
import type { Decision } from '../messages.ts';
import { identity, type Next, stay } from './row.ts';
import type { Askers, ConnectionId, LocalBranch, LocalBranchOf, LocalEffect } from './types.ts';

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

export function everyAsker(askers: Askers): readonly ConnectionId[] {
  return [...askers.owed, ...askers.told.filter((one) => !askers.owed.includes(one))];
}

export function forgetAsker(
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

export function forgetVoterAndAsker(
  branch: LocalBranchOf<'starting' | 'preparing' | 'voting'>,
  event: { readonly connection: ConnectionId },
): Next {
  return {
    branch: {
      ...branch,
      voter: branch.voter === event.connection ? null : branch.voter,
      owed: withoutAsker(branch.owed, event.connection),
    },
    effects: [],
  };
}

export function acknowledge(
  branch: LocalBranch,
  to: readonly ConnectionId[],
  decision: Decision,
  error?: { readonly code: ErrorCode; readonly message: string },
): LocalEffect[] {
  const message = {
    type: 'ack',
    ...identity(branch),
    decision,
    ok: error === undefined,
    ...(error === undefined ? {} : { error }),
  } as const;
  return to.map((one) => ({ type: 'send', to: one, message }));
}

export function failed(
  branch: LocalBranch,
  to: readonly ConnectionId[],
  decision: Decision,
  text: string,
): LocalEffect[] {
  return acknowledge(branch, to, decision, { code: 'INTERNAL', message: text });
}

/** Every command is answered once; later each who asked learns of the success, too. */
export function pause(
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

/** The pause is over. */
export function retry(
  branch: LocalBranchOf<'committing' | 'rolling-back'>,
  type: 'call-commit' | 'call-rollback',
): Next {
  const { payload, takenOver, attempt, lastError } = branch;
  if (lastError === null) return stay(branch);
  return {
    branch: { ...branch, attempt: attempt + 1, lastError: null },
    effects: [{ type, payload, takenOver: takenOver !== null }],
  };
}
