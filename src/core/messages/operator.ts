/** Operator to node, and the replies. */

import type { TransactionStatus } from './client.ts';
import type { LeaderInfo, TransactionState } from './common.ts';

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
