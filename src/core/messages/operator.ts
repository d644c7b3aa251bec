/** Operator to node, and the replies; what else it asks is in explain.ts and stats.ts. */
import type { LockMode } from '../locks/modes.ts';
import type { Txid } from '../txid.ts';
import type { TransactionStatus } from './client.ts';
import type { Decision, LeaderInfo, QueueName, TransactionState } from './common.ts';

/** A question that another node answers: the one that is asked hands it on, and its answer back. */
export interface AskedAt {
  /** Its name; absent: the one that is asked. A node that knows no such field answers itself. */
  readonly at?: string;
}

export interface Info extends AskedAt {
  readonly type: 'info';
  readonly id: number;
  /** A participant: the reply names those of its instances that have branches here. */
  readonly ownersOf?: string;
}
export interface InfoReply {
  readonly type: 'info';
  readonly id: number;
  readonly node: string;
  readonly cluster: string;
  readonly version: string;
  readonly uptimeMs: number;
  readonly ready: boolean;
  /** An operator drained it: it takes no leadership. Absent: no. */
  readonly drained?: boolean;
  readonly connections: number;
  readonly shards: readonly ShardInfo[];
  readonly participants: readonly ParticipantInfo[];
  /** What may become long or large at this node, and its bounds. */
  readonly queues?: readonly QueueInfo[];
  /** What someone has to mend, each with what to do next. */
  readonly problems?: readonly string[];
  /** Where it was asked for, of the shards that this node leads. */
  readonly owners?: Owners;
}
/** Who has branches of transactions in memory. */
export interface Owners {
  readonly known: readonly Owner[];
  /** False: there may be others, for there are too many, or the log is still read. */
  readonly complete: boolean;
}
export interface Owner {
  readonly instance: string;
  readonly sharedResource?: string;
  readonly branches: number;
}
/** Of several - shards, participants, connections - the fullest one. */
export interface QueueInfo {
  readonly queue: QueueName;
  readonly entries?: number;
  /** Absent: what is in it is bounded elsewhere. */
  readonly maxEntries?: number;
  readonly bytes?: number;
  readonly maxBytes?: number;
  readonly shard?: number;
  readonly participant?: string;
}
export interface ShardInfo {
  readonly shard: number;
  readonly leader: LeaderInfo | null;
  /**
   * Transactions in this node's memory by state; absent where it does not lead, and has nothing
   * left of a leadership of its own that no one has followed yet.
   */
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
export interface List extends AskedAt {
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
export interface Locks extends AskedAt {
  readonly type: 'locks';
  readonly id: number;
  readonly group?: string;
  /** Only keys that someone waits for. */
  readonly waiting?: boolean;
  readonly limit?: number;
}
export interface LockParty {
  readonly txid: Txid;
  readonly mode: LockMode;
  /** How long it has held the key, or has waited for it. */
  readonly forMs: number;
}
export interface LockInfo {
  readonly shard: number;
  readonly group: string;
  /** Whose group it is; absent where it is everyone's. */
  readonly client?: string;
  readonly key: string;
  /** The first of each, at most 100; `holding` and `waiting` count all. */
  readonly holders: readonly LockParty[];
  readonly waiters: readonly LockParty[];
  readonly holding: number;
  readonly waiting: number;
}
export interface LocksReply {
  readonly type: 'locks';
  readonly id: number;
  /** Those that most wait for first. */
  readonly locks: readonly LockInfo[];
  readonly truncated: boolean;
}
export interface Config {
  readonly type: 'config';
  readonly id: number;
}
export interface ConfigReply {
  readonly type: 'config';
  readonly id: number;
  /** What the node runs with: files of secrets are named, and never what they hold. */
  readonly configuration: unknown;
}
export interface Recover {
  readonly type: 'recover';
  readonly id: number;
  /** For the audit log. */
  readonly reason?: string;
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
  /** Exactly one of the two. */
  readonly instance?: string;
  readonly sharedResource?: string;
  /** Not where no one of that name was ever seen: it is misspelt. A node of before does it. */
  readonly onlyKnown?: boolean;
  /** For the audit log. */
  readonly reason?: string;
}
export interface Retired {
  readonly type: 'retired';
  readonly id: number;
}

export interface Rebind {
  readonly type: 'rebind';
  readonly id: number;
  readonly participant: string;
  /** Exactly one of the two. */
  readonly instance?: string;
  readonly sharedResource?: string;
  readonly identity: string;
  /** As of `retire`. */
  readonly onlyKnown?: boolean;
  readonly reason?: string;
}
export interface Rebound {
  readonly type: 'rebound';
  readonly id: number;
}

/** Sends what is decided, and not acknowledged, once more at once. */
export interface Retry {
  readonly type: 'retry';
  readonly id: number;
  readonly txid: Txid;
  /** Absent: each branch that has not acknowledged. */
  readonly branch?: string;
  readonly reason?: string;
}
export interface RetriedBranch {
  readonly branch: string;
  readonly participant: string;
  readonly command: Decision;
  /** Whether it was sent; else its participant is not connected, and gets it when it is. */
  readonly sent: boolean;
}
export interface Retried {
  readonly type: 'retried';
  readonly id: number;
  readonly txid: Txid;
  readonly branches: readonly RetriedBranch[];
}

/** States that a branch which will not acknowledge was settled by hand. */
export interface Acknowledge {
  readonly type: 'acknowledge';
  readonly id: number;
  readonly txid: Txid;
  readonly branch: string;
  /** Kept with the transaction. */
  readonly reason: string;
}
export interface Acknowledged {
  readonly type: 'acknowledged';
  readonly id: number;
  readonly txid: Txid;
  readonly branch: string;
  /** False: it owed nothing any more, and nothing was recorded. */
  readonly byHand: boolean;
  /** Of the transaction. */
  readonly state: TransactionState;
}

/** What an operator sends. */
export type FromOperator =
  | Config
  | Info
  | List
  | Locks
  | Recover
  | Retire
  | Rebind
  | Retry
  | Acknowledge;
/** What it gets. */
export type ToOperator =
  | ConfigReply
  | InfoReply
  | ListReply
  | LocksReply
  | Recovered
  | Retired
  | Rebound
  | Retried
  | Acknowledged;
