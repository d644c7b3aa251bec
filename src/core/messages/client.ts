/** Client to node, and the replies. */
import type { AbortReason } from '../catalogue.ts';
import type { LockMode } from '../locks/table.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { BranchState, Labels, Outcome, TransactionState } from './common.ts';

export interface Begin {
  readonly type: 'begin';
  readonly id: number;
  readonly timeoutMs?: number;
  readonly labels?: Labels;
  /** Of the locks that it will take: the transaction begins in its shard. */
  readonly lockGroup?: string;
}
/** Also sent, ahead of its `outcome`, for a `transact` that asked to `announce` its txid. */
export interface Begun {
  readonly type: 'begun';
  readonly id: number;
  readonly txid: Txid;
  readonly timeoutMs: number;
  /** Given on to another process, it makes the transaction that one's too. */
  readonly share: string;
}
export interface Enlist {
  readonly type: 'enlist';
  readonly id: number;
  readonly txid: Txid;
  readonly participant: string;
  readonly branch?: string;
  readonly payload?: unknown;
  readonly share?: string;
}
export interface Enlisted {
  readonly type: 'enlisted';
  readonly id: number;
  readonly txid: Txid;
  readonly branch: string;
}
export interface Lock {
  readonly type: 'lock';
  readonly id: number;
  readonly txid: Txid;
  readonly keys: readonly string[];
  readonly mode: LockMode;
  readonly waitMs?: number;
  readonly share?: string;
}
/** All of the keys are held. */
export interface Locked {
  readonly type: 'locked';
  readonly id: number;
  readonly txid: Txid;
  readonly keys: readonly string[];
}
export interface LockedKeys {
  readonly keys: readonly string[];
  /** `exclusive` where absent. */
  readonly mode?: LockMode;
}
export interface Commit {
  readonly type: 'commit';
  readonly id: number;
  readonly txid: Txid;
  readonly share?: string;
}
export interface Rollback {
  readonly type: 'rollback';
  readonly id: number;
  readonly txid: Txid;
  readonly reason?: string;
  readonly share?: string;
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
  /** Taken, all at once, before the first prepare. */
  readonly locks?: readonly LockedKeys[];
  readonly lockWaitMs?: number;
  readonly lockGroup?: string;
  readonly branches: readonly TransactBranch[];
}
export interface OutcomeMessage {
  readonly type: 'outcome';
  readonly id: number;
  readonly txid: Txid;
  readonly outcome: Outcome;
  readonly readonly?: boolean;
  readonly reason?: AbortReason;
  /** Nothing was run: this is the answer that this attempt of the request id had been given. A higher one would be run. */
  readonly repeats?: number;
  /** What each branch's vote brought back, by branch; null where this leadership did not run it. */
  readonly results: Readonly<Record<string, unknown>> | null;
}
export interface Status {
  readonly type: 'status';
  readonly id: number;
  readonly txid: Txid;
  readonly share?: string;
}
export interface BranchStatus {
  readonly branch: string;
  readonly participant: string;
  readonly state: BranchState;
  readonly attempts: number;
  readonly lastError?: string;
}
/** A lock that the transaction holds, or waits for. */
export interface LockStatus {
  readonly key: string;
  readonly mode: LockMode;
  readonly held: boolean;
  /** How long it has held it, or has waited. */
  readonly forMs: number;
  /** Of a wait: those who are in its way at this key, the first few. */
  readonly waitsFor?: readonly Txid[];
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
  /** Only of one that has, or waits for, any, and only from its leader. */
  readonly locks?: readonly LockStatus[];
  readonly lockGroup?: string;
}
export interface StatusReply extends TransactionStatus {
  readonly type: 'status';
  readonly id: number;
}
