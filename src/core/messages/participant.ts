/** Participant to node, node to participant, and the replies. */
import type { ErrorCode } from '../catalogue.ts';
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

// ---- node -> participant ----

export interface Prepare extends OfBranch {
  readonly type: 'prepare';
  readonly epoch: Epoch;
  readonly witness: Witness;
  readonly timeoutMs: number;
  readonly payload: unknown;
  readonly traceparent?: string;
}
export interface CommitBranch extends OfBranch {
  readonly type: 'commit';
  readonly epoch: Epoch;
}
export interface RollbackBranch extends OfBranch {
  readonly type: 'rollback';
  readonly epoch: Epoch;
}
export interface Forget {
  readonly type: 'forget';
  readonly txids: readonly Txid[];
}

/** What a participant sends; it may `enlist` itself, too. */
export type FromParticipant = Query | Resolve | Report | VoteMessage | Working | Ack;
/** What it gets. */
export type ToParticipant =
  | DecisionMessage
  | Reported
  | Prepare
  | CommitBranch
  | RollbackBranch
  | Forget;
