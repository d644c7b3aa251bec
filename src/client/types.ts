/** What goes into a transaction and what comes out of it. */
import type { AbortReason } from '../core/catalogue.ts';
import type { LockMode } from '../core/locks/table.ts';
import type { Labels, LockedKeys } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

/** Options that every call takes. */
export interface CallOptions {
  /**
   * How long the call may take, in milliseconds, everything included: finding the leader, sending again, asking
   * for an outcome. Default: the transaction's own time-out and 5 s. 0 gives up at once.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Ends the waiting, not the transaction: what was sent is not undone. Before anything was sent the call rejects with
   * ABORTED_BY_CALLER, afterwards with an OutcomeUnknownError whose cause is the signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
}

/** `decided`: the outcome is durable. `applied`: and every participant has carried it out. */
export type AnswerWhen = 'decided' | 'applied';

/** Options of `tx.commit`. */
export interface CommitOptions extends CallOptions {
  /**
   * When the call resolves. Default `decided`: participants carry the commit out behind the answer, most within milliseconds, and until then a
   * read may still show what was before. `applied` waits for all of them, within the call's time-out; `applied` of the outcome
   * says whether they all did.
   */
  readonly answer?: AnswerWhen | undefined;
}

/** When and how often what was aborted is tried again. */
export interface RetryOptions {
  /** How often the transaction is run at most. Default 10. */
  readonly maxAttempts?: number;
  /** The first pause between two attempts, in milliseconds; it doubles, half of it chance. Default 50. */
  readonly retryDelayMs?: number;
  /** The longest pause, in milliseconds; what a reason asks to wait (`retryAfterMs`) comes on top. Default 2,000. */
  readonly maxRetryDelayMs?: number;
}

/** Options of `transact`. */
export interface TransactOptions extends CommitOptions {
  /** How long the call may take, in milliseconds. Default: the transaction's own time-out and 5 s; with `retry` 60,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Tries again what was aborted for a reason that can pass (`reason.retryable`), within the call's time-out. With a requestId every attempt
   * is made under it: whatever happens, at most one of them commits. Default false: the first abort is the answer.
   */
  readonly retry?: boolean | RetryOptions | undefined;
}

/** One participant's part in a transaction. */
export interface BranchRequest<Payload = unknown> {
  /** The name under which the service serves. */
  readonly participant: string;
  /** Names the branch where one participant has several. Default: the participant's name. */
  readonly branch?: string;
  /**
   * What the participant's `prepare` gets: null, booleans, finite numbers, strings, bigints of 64 bits, Uint8Arrays, arrays and
   * plain objects of these.
   */
  readonly payload?: Payload;
}

/** What holds for one transaction; `connect` takes defaults for these. */
export interface TransactionOptions {
  /**
   * After this many milliseconds without a decision the coordinator aborts the transaction. Default: the node's own
   * (`transactionTimeoutMs`, 10 s). Once the decision is being written no time-out can abort it.
   */
  readonly timeoutMs?: number | undefined;
  /** For people and tools, such as `{order: '17'}`: 16 at most. */
  readonly labels?: Labels | undefined;
  /**
   * Whose named locks the transaction takes: any string up to 128 bytes. Keys of two groups are never the same, and a group is the
   * own of the client's `name`: `stock` of another name is another group. One that begins with `shared/`, such as `shared/stock`, is the same
   * for all names: services that exclude one another name it so. Default `default`; a cluster with several shards needs it named here, not only at the first `lock`. All who
   * compete name the same one, and its leader serves them all: many small groups spread the load. It is part of what a
   * `requestId` stands for: under another group the same id is another request.
   */
  readonly lockGroup?: string | undefined;
}

/** Options of `tx.lock`. */
export interface LockOptions extends CallOptions {
  /** `shared` with others that share it, or `exclusive`, the default. */
  readonly mode?: LockMode | undefined;
  /**
   * How long to wait, in milliseconds, before the transaction is aborted with LOCK_TIMEOUT; 0 does not wait. Default: the node's
   * own (`lockWaitMs`, 5 s). Never longer than the transaction's time-out.
   */
  readonly waitMs?: number | undefined;
}

/** A whole transaction for `client.transact`: what is to happen everywhere or nowhere. */
export interface TransactRequest<Payload = unknown> extends TransactionOptions {
  /**
   * The idempotency key: any string up to 128 bytes. Whatever is lost on the way, at most one transaction commits under
   * it within the cluster's request window (2 minutes by default, counted from when it was first sent). It is the own of
   * the client's `name`: under another name the same id is another request.
   */
  readonly requestId?: string;
  /**
   * With a requestId: the number of this attempt. Default 1. The same attempt gets the same answer again as long as the
   * same leadership lasts; a later one may run it, and commits at most one. To try once more what was aborted, give
   * the `attempt` of its outcome plus 1.
   */
  readonly attempt?: number;
  /**
   * With a requestId that an earlier call has sent: how many milliseconds ago it did, for the first time. Default 0. A
   * node refuses with EXPIRED what is older than the request window, for it may have forgotten the earlier one.
   */
  readonly requestAgeMs?: number;
  /** Named locks, taken all at once before anything is sent to a participant. */
  readonly locks?: readonly LockedKeys[];
  /** As `waitMs` of `tx.lock`, for all of them. */
  readonly lockWaitMs?: number;
  /** The participants and their parts: one at least, at most `maxBranches` of the node (128 by default), with names of their own. */
  readonly branches: readonly BranchRequest<Payload>[];
}

/** What the branches bring back, by name, as far as their contracts say: of the others it is unknown. */
export type ResultsOf<Branches extends readonly BranchRequest[]> = {
  [Branch in Branches[number] as NameOf<Branch>]: Branch extends {
    readonly '~types'?: { readonly result: infer Result };
  }
    ? Result
    : unknown;
};

/** The branch's own name, or its participant's. */
type NameOf<Branch extends BranchRequest> =
  | Extract<Branch['branch'], string>
  | (undefined extends Branch['branch'] ? Branch['participant'] : never);

/** The transaction is committed, durably. */
export interface Committed<Results> {
  /** Tells it from `aborted`. */
  readonly outcome: 'committed';
  /** The id of the transaction that committed. */
  readonly txid: Txid;
  /** Every branch voted `readonly`: nothing was changed anywhere. */
  readonly readonly: boolean;
  /**
   * What each branch's vote brought back, by branch. Null where the outcome was learnt without them: after a failover,
   * or by asking for the status.
   */
  readonly results: Results | null;
  /**
   * Only where `answer: 'applied'` was asked for: whether every participant had carried it out when that was last asked, which
   * is at most a second before the call's time was over. Where false it is committed all the same, and will be carried out.
   */
  readonly applied?: boolean;
}

/** The transaction is aborted: nothing of it happened anywhere. */
export interface Aborted {
  /** Tells it from `committed`. */
  readonly outcome: 'aborted';
  /** The id of the transaction that aborted. */
  readonly txid: Txid;
  /** Its `retryable` says whether the same may succeed later. */
  readonly reason: AbortReason;
  /** An answer from memory: an attempt of the same requestId had been given it, and nothing was run now. */
  readonly repeated?: true;
}

/** An abort is a result, not an exception. */
export type TransactionOutcome<Results = Record<string, unknown>> = Committed<Results> | Aborted;

/**
 * The outcome of a one-shot transaction. `attempt` is the number under which it was settled: where it was aborted, give
 * one more to have the same request tried again.
 */
export type TransactOutcome<Results = Record<string, unknown>> = TransactionOutcome<Results> & {
  readonly attempt: number;
};
