/**
 * What a term has asked the log and has no answer to yet: data alone, so that a term can be
 * printed, compared and replayed. The room that asked answers.
 */
import type { Commit, Query, Report, Resolve, Rollback, Status, Witness } from '../messages.ts';
import type { Transaction } from '../transaction.ts';
import type { Txid } from '../txid.ts';
import type { ReplyTo, Sender } from './events.ts';

/** A participant's report whose lines are being answered. */
export interface OpenReport {
  readonly from: Sender;
  readonly id: number;
  readonly kept: readonly Txid[];
  /** A reading for it failed. */
  failed: boolean;
}

/** Asked of the decisions. */
export type Question =
  /** Whether the log is behind what the peer was shown; if it is not, the peer gets its answer. */
  | {
      readonly type: 'witness';
      readonly from: Sender;
      readonly message: Query | Resolve;
      readonly witness: Witness;
    }
  | {
      readonly type: 'decision';
      readonly from: Sender;
      readonly id: number;
      readonly txid: Txid;
      readonly inDoubt: boolean;
    }
  | {
      readonly type: 'status';
      readonly from: Sender;
      readonly message: Status | Commit | Rollback;
    }
  /** Outcomes for a participant in doubt; `report` is null where its vote came too late. */
  | {
      readonly type: 'in-doubt';
      readonly from: Sender;
      readonly txids: readonly Txid[];
      readonly report: OpenReport | null;
    }
  /** As `witness`, with one reading for all lines of a report. */
  | {
      readonly type: 'report-witnesses';
      readonly report: OpenReport;
      readonly trusted: readonly Txid[];
      readonly doubtful: Report['inDoubt'];
    }
  /** Commits that a participant still keeps. */
  | {
      readonly type: 'report-kept';
      readonly report: OpenReport;
      readonly txids: readonly Txid[];
    }
  /** What became of the writes that were under way when the leadership ended. */
  | { readonly type: 'lost'; readonly transactions: readonly Transaction[] };

/** Asked of the request ids. */
export type RequestQuestion =
  /** A later attempt: whether an earlier one has committed. */
  | { readonly type: 'attempt'; readonly transaction: Transaction }
  /** A request past its window: what can still be said of it. */
  | {
      readonly type: 'expired';
      readonly to: ReplyTo;
      readonly hash: string;
      readonly ageMs: number;
    }
  /** An abort: whether "aborted" may be said under the request id (I8, one commit for each). */
  | { readonly type: 'aborted'; readonly transaction: Transaction };

export type Asked<Type extends Question['type']> = Extract<Question, { readonly type: Type }>;
