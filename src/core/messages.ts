/**
 * The messages of `verdict.v1`, as types. They are the vocabulary of the core, which is why they live
 * here; `src/wire` encodes, decodes and validates them. docs/PROTOCOL.md, section 7, is their
 * documentation.
 */
import type { AbortReason, ErrorCode } from './catalogue.ts';
import type { Epoch, Txid } from './txid.ts';

export const protocolVersion = 1;

export const peerRoles = ['client', 'participant', 'operator', 'node'] as const;
export type PeerRole = (typeof peerRoles)[number];

export const transactionStates = [
  'PENDING',
  'PREPARING',
  'READY',
  'COMMITTING',
  'COMMITTED',
  'ABORTING',
  'ABORTED',
] as const;
export type TransactionState = (typeof transactionStates)[number];

export const branchStates = [
  /** In the transaction, nothing sent yet. */
  'enlisted',
  /** A prepare is due, but its participant has no connection. */
  'unreachable',
  /** A prepare was sent, no vote yet. */
  'preparing',
  /** Voted `commit`. */
  'prepared',
  /** Voted `readonly`: out of phase 2. */
  'readonly',
  /** Voted `abort`. */
  'refused',
  'committing',
  'committed',
  'rolling-back',
  'rolled-back',
] as const;
export type BranchState = (typeof branchStates)[number];

export const votes = ['commit', 'abort', 'readonly'] as const;
export type Vote = (typeof votes)[number];

export type Decision = 'commit' | 'abort';
export type Outcome = 'committed' | 'aborted';
/** How an answer about a decision is known. `presumed`: no record, and none can come any more. */
export type DecisionSource = 'recorded' | 'presumed' | 'forced';

export type Labels = Readonly<Record<string, string>>;

/** Where the log stood when a prepare was sent; a participant keeps it with its vote. */
export interface Witness {
  readonly generation: number;
  /** A decimal string: revisions do not fit a double. */
  readonly revision: string;
}

export interface LeaderInfo {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly node: string;
  readonly url: string;
}
export interface NodeInfo {
  readonly node: string;
  readonly url: string;
}

/** Told in `welcome`; all are configurable at the node. */
export interface Limits {
  readonly frameBytesMax: number;
  readonly depthMax: number;
  readonly branchesMax: number;
  readonly recordBytesMax: number;
  readonly timeoutMsMax: number;
}

// ---- any peer ----

export interface Hello {
  readonly type: 'hello';
  readonly protocol: number;
  readonly name: string;
  readonly instance: string;
  readonly roles: readonly PeerRole[];
  readonly token?: string;
  readonly sharedResource?: string;
}
export interface Welcome {
  readonly type: 'welcome';
  readonly node: string;
  readonly cluster: string;
  readonly shards: number;
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly nodes: readonly NodeInfo[];
  readonly limits: Limits;
  readonly requestWindowMs: number;
  readonly heartbeatMs: number;
}
export interface Topology {
  readonly type: 'topology';
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly nodes: readonly NodeInfo[];
}
export interface Goaway {
  readonly type: 'goaway';
  readonly reason: string;
}
export interface ErrorMessage {
  readonly type: 'error';
  readonly id?: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly leader?: LeaderInfo | null;
  readonly txid?: Txid;
}

// ---- client -> node, and the replies ----

export interface Begin {
  readonly type: 'begin';
  readonly id: number;
  readonly timeoutMs?: number;
  readonly labels?: Labels;
}
/** Also sent, ahead of its `outcome`, for a `transact` that asked to `announce` its txid. */
export interface Begun {
  readonly type: 'begun';
  readonly id: number;
  readonly txid: Txid;
  readonly timeoutMs: number;
}
export interface Enlist {
  readonly type: 'enlist';
  readonly id: number;
  readonly txid: Txid;
  readonly participant: string;
  readonly branch?: string;
  readonly payload?: unknown;
}
export interface Enlisted {
  readonly type: 'enlisted';
  readonly id: number;
  readonly txid: Txid;
  readonly branch: string;
}
export interface Commit {
  readonly type: 'commit';
  readonly id: number;
  readonly txid: Txid;
}
export interface Rollback {
  readonly type: 'rollback';
  readonly id: number;
  readonly txid: Txid;
  readonly reason?: string;
}
export interface TransactBranch {
  readonly participant: string;
  readonly branch?: string;
  readonly payload?: unknown;
}
export interface Transact {
  readonly type: 'transact';
  readonly id: number;
  readonly requestId?: string;
  readonly requestAgeMs?: number;
  readonly attempt?: number;
  readonly epoch?: Epoch;
  readonly timeoutMs?: number;
  readonly labels?: Labels;
  /** Send `begun` as soon as the txid is known. */
  readonly announce?: boolean;
  readonly branches: readonly TransactBranch[];
}
export interface OutcomeMessage {
  readonly type: 'outcome';
  readonly id: number;
  readonly txid: Txid;
  readonly outcome: Outcome;
  readonly readonly?: boolean;
  readonly reason?: AbortReason;
  /** What each branch's vote brought back, by branch; null where this leadership did not run it. */
  readonly results: Readonly<Record<string, unknown>> | null;
}
export interface Status {
  readonly type: 'status';
  readonly id: number;
  readonly txid: Txid;
}
export interface BranchStatus {
  readonly branch: string;
  readonly participant: string;
  readonly state: BranchState;
  readonly attempts: number;
  readonly lastError?: string;
}
export interface TransactionStatus {
  readonly txid: Txid;
  readonly state: TransactionState;
  readonly attention: boolean;
  readonly branches: readonly BranchStatus[];
  readonly ageMs: number;
  readonly reason?: AbortReason;
  readonly requestId?: string;
  readonly labels?: Labels;
}
export interface StatusReply extends TransactionStatus {
  readonly type: 'status';
  readonly id: number;
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
export interface VoteMessage {
  readonly type: 'vote';
  readonly txid: Txid;
  readonly branch: string;
  readonly vote: Vote;
  readonly reason?: VoteReason;
  readonly result?: unknown;
}
export interface VoteReason {
  readonly code?: 'VOTED_ABORT' | 'CONFLICT' | 'LOCK_TIMEOUT' | 'DEADLOCK';
  readonly message: string;
  readonly retryable?: boolean;
  readonly detail?: unknown;
}
export interface Working {
  readonly type: 'working';
  readonly txid: Txid;
  readonly branch: string;
}
export interface Ack {
  readonly type: 'ack';
  readonly txid: Txid;
  readonly branch: string;
  readonly decision: Decision;
  readonly ok: boolean;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

// ---- node -> participant ----

export interface Prepare {
  readonly type: 'prepare';
  readonly txid: Txid;
  readonly branch: string;
  readonly epoch: Epoch;
  readonly witness: Witness;
  readonly timeoutMs: number;
  readonly payload: unknown;
  readonly traceparent?: string;
}
export interface CommitBranch {
  readonly type: 'commit';
  readonly txid: Txid;
  readonly branch: string;
  readonly epoch: Epoch;
}
export interface RollbackBranch {
  readonly type: 'rollback';
  readonly txid: Txid;
  readonly branch: string;
  readonly epoch: Epoch;
}
export interface Forget {
  readonly type: 'forget';
  readonly txids: readonly Txid[];
}

// ---- operator -> node, and the replies ----

export interface Info {
  readonly type: 'info';
  readonly id: number;
}
export interface InfoReply {
  readonly type: 'info';
  readonly id: number;
  readonly node: string;
  readonly cluster: string;
  readonly version: string;
  readonly uptimeMs: number;
  readonly ready: boolean;
  readonly connections: number;
  readonly shards: readonly ShardInfo[];
  readonly participants: readonly ParticipantInfo[];
}
export interface ShardInfo {
  readonly shard: number;
  readonly leader: LeaderInfo | null;
  /** Transactions in this node's memory by state; absent where it does not lead. */
  readonly states?: Readonly<Partial<Record<TransactionState, number>>>;
  readonly attention?: number;
  readonly floor?: string;
}
export interface ParticipantInfo {
  readonly participant: string;
  readonly instance: string;
  readonly connections: number;
  readonly sharedResource?: string;
}
export interface List {
  readonly type: 'list';
  readonly id: number;
  readonly state?: TransactionState;
  readonly attention?: boolean;
  readonly limit?: number;
}
export interface ListReply {
  readonly type: 'list';
  readonly id: number;
  readonly transactions: readonly TransactionStatus[];
  /** More matched than the limit let through. */
  readonly truncated: boolean;
}
export interface Recover {
  readonly type: 'recover';
  readonly id: number;
}
export interface Recovered {
  readonly type: 'recovered';
  readonly id: number;
  /** Decisions in the log that some branch has not acknowledged. */
  readonly pending: number;
  /** Of those, the ones that were not in the leader's memory and were taken up now. */
  readonly resumed: number;
}
export interface Retire {
  readonly type: 'retire';
  readonly id: number;
  readonly participant: string;
  readonly instance: string;
}
export interface Retired {
  readonly type: 'retired';
  readonly id: number;
}

/** What a node receives. */
export type ToNode =
  | Hello
  | Begin
  | Enlist
  | Commit
  | Rollback
  | Transact
  | Status
  | Query
  | Resolve
  | Report
  | VoteMessage
  | Working
  | Ack
  | Info
  | List
  | Recover
  | Retire
  | ErrorMessage
  | Goaway;

/** What a node sends. */
export type FromNode =
  | Welcome
  | Topology
  | Goaway
  | ErrorMessage
  | Begun
  | Enlisted
  | OutcomeMessage
  | StatusReply
  | DecisionMessage
  | Reported
  | Prepare
  | CommitBranch
  | RollbackBranch
  | Forget
  | InfoReply
  | ListReply
  | Recovered
  | Retired;

export type Message = ToNode | FromNode;
