/** What an explanation of a transaction is made of. Times are milliseconds. */
import type { AbortReason } from '../catalogue.ts';
import type {
  BranchState,
  Decision,
  HeldState,
  Labels,
  LockStatus,
  SettledBy,
  TransactionState,
  TransactionStatus,
} from '../messages.ts';
import type { SettledByHand } from '../records.ts';
import type { Epoch, Position, Txid } from '../txid.ts';

export interface Facts {
  readonly txid: Txid;
  /** The node that explains. */
  readonly node: string;
  /** False: no leader of this cluster gave the txid out; null: that could not be checked. */
  readonly issued: boolean | null;
  readonly leader: LeaderFacts;
  readonly log: LogFacts;
  readonly participants: readonly ParticipantFacts[];
}

export type LeaderFacts =
  | { readonly type: 'knows'; readonly node: string; readonly transaction: TransactionFacts }
  /** It leads the shard, and has no such transaction in memory. */
  | {
      readonly type: 'forgot';
      readonly node: string;
      readonly epoch: Epoch;
      /** Its place in the order was not given out yet. */
      readonly neverBegun: boolean;
      /** It may have been one that only read, and leaves no record. */
      readonly mayHaveRead: boolean;
      /** What an earlier leader left is taken up. */
      readonly started: boolean;
    }
  /** It could not be asked, or did not answer; null: no one leads, as far as is known. */
  | {
      readonly type: 'silent';
      readonly node: string | null;
      readonly why: string;
      /** As it was when the leadership of the node that tells was over. */
      readonly was?: TransactionStatus;
    };

/** As the leader holds it, or held it until it ended. */
export interface TransactionFacts {
  readonly state: TransactionState;
  readonly ageMs: number;
  readonly attention: boolean;
  readonly recovered: boolean;
  readonly readonly: boolean;
  /** Null: of an ended one it is not kept. */
  readonly timeoutMs: number | null;
  readonly decidedMs: number | null;
  readonly reason: AbortReason | null;
  readonly requestId: string | null;
  readonly labels: Labels | null;
  readonly locks: readonly LockStatus[];
  readonly lockGroup: string | null;
  /** Its request id is looked up in the log before anything is sent. */
  readonly readsRequest: boolean;
  /** Its content is closed: it goes on by itself once it has its locks. */
  readonly closed: boolean;
  /** The participant in whose queue it waits for a place. */
  readonly queuesFor: string | null;
  readonly branches: readonly BranchFacts[];
  /** Of each participant of a branch that is not over. */
  readonly fitness: readonly FitnessFacts[];
  /** Who waits for its locks, the first few. */
  readonly blocks: readonly { readonly key: string; readonly txid: Txid }[];
}

export interface BranchFacts {
  readonly branch: string;
  readonly participant: string;
  readonly state: BranchState;
  /** The one it belongs to; null: any, or not kept. */
  readonly instance: string | null;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly sentMs: number | null;
  readonly votedMs: number | null;
  readonly settledMs: number | null;
  readonly payloadBytes: number | null;
  readonly resultBytes: number | null;
  /** Whether someone is connected to the leader who can answer for it; null: of no account now. */
  readonly connected: boolean | null;
  /** Its command waits for a place on the connection. */
  readonly queues: boolean;
  /** When its timer fires: the next try, or the end of the wait for its vote. */
  readonly timerInMs: number | null;
  /** An operator stated that it was settled by hand: its participant may not have it. */
  readonly byHand?: SettledBy;
}

export interface FitnessFacts {
  readonly participant: string;
  readonly goneForMs: number | null;
  readonly breaker: 'closed' | 'open' | 'probing';
  readonly retryInMs: number | null;
  readonly underWay: number;
  readonly window: number;
  readonly waiting: number;
}

export type LogFacts =
  | {
      readonly ok: true;
      readonly record: {
        readonly outcome: Decision;
        readonly finished: boolean;
        readonly branches: readonly {
          readonly branch: string;
          readonly participant: string;
          /** Absent: it is not kept of one that was settled by hand. */
          readonly instance?: string;
        }[];
        readonly requestId: string | null;
        readonly recordedAgoMs: number | null;
        readonly byHand?: readonly SettledByHand[];
      } | null;
      readonly floor: Position;
      readonly leader: { readonly node: string; readonly epoch: Epoch } | null;
    }
  | { readonly ok: false; readonly why: string };

/** What one participant process says, or why it says nothing. Untrusted. */
export interface ParticipantFacts {
  readonly participant: string;
  readonly instance: string;
  /** Null: it says nothing. */
  readonly branches: readonly HeldBranchFacts[] | null;
  readonly why?: string;
}

export interface HeldBranchFacts {
  readonly branch: string;
  readonly state: HeldState;
  readonly attempts?: number;
  readonly error?: string;
}
