/** What goes into a transaction and what comes out of it. */
import type { AbortReason } from '../core/catalogue.ts';
import type { LockMode } from '../core/locks/modes.ts';
import type { Labels, LockedKeys } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';

/** Options that every call takes. */
export interface CallOptions {
  /**
   * How long the call may take, in milliseconds, all included: finding the leader, sending again,
   * asking for an outcome. Default: the transaction's own time-out and 5 s. 0 gives up at once.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Ends the waiting, not the transaction: what was sent is not undone. Before anything was sent
   * the call rejects with ABORTED_BY_CALLER, then with an OutcomeUnknownError caused by its reason.
   */
  readonly signal?: AbortSignal | undefined;
}

/** `decided`: the outcome is durable. `applied`: and every participant has carried it out. */
export type AnswerWhen = 'decided' | 'applied';

/** Options of `tx.commit`. */
export interface CommitOptions extends CallOptions {
  /**
   * When the call resolves. Default `decided`: participants carry the commit out afterwards, most
   * within milliseconds; until then a read may show the old state. `applied` waits for all of them
   * within the call's time-out; `applied` of the outcome says whether they all did.
   */
  readonly answer?: AnswerWhen | undefined;
}

/** When and how often what was aborted is tried again. */
export interface RetryOptions {
  /** How often the transaction is run at most. Default 10. */
  readonly maxAttempts?: number;
  /** The first pause between two attempts, in milliseconds; doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** The longest pause, in milliseconds; a reason's `retryAfterMs` comes on top. Default 2,000. */
  readonly maxRetryDelayMs?: number;
}

/** Options of `transact`. */
export interface TransactOptions extends CommitOptions {
  /**
   * In milliseconds. Default: the transaction's own time-out and 5 s; with `retry` 60,000. Shorter,
   * and without a `requestId`, it shortens the transaction's to nine tenths: its end is heard of.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Tries again what aborted for a reason that can pass (`reason.retryable`), within the call's
   * time-out. With a requestId, at most one attempt commits. Default false: the first abort stands.
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
   * What `prepare` of the participant gets: null, booleans, finite numbers, strings, bigints of 64
   * bits, Uint8Arrays, arrays and plain objects of these.
   */
  readonly payload?: Payload;
}

/** What holds for one transaction; `connect` takes defaults for these. */
export interface TransactionOptions {
  /**
   * After this many milliseconds without a decision the coordinator aborts it. Default: the node's
   * (`transactionTimeoutMs`, 10 s). No time-out aborts a decision that is being written.
   */
  readonly timeoutMs?: number | undefined;
  /** For people and tools, such as `{order: '17'}`: 16 at most. */
  readonly labels?: Labels | undefined;
  /**
   * The group of its named locks: any string up to 128 bytes. Keys of two groups are never the
   * same, and a group belongs to the client's `name`, unless it begins with `shared/`:
   * `shared/stock` is one group for the services of all names. Default `default`; with several
   * shards name it here, not only at the first `lock`. All who compete name the same group, and its
   * leader serves them all: many small groups spread the load. It is part of what a `requestId`
   * stands for: under another group the same id is another request.
   */
  readonly lockGroup?: string | undefined;
}

/** Options of `tx.lock`. */
export interface LockOptions extends CallOptions {
  /** `shared` with others that share it, or `exclusive`, the default. */
  readonly mode?: LockMode | undefined;
  /**
   * How long to wait, in milliseconds, before the transaction aborts with LOCK_TIMEOUT; 0: not at
   * all. Default: the node's (`lockWaitMs`, 5 s). Never longer than the transaction's time-out.
   */
  readonly waitMs?: number | undefined;
}

/** A whole transaction for `client.transact`: what is to happen everywhere or nowhere. */
export interface TransactRequest<Payload = unknown> extends TransactionOptions {
  /**
   * The idempotency key: any string up to 128 bytes. At most one transaction commits under it
   * within the cluster's request window (2 minutes by default, from when it was first sent). It
   * belongs to the client's `name`: under another name the same id is another request.
   */
  readonly requestId?: string;
  /**
   * With a requestId: the number of this attempt. Default 1. The same attempt gets the same answer
   * while the same leadership lasts; a later one may run it, and commits at most one. To try again
   * what aborted, give the `attempt` of its outcome plus 1.
   */
  readonly attempt?: number;
  /**
   * With a requestId that an earlier call sent: how many milliseconds ago it first did. Default 0.
   * A node refuses what is older than the request window with EXPIRED: it may have forgotten it.
   */
  readonly requestAgeMs?: number;
  /** Named locks, taken all at once before anything is sent to a participant. */
  readonly locks?: readonly LockedKeys[];
  /** As `waitMs` of `tx.lock`, for all of them. */
  readonly lockWaitMs?: number;
  /** One at least, at most `maxBranches` of the node (128 by default), each named differently. */
  readonly branches: readonly BranchRequest<Payload>[];
}

/** What the branches bring back, by name, as far as contracts say; else unknown. */
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
   * What each branch's vote brought back, by branch. Null if the outcome was learnt otherwise:
   * after a failover, or by asking for the status.
   */
  readonly results: Results | null;
  /**
   * An earlier call of the same requestId had it committed, and its results are gone. Absent says
   * nothing.
   */
  readonly repeated?: true;
  /**
   * Only with `answer: 'applied'`: whether every participant had carried it out when last asked, at
   * most a second before the call's end. If false, it is committed and will be carried out.
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
  /** From memory: an attempt of the same requestId got it before, and nothing was run now. */
  readonly repeated?: true;
}

/** An abort is a result, not an exception. */
export type TransactionOutcome<Results = Record<string, unknown>> = Committed<Results> | Aborted;

/**
 * The outcome of a one-shot transaction. `attempt` is the number under which it was settled: if it
 * aborted, one more has the same request tried again.
 */
export type TransactOutcome<Results = Record<string, unknown>> = TransactionOutcome<Results> & {
  readonly attempt: number;
};
