/**
 * What a service gives the participant SDK: how its part of a transaction is prepared, committed
 * and rolled back. The SDK does the rest.
 *
 * What the three owe each other:
 *
 * - `prepare` makes the work of one branch certain without making it visible: when it returns
 *   `vote.commit`, both commit and rollback must be possible whatever happens: a full disk, a
 *   crash, a restart years later. *Durable* means: on stable storage (an fdatasync that returned, a
 *   database's PREPARE TRANSACTION that was answered), under the txid and branch, before it
 *   returns. The SDK keeps the payload for commit and rollback; the application keeps whatever else
 *   they need.
 * - `commit` and `rollback` may be called more than once for one branch (after a crash between the
 *   call and its record, after a failure, from two processes of one shared resource at once), and
 *   must then change nothing: keep by txid and branch what is still prepared, and do nothing if
 *   nothing is. (A resource that also keeps what was committed can tell a repetition from a branch
 *   lost with its data. It should throw for the latter: an operator must hear of it.) They return
 *   when their effect is durable. If one throws, it is called again with growing pauses until it
 *   succeeds: its outcome is decided. They have no time-out: no one may give up a decided outcome.
 * - For one branch the SDK never runs two of them at once; different branches run concurrently.
 *
 * A store on which several processes work at once, each with a journal of its own (a database),
 * says so by its `identity`. It owes more. Each branch is prepared under the instance that votes
 * (`instance`) and never under two at once; `inDoubt` tells whose each is. Any instance can commit
 * and roll back every branch. A record of each commit stays until the instance that voted is told
 * to forget (`forgotten`), and a while longer: a prepare may still be under way to a sibling, or
 * that instance may come back. A rollback without `takenOver` ends only what the calling instance
 * prepared itself (!): it also follows a prepare that failed just because a sibling holds the
 * branch, and has voted commit for it.
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
   * Fires when the result no longer matters: the transaction was rolled back, or the time-out
   * passed. End soon; whatever is returned then is rolled back.
   */
  readonly signal: AbortSignal;
  /** Until the transaction's own time-out, from when the prepare came in. */
  readonly timeoutMs: number;
  /** W3C trace context of the transaction, where the coordinator has one. */
  readonly traceparent?: string;
  /** Tells the coordinator that this prepare still runs; the SDK also does, every `workingMs`. */
  readonly working: () => void;
}

/** Made by `vote.commit`, `vote.readonly` and `vote.abort`. */
export type PrepareResult<Result> =
  | { readonly vote: 'commit'; readonly result?: Result }
  | { readonly vote: 'readonly'; readonly result?: Result }
  | AbortVote;

/** Made by `vote.commit(result)` and `vote.readonly(result)`: the result is there. */
export interface ResultVote<Result> {
  /** Which of the two. */
  readonly vote: 'commit' | 'readonly';
  /** For the client. */
  readonly result: Result;
}

/** Made by `vote.abort`. */
export interface AbortVote {
  /** Always this. */
  readonly vote: 'abort';
  /** For the client. */
  readonly reason: VoteReason;
}

/**
 * What a service gives `serveParticipant`: how its part is prepared, committed and rolled back.
 *
 * `prepare` makes the work durable without showing it; after `vote.commit` both other methods must
 * be possible whatever happens. `commit` and `rollback` may be called more than once for one
 * branch, and must then change nothing. What they throw is logged, and they are called again until
 * they succeed. For one branch no two of them ever run at once.
 */
export interface Resource<Payload = unknown, Result = unknown> {
  /**
   * Called once for a branch, or again, after a rollback, if the process ends before the vote is
   * durable. After `vote.abort` and `vote.readonly` the application must hold nothing: neither
   * commit nor rollback follows. A throw is a vote `abort`; rollback follows, for no one knows how
   * far it came. Its message reaches the client.
   */
  prepare(call: PrepareCall<Payload>): Promise<PrepareResult<Result>> | PrepareResult<Result>;
  /**
   * Only after `vote.commit`. The payload is undefined only if it was committed before, or if the
   * store keeps votes.
   */
  commit(call: EndCall<Payload | undefined>): Promise<void> | void;
  /**
   * Does nothing if nothing is held: the branch may never have been prepared, or not completely.
   * Without a payload if none had come.
   */
  rollback(call: EndCall<Payload | undefined>): Promise<void> | void;
  /**
   * Every branch that the application holds durably prepared, asked once on start, before any call.
   * With it the SDK keeps no record that a prepare began: what is held without a vote in the
   * journal is rolled back, or asked about where the store keeps votes. Without it, rollback is
   * called for each prepare that was under way.
   * With an `identity` it is asked again now and then, to ask about what other instances have
   * prepared and left.
   */
  inDoubt?(call?: {
    readonly instance?: string;
  }): Promise<Iterable<HeldBranch>> | Iterable<HeldBranch>;
  /**
   * True: the store keeps votes, so that the SDK need not flush its journal for them. From the
   * moment in which `prepare` returns `vote.commit` until the branch has ended, `inDoubt` lists it,
   * and whose it is, also after any crash; `commit` and `rollback` need no payload; once it has
   * committed, a prepare of it fails for as long as `commit` finds that. It takes `inDoubt` and
   * `identity`.
   */
  readonly keepsVotes?: boolean;
  /**
   * An id made with the store and kept in it, the same for whoever opens it: any instance that
   * names it may end a branch. Without it only the instance that voted may.
   */
  readonly identity?: string;
  /** Once, before any other call: ends what an earlier process of this instance has under way. */
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
 * Thrown by commit and rollback of a resource with an `identity` if the store is certain that it
 * cannot be done. By commit: it holds `nothing` of the branch. By rollback: the branch is
 * committed, and whether a sibling was told to.
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
