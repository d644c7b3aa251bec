/** What the decision log keeps, and what a leader hands it. */
import type { Decision } from './messages.ts';
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
  /** Wall clock when it was decided, for people. */
  readonly atMs: number;
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
