/** What every peer may say, and the words that all messages share. */
import type { ErrorCode } from '../catalogue.ts';
import type { Epoch, Txid } from '../txid.ts';

export const protocolVersion = 1;

/** `viewer`: an operator that looks, and does nothing. */
export const peerRoles = ['client', 'participant', 'operator', 'node', 'viewer'] as const;
export type PeerRole = (typeof peerRoles)[number];

/** The states of a transaction, in their order. */
export const transactionStates = [
  'PENDING',
  'PREPARING',
  'READY',
  'COMMITTING',
  'COMMITTED',
  'ABORTING',
  'ABORTED',
] as const;
/** Decided from `COMMITTING` or `ABORTING` on, and done with `COMMITTED` or `ABORTED`. */
export type TransactionState = (typeof transactionStates)[number];

/** What may be known of a transaction that no leader has in memory. */
const statesOfOther = [
  /** Nothing is recorded, and the leader that may know more was not heard. */
  'UNDECIDED',
  /** Its record was collected, if it had one. */
  'EXPIRED',
  /** No such transaction: never begun here, or of another cluster. */
  'UNKNOWN',
  /** Neither the leader nor the log answered. */
  'UNREADABLE',
] as const;
export type ExplainedState = TransactionState | (typeof statesOfOther)[number];
export const explainedStates: readonly ExplainedState[] = [...transactionStates, ...statesOfOther];

export const waitKinds = [
  'participant',
  'lock',
  'vote',
  'acknowledgement',
  'log',
  'queue',
  'client',
] as const;
export type WaitKind = (typeof waitKinds)[number];

export const explanationSources = ['leader', 'log', 'participant'] as const;

/** What a queue may be of. */
export const queueNames = [
  'transactions',
  'request-ids',
  'prepares-under-way',
  'waiting-for-prepare',
  'waiting-for-command',
  'lock-waiters',
  'log-reads',
  'lists',
  'held',
  'input',
  'output',
] as const;
export type QueueName = (typeof queueNames)[number];

/** The states of a branch. */
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
/** Where a branch stands, as the transaction's leader knows it. */
export type BranchState = (typeof branchStates)[number];

export const votes = ['commit', 'abort', 'readonly'] as const;
export type Vote = (typeof votes)[number];

/** How a transaction is decided. */
export type Decision = 'commit' | 'abort';
/** How a transaction ends. */
export type Outcome = 'committed' | 'aborted';
/** How an answer about a decision is known. `presumed`: no record, and none can come any more. */
export type DecisionSource = 'recorded' | 'presumed' | 'forced';

/** Text about a transaction, for people and tools, such as `{ order: '17' }`. 16 at most. */
export type Labels = Readonly<Record<string, string>>;

/** Where the log stood when a prepare was sent; a participant keeps it with its vote. */
export interface Witness {
  readonly generation: number;
  /** A decimal string: revisions do not fit a double. */
  readonly revision: string;
}

/** Who leads a shard: the epoch of its leadership. */
export interface LeaderInfo {
  /** The shard, from 0. */
  readonly shard: number;
  /** Later leaderships have greater ones, as strings compare. */
  readonly epoch: Epoch;
  /** The node's name. */
  readonly node: string;
  /** Where it can be reached. */
  readonly url: string;
}
export interface NodeInfo {
  readonly node: string;
  readonly url: string;
}

/** Told in `welcome`; all are configurable at the node. */
export interface Limits {
  readonly maxFrameBytes: number;
  readonly maxDepth: number;
  readonly maxBranches: number;
  readonly maxRecordBytes: number;
  readonly maxTimeoutMs: number;
  /** Absent: a node of a version that knows no locks, and would run a transaction without them. */
  readonly maxLocks?: number;
  readonly maxLockKeyBytes?: number;
  readonly maxLockWaiters?: number;
  readonly maxTransactions?: number;
  readonly maxRequests?: number;
  readonly maxConnectionsPerAddress?: number;
  readonly maxBufferedBytes?: number;
  readonly maxInputBytes?: number;
  readonly maxOutputBytes?: number;
  readonly maxHeldBytes?: number;
}

/** Of one journal, as `earlierRuns` tells them. */
export const maxEarlierRuns = 8;

export interface Hello {
  readonly type: 'hello';
  readonly protocol: number;
  readonly name: string;
  readonly instance: string;
  readonly roles: readonly PeerRole[];
  readonly token?: string;
  readonly proof?: string;
  readonly sharedResource?: string;
  readonly process?: string;
  readonly run?: string;
  readonly earlierRuns?: readonly string[];
  readonly copy?: boolean;
  /** Messages that not every version knows, and this peer does. */
  readonly understands?: readonly string[];
}
export interface Welcome {
  readonly type: 'welcome';
  readonly node: string;
  readonly cluster: string;
  readonly clusterId: string;
  readonly shards: number;
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly nodes: readonly NodeInfo[];
  readonly limits: Limits;
  readonly requestWindowMs: number;
  readonly heartbeatMs: number;
  readonly expiresInMs?: number;
  /** Messages that not every version knows, and this node does. */
  readonly understands?: readonly string[];
}
/** A fresh credential of the same identity, before the one before it ends. */
export interface Renew {
  readonly type: 'renew';
  readonly id: number;
  readonly token: string;
}
export interface Renewed {
  readonly type: 'renewed';
  readonly id: number;
  readonly expiresInMs?: number;
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
