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
 *   They have no time-out: no one may give up a decided outcome.
 * - For one branch the SDK never runs two of them at once; different branches run concurrently.
 *
 * A store on which several processes work at once, each with a journal of its own (a database), says so by its `identity`. It
 * then owes more: each branch is prepared under the instance that votes (`instance`) and under no two at once, `inDoubt` tells
 * whose each is, any instance can commit and roll back every branch, and a record of each commit stays in the store until the
 * instance that voted was told to forget (`forgotten`), and a while longer, for a prepare may still be under way to a sibling, or for
 * as long as it may come back. A rollback without `takenOver` ends only what the calling instance prepared itself (!): it also
 * follows a prepare that failed just because a sibling holds the branch, and has voted commit for it.
 */
import type { StoreFound } from '../core/branch/types.ts';
import type { VoteReason } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

/** One branch of a transaction, as the methods of a `Resource` get it. */
export interface BranchCall<Payload> {
  /** The transaction. Keep what is prepared under it and the branch. */
  readonly txid: Txid;
  /** The branch's name within the transaction. */
  readonly branch: string;
  /** What the client sent, or what the branch was enlisted with. */
  readonly payload: Payload;
  /** The id of the journal that calls: in `prepare`, who votes. The SDK always gives it. */
  readonly instance?: string;
}

/** Of a commit or a rollback. */
export interface EndCall<Payload> extends BranchCall<Payload> {
  /** Another instance voted: only ever true where the resource has an `identity`. */
  readonly takenOver?: boolean;
}

/** What `Resource.prepare` gets. */
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
  | AbortVote;

/** Made by `vote.abort`. */
export interface AbortVote {
  /** Always this. */
  readonly vote: 'abort';
  /** For the client. */
  readonly reason: VoteReason;
}

/**
 * What a service gives `serveParticipant`: how its part of a transaction is prepared, committed and rolled back.
 *
 * `prepare` makes the work durable without showing it, and after `vote.commit` both other methods must be possible whatever
 * happens. `commit` and `rollback` may be called more than once for one branch, and must then change nothing. What they
 * throw is logged, and they are called again until they succeed. For one branch no two of them ever run at once.
 */
export interface Resource<Payload = unknown, Result = unknown> {
  /**
   * Called once for a branch, unless the process ends before the vote is durable: then it may be called
   * again, after a rollback. After `vote.abort` and
   * `vote.readonly` the application must hold nothing: neither commit nor rollback follows. A throw is a
   * vote `abort`; rollback follows, for no one knows how far it came. Its message reaches the client.
   */
  prepare(call: PrepareCall<Payload>): Promise<PrepareResult<Result>> | PrepareResult<Result>;
  /** Only ever after `vote.commit`. The payload is undefined only where it had been committed before. */
  commit(call: EndCall<Payload | undefined>): Promise<void> | void;
  /**
   * May be called for a branch that was never prepared, or not completely, and then has no payload if none had come:
   * does nothing where nothing is held.
   */
  rollback(call: EndCall<Payload | undefined>): Promise<void> | void;
  /**
   * Every branch that the application holds durably prepared, asked once on start, before any call. With it the SDK
   * needs no record of its own that a prepare began: what the application holds without a vote in the journal is
   * rolled back. A resource without it has rollback called for each prepare that was under way. Where there is an `identity`
   * it is asked again now and then: what other instances have prepared, and left, is asked about.
   */
  inDoubt?(call?: {
    readonly instance?: string;
  }): Promise<Iterable<HeldBranch>> | Iterable<HeldBranch>;
  /**
   * An id made with the store and kept in it, the same for whoever opens it: branches may be ended by any instance that names
   * the same one. Without it a branch is ended only by the instance that voted.
   */
  readonly identity?: string;
  /** Once, before any other call: ends what an earlier process of the same instance may still have under way. */
  begin?(call: { readonly instance: string }): Promise<void> | void;
  /** No one asks for its outcome any more. Never waits, never fails. */
  forgotten?(branch: BranchRef): void;
}

/** As a store gives it back: what is no txid is logged and left alone. */
export interface HeldBranch {
  /** The transaction that it was prepared under. */
  readonly txid: string;
  /** The branch's name within the transaction. */
  readonly branch: string;
  /** False: another instance prepared it, and nothing but a decision ends it. Default true. */
  readonly mine?: boolean;
}

/**
 * Thrown by commit and rollback of a resource with an `identity` where the store says for certain that it cannot be done: by
 * commit, that it holds `nothing` of the branch; by rollback, that the branch is committed, and whether a sibling was told to.
 */
export class BranchEndedError extends Error {
  /** Always this. */
  override readonly name = 'BranchEndedError';
  /** What the store has of the branch. */
  readonly found: StoreFound;

  constructor(found: StoreFound, message: string) {
    super(message);
    this.found = found;
  }
}

/** One branch of a transaction. */
export interface BranchRef {
  /** The transaction. */
  readonly txid: Txid;
  /** The branch's name within the transaction. */
  readonly branch: string;
}
