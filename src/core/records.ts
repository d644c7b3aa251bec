/** What the decision log keeps, and what a leader hands it. */
import type { Decision, SettledBy } from './messages.ts';
import type { Txid } from './txid.ts';

/** One branch of a committed transaction: what phase 2 needs after a failover. */
export interface RecordedBranch {
  readonly branch: string;
  readonly participant: string;
  readonly instance: string;
  readonly sharedResource?: string;
}

/** Locks that a committed transaction holds until every branch is done, whoever leads. */
export interface RecordedLocks {
  readonly group: string;
  readonly exclusive: readonly string[];
  readonly shared: readonly string[];
}

export interface DecisionRecord {
  readonly txid: Txid;
  readonly outcome: Decision;
  /** Branches that owe an acknowledgement: those that voted `commit`. Empty for an abort. */
  readonly branches: readonly RecordedBranch[];
  readonly requestId?: string;
  /** Hash of the request's content; present exactly with `requestId`. */
  readonly requestHash?: string;
  /** Absent where it holds none. */
  readonly locks?: RecordedLocks;
  /** Of a trace that is recorded, so that it goes on under the next leader. */
  readonly traceparent?: string;
  /** Branches in whose place an operator spoke. Absent: none. Those in `branches` still owe. */
  readonly byHand?: readonly SettledByHand[];
  /** Wall clock when it was decided, for people. */
  readonly atMs: number;
}

/** An operator states that this branch was settled by hand and will never acknowledge. */
export interface SettledByHand {
  readonly branch: string;
  readonly participant: string;
  /** The identity of the operator, or the name of its hello. */
  readonly by: string;
  readonly reason: string;
  /** Wall clock, for people. */
  readonly atMs: number;
}

/** As it is shown with the branch. */
export function settledBy({ by, reason, atMs }: SettledByHand): SettledBy {
  return { by, reason, atMs };
}

/** What an operator's word changes in a record that stays in decisions/: never its outcome. */
export interface Settlement {
  readonly txid: Txid;
  readonly byHand: readonly SettledByHand[];
  /**
   * Every other branch has acknowledged: only these still owe, and the locks are free. Null: no
   * such change.
   */
  readonly left: readonly string[] | null;
}

/** The same settlement again changes nothing more. */
export function settled(record: DecisionRecord, { byHand, left }: Settlement): DecisionRecord {
  const { byHand: before = [], locks, branches, ...rest } = record;
  const fresh = byHand.filter(({ branch }) => !before.some((one) => one.branch === branch));
  const marked = { ...rest, byHand: [...before, ...fresh] };
  if (left !== null) {
    return { ...marked, branches: branches.filter(({ branch }) => left.includes(branch)) };
  }
  return locks === undefined ? { ...marked, branches } : { ...marked, branches, locks };
}

/** A commit to write. `finished`: it goes straight there, for no acknowledgement is owed. */
export interface DecisionWrite {
  readonly record: DecisionRecord & { readonly outcome: 'commit' };
  readonly finished: boolean;
}

/** What `requests/R` holds: the transaction that committed under the request id. */
export interface RequestEntry {
  readonly txid: Txid;
  readonly requestHash: string;
}

export type DecideResult =
  /** The record is durable: ours, whether this write or an earlier one of the same made it. */
  | { readonly type: 'written' }
  /** An abort was forced, or the floor has passed the txid: no commit can ever be recorded. */
  | { readonly type: 'aborted' }
  /** Another one committed under this requestId, and is the answer. This attempt aborts. */
  | { readonly type: 'duplicate'; readonly entry: RequestEntry };
