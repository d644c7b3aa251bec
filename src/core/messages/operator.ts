/** Operator to node, and the replies. */

import type { LockMode } from '../locks/table.ts';
import type { Txid } from '../txid.ts';
import type { TransactionStatus } from './client.ts';
import type { LeaderInfo, QueueName, TransactionState } from './common.ts';

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
  /** What may become long or large at this node, and its bounds. */
  readonly queues?: readonly QueueInfo[];
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
export interface Locks {
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
  readonly reason?: string;
}
export interface Rebound {
  readonly type: 'rebound';
  readonly id: number;
}

/** What an operator sends. */
export type FromOperator = Config | Info | List | Locks | Recover | Retire | Rebind;
/** What it gets. */
export type ToOperator =
  | ConfigReply
  | InfoReply
  | ListReply
  | LocksReply
  | Recovered
  | Retired
  | Rebound;
