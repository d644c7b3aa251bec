/** What a row of the branch machine's table is made of. */

import type {
  BranchContext,
  BranchIdentity,
  BranchTimer,
  LocalBranch,
  LocalBranchOf,
  LocalEffect,
  LocalEvent,
  LocalEventOf,
  LocalEventType,
  LocalState,
} from './types.ts';

/** A step, and the events that are to be stepped right after it. */
export interface Next {
  readonly branch: LocalBranch;
  readonly effects: readonly LocalEffect[];
  readonly again?: readonly LocalEvent[];
}

export type Handler<State extends LocalState, Event extends LocalEventType> = (
  branch: LocalBranchOf<State>,
  event: LocalEventOf<Event>,
  context: BranchContext,
) => Next;

/** One row of the table: what each event does in this state. The compiler demands every cell. */
export type Row<State extends LocalState> = {
  readonly [Event in LocalEventType]: Handler<State, Event>;
};

export function stay(branch: LocalBranch): Next {
  return { branch, effects: [] };
}

/** The driver told the machine something that cannot be: a fault of this program, not of a peer. */
export function impossible(branch: LocalBranch, event: LocalEvent): never {
  throw new Error(`assertion: a branch that is ${branch.state} cannot meet ${event.type}`);
}

/**
 * Cells of every state in which the application and the journal owe no answer. A timer may fire in
 * the turn in which it was stopped.
 */
export const atRest: Omit<
  Row<LocalState>,
  | 'prepare'
  | 'commit'
  | 'rollback'
  | 'forget'
  | 'answer'
  | 'enlisted'
  | 'connection-lost'
  | 'held'
  | 'journal'
> = {
  'application-prepared': impossible,
  'application-committed': impossible,
  'application-rolled-back': impossible,
  'application-failed': impossible,
  'vote-written': impossible,
  'vote-refused': impossible,
  'outcome-written': impossible,
  'outcome-contradicted': impossible,
  'prepare-timeout': stay,
  'patience-over': stay,
  'limit-over': stay,
  'tombstone-due': stay,
  'retry-due': stay,
};

export function identity(branch: LocalBranch): BranchIdentity {
  return { txid: branch.txid, branch: branch.branch };
}

export function stopTimer(timer: BranchTimer, next: Next): Next {
  return { ...next, effects: [{ type: 'stop-timer', timer }, ...next.effects] };
}

/** What the first step does, and then the next one. */
export function before(first: Next, next: Next): Next {
  return { ...next, effects: [...first.effects, ...next.effects] };
}
