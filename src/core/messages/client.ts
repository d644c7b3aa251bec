/** Client to node, and the replies. */
import type { AbortReason } from '../catalogue.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { BranchState, Labels, Outcome, TransactionState } from './common.ts';

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
