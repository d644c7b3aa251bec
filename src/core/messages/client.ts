/** Client to node, and the replies. */
import type { AbortReason } from '../catalogue.ts';
import type { LockMode } from '../locks/modes.ts';
import type { TraceContext } from '../trace-context.ts';
import type { Epoch, Txid } from '../txid.ts';
import type { BranchState, Labels, Outcome, TransactionState } from './common.ts';

/** A request about one transaction. */
interface OfTransaction {
  readonly id: number;
  readonly txid: Txid;
  /** What whoever began it was given for others: it makes it the sender's, too. */
  readonly share?: string;
}

export interface Begin extends Partial<TraceContext> {
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
export interface Enlist extends OfTransaction, TransactBranch, Partial<TraceContext> {
  readonly type: 'enlist';
}
export interface Enlisted {
  readonly type: 'enlisted';
  readonly id: number;
  readonly txid: Txid;
  readonly branch: string;
}
export interface Lock extends OfTransaction {
  readonly type: 'lock';
  readonly keys: readonly string[];
  readonly mode: LockMode;
  readonly waitMs?: number;
}
/** All of the keys are held. */
export interface Locked {
  readonly type: 'locked';
  readonly id: number;
  readonly txid: Txid;
  readonly keys: readonly string[];
}
/** Named locks to take, all in one mode. */
export interface LockedKeys {
  /** Keys in the transaction's lock group. */
  readonly keys: readonly string[];
  /** `exclusive` where absent. */
  readonly mode?: LockMode;
}
export interface Commit extends OfTransaction, Partial<TraceContext> {
  readonly type: 'commit';
}
export interface Rollback extends OfTransaction, Partial<TraceContext> {
  readonly type: 'rollback';
  readonly reason?: string;
}
export interface TransactBranch {
  readonly participant: string;
  readonly branch?: string;
  readonly payload?: unknown;
}
export interface Transact extends Partial<TraceContext> {
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
  /** Nothing was run: this attempt had been given this answer. A higher one would be run. */
  readonly repeats?: number;
  /** What each branch's vote brought back, by branch; null where this leadership did not run it. */
  readonly results: Readonly<Record<string, unknown>> | null;
}
export interface Status extends OfTransaction {
  readonly type: 'status';
}
/** Where one branch of a transaction stands. */
export interface BranchStatus {
  /** The branch's name within the transaction. */
  readonly branch: string;
  /** The name of the participant that has it. */
  readonly participant: string;
  /** Where it stands, as the leader knows it. */
  readonly state: BranchState;
  /** How often its commit or rollback was sent. */
  readonly attempts: number;
  /** What the participant answered last, where that was a failure. */
  readonly lastError?: string;
  /** An operator stated that it was settled by hand; its participant had not acknowledged. */
  readonly byHand?: SettledBy;
}
/** Who stated that a branch was settled by hand. */
export interface SettledBy {
  /** The operator: its identity, or the name it gave. */
  readonly by: string;
  /** Why, in its words. */
  readonly reason: string;
  /** When, by the leader's clock, in milliseconds since 1970. */
  readonly atMs: number;
}
/** A lock that the transaction holds, or waits for. */
export interface LockStatus {
  /** The key, in the transaction's lock group. */
  readonly key: string;
  /** The mode that it holds, or waits for. */
  readonly mode: LockMode;
  /** False: it waits. */
  readonly held: boolean;
  /** How long it has held it, or has waited. */
  readonly forMs: number;
  /** Of a wait: those who are in its way at this key, the first few. */
  readonly waitsFor?: readonly Txid[];
}
/** Where a transaction stands, and each of its branches. */
export interface TransactionStatus {
  /** The transaction's id. */
  readonly txid: Txid;
  /** `COMMITTING`, `COMMITTED`: decided, and committed. `ABORTING`, `ABORTED`: aborted. */
  readonly state: TransactionState;
  /** An operator should look: a branch does not carry its outcome out, and is tried again. */
  readonly attention: boolean;
  /** Each of its branches. */
  readonly branches: readonly BranchStatus[];
  /** Milliseconds since it began. */
  readonly ageMs: number;
  /** Why it aborted, where it did and that is known. */
  readonly reason?: AbortReason;
  /** The request id that it was sent under. */
  readonly requestId?: string;
  /** As the client gave them. */
  readonly labels?: Labels;
  /** Only of one that has, or waits for, any, and only from its leader. */
  readonly locks?: readonly LockStatus[];
  /** Whose named locks it takes. */
  readonly lockGroup?: string;
}
export interface StatusReply extends TransactionStatus {
  readonly type: 'status';
  readonly id: number;
}

/** What a client sends. */
export type FromClient = Begin | Enlist | Lock | Commit | Rollback | Transact | Status;
/** What it gets. */
export type ToClient = Begun | Enlisted | Locked | OutcomeMessage | StatusReply;
