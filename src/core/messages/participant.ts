/** Participant to node, node to participant, and the replies. */
import type { ErrorCode } from '../catalogue.ts';
import type { TraceContext } from '../trace-context.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { Decision, DecisionSource, Vote, Witness } from './common.ts';

/** Of one branch of a transaction. */
interface OfBranch {
  readonly txid: Txid;
  readonly branch: string;
}

// ---- participant -> node, and the replies ----

export interface Query {
  readonly type: 'query';
  readonly id: number;
  readonly txid: Txid;
  readonly inDoubt: boolean;
  readonly witness?: Witness;
}
export interface Resolve {
  readonly type: 'resolve';
  readonly id: number;
  readonly txid: Txid;
  readonly witness?: Witness;
  /** Of an operator, for the audit log. */
  readonly reason?: string;
}
/** The reply to `query` and `resolve`; without `id` it answers one line of a `report`. */
export interface DecisionMessage {
  readonly type: 'decision';
  readonly id?: number;
  readonly txid: Txid;
  readonly decision: Decision | 'undecided' | 'expired';
  readonly source: DecisionSource;
}
export interface Report {
  readonly type: 'report';
  readonly id: number;
  readonly inDoubt: readonly { readonly txid: Txid; readonly witness: Witness }[];
  /** Transactions whose outcome `commit` is kept until a node says `forget`. */
  readonly kept: readonly Txid[];
}
/** The reply to `report`, after the `decision` and `forget` messages that answer its lines. */
export interface Reported {
  readonly type: 'reported';
  readonly id: number;
}
export interface VoteMessage extends OfBranch {
  readonly type: 'vote';
  readonly vote: Vote;
  readonly reason?: VoteReason;
  readonly result?: unknown;
}
/** What a participant may vote abort for. */
export const voteReasonCodes = [
  'VOTED_ABORT',
  'INVALID_PAYLOAD',
  'INVALID_RESULT',
  'CONFLICT',
  'LOCK_TIMEOUT',
  'DEADLOCK',
  'RESOURCE_UNAVAILABLE',
  'TRANSACTION_TIMEOUT',
] as const;
/** Why a participant voted abort. `vote.abort` makes one. */
export interface VoteReason {
  /** Default VOTED_ABORT. */
  readonly code?: (typeof voteReasonCodes)[number];
  /** For people. It reaches the client. */
  readonly message: string;
  /** Whether the whole transaction, tried again, may commit. Default: as the code's entry says. */
  readonly retryable?: boolean;
  /** Structured extra for the client; small. */
  readonly detail?: unknown;
}
export interface Working extends OfBranch {
  readonly type: 'working';
}
export interface Ack extends OfBranch {
  readonly type: 'ack';
  readonly decision: Decision;
  readonly ok: boolean;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** How far a participant is with a branch, in words that stay. */
export const heldStates = [
  /** Nothing is known of it, in memory or in the journal. */
  'unknown',
  /** It enlisted itself, and is at work. */
  'working',
  /** The application's prepare runs. */
  'preparing',
  /** The vote is being written. */
  'voting',
  /** Voted `commit`, and the outcome is not known. */
  'in-doubt',
  'readonly',
  'committing',
  'committed',
  'rolling-back',
  'rolled-back',
  /** Another process of its resource began it, and left no vote. */
  'left-over',
  /** It committed, and every branch had acknowledged that. */
  'forgotten',
] as const;
export type HeldState = (typeof heldStates)[number];
export interface HeldBranchStatus {
  readonly branch: string;
  readonly state: HeldState;
  /** Calls of the application's commit or rollback so far. */
  readonly attempts?: number;
  /** What the last of them threw. */
  readonly error?: string;
}
/** The answer to `describe`. */
export interface Described {
  readonly type: 'described';
  readonly txid: Txid;
  readonly branches: readonly HeldBranchStatus[];
}

// ---- node -> participant ----

/**
 * What the participant knows of a transaction, for an explanation. Only to one whose hello said
 * that it understands it.
 */
export interface Describe {
  readonly type: 'describe';
  readonly txid: Txid;
  /** Beside those in memory, these are looked for in the journal. */
  readonly branches: readonly string[];
}

export interface Prepare extends OfBranch, Partial<TraceContext> {
  readonly type: 'prepare';
  readonly epoch: Epoch;
  readonly witness: Witness;
  readonly timeoutMs: number;
  readonly payload: unknown;
}
export interface CommitBranch extends OfBranch, Partial<TraceContext> {
  readonly type: 'commit';
  readonly epoch: Epoch;
}
export interface RollbackBranch extends OfBranch, Partial<TraceContext> {
  readonly type: 'rollback';
  readonly epoch: Epoch;
}
export interface Forget {
  readonly type: 'forget';
  readonly txids: readonly Txid[];
}

/** What a participant sends; it may `enlist` itself, too. */
export type FromParticipant = Query | Resolve | Report | VoteMessage | Working | Ack | Described;
/** What it gets. */
export type ToParticipant =
  | DecisionMessage
  | Reported
  | Prepare
  | CommitBranch
  | RollbackBranch
  | Forget
  | Describe;
