/**
 * What a service gives the participant SDK: how its part of a transaction is prepared, committed and
 * rolled back. The SDK does the rest.
 *
 * What the three owe each other:
 *
 * - `prepare` makes the work of one branch certain without making it visible: when it returns
 *   `vote.commit`, both commit and rollback must be possible whatever happens - a full disk, a crash, a restart years
 *   later. *Durable* means: on stable storage (an fdatasync that returned, a database's PREPARE TRANSACTION
 *   that was answered), under the txid and branch, before it returns. The SDK keeps the payload for commit
 *   and rollback; whatever else these need is the application's to keep.
 * - `commit` and `rollback` may be called more than once for one branch - after a crash between the call and
 *   the record of it, after a failure, from two processes of one shared resource at once - and must
 *   then change nothing the second time: keep by txid and branch what is still prepared, and do
 *   nothing where nothing is. (Who also keeps what was committed can tell a repetition from a branch that was lost with
 *   its data, and should throw for that one: it is not done, and an operator must hear of it.) They return when their effect is durable. Where one throws, it is called
 *   again with growing pauses until it succeeds: its outcome is decided, and refusing is no option.
 *   They have no time-out: nobody may give up a decided outcome.
 * - For one branch the SDK never runs two of them at once; different branches run concurrently.
 */
import type { VoteReason } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

export interface BranchCall<Payload> {
  readonly txid: Txid;
  /** The branch's name within the transaction. */
  readonly branch: string;
  readonly payload: Payload;
}

export interface PrepareCall<Payload> extends BranchCall<Payload> {
  /**
   * Fires when the result no longer matters: the transaction was rolled back, or the time-out passed. End soon; whatever
   * is returned then is rolled back.
   */
  readonly signal: AbortSignal;
  /** Until the transaction's own time-out, from when the prepare came in. */
  readonly timeoutMs: number;
  /** W3C trace context of the transaction, where the coordinator has one. */
  readonly traceparent?: string;
  /** Tells the coordinator now that this prepare is still at it; the SDK also does so every `workingMs`. */
  readonly working: () => void;
}

/** Made by `vote.commit`, `vote.readonly` and `vote.abort`. */
export type PrepareResult<Result> =
  | { readonly vote: 'commit'; readonly result?: Result }
  | { readonly vote: 'readonly'; readonly result?: Result }
  | { readonly vote: 'abort'; readonly reason: VoteReason };

export interface Resource<Payload = unknown, Result = unknown> {
  /**
   * Called once for a branch, unless the process ends before the vote is durable: then it may be called
   * again, after a rollback. After `vote.abort` and
   * `vote.readonly` the application must hold nothing: neither commit nor rollback follows. A throw is a
   * vote `abort`; rollback follows, for nobody knows how far it came. Its message reaches the client.
   */
  prepare(call: PrepareCall<Payload>): Promise<PrepareResult<Result>> | PrepareResult<Result>;
  /** Only ever after `vote.commit`. The payload is undefined only where it had been committed before. */
  commit(call: BranchCall<Payload | undefined>): Promise<void> | void;
  /**
   * May be called for a branch that was never prepared, or not completely, and then has no payload if none had come:
   * does nothing where nothing is held.
   */
  rollback(call: BranchCall<Payload | undefined>): Promise<void> | void;
  /**
   * Every branch that the application holds durably prepared, asked once on start, before any call. With it the SDK
   * needs no record of its own that a prepare began: what the application holds without a vote in the journal is
   * rolled back. A resource without it has rollback called for each prepare that was under way.
   */
  inDoubt?(): Promise<Iterable<HeldBranch>> | Iterable<HeldBranch>;
}

/** As a store gives it back: what is no txid is logged and left alone. */
export interface HeldBranch {
  readonly txid: string;
  readonly branch: string;
}

export interface BranchRef {
  readonly txid: Txid;
  readonly branch: string;
}
