/** What goes into a term, and what comes out of it. */

import type { ReasonCode } from '../catalogue.ts';
import type { Reading } from '../judge.ts';
import type {
  Acknowledge,
  ErrorMessage,
  FromClient,
  FromNode,
  FromParticipant,
  Outcome,
  Retry,
  Witness,
} from '../messages.ts';
import type {
  DecideResult,
  DecisionRecord,
  DecisionWrite,
  RequestEntry,
  Settlement,
} from '../records.ts';
import type { Retired } from '../retired.ts';
import type { Origin } from '../shares.ts';
import type { TraceContext } from '../trace-context.ts';
import type { Txid } from '../txid.ts';
import type { ConnectedParticipant } from './connected.ts';

/** Who sent a message. The session has checked that it may. */
export interface Sender {
  readonly connection: number;
  /** Set where the sender is a participant. */
  readonly participant: { readonly name: string; readonly instance: string } | null;
  /** Whose share what it begins counts to; absent: no one's. */
  readonly origin?: Origin;
  /** Set where the sender is a client: what it begins is its own. */
  readonly client?: Owner;
  /** An operator, another node, or the very process: every transaction is shown to it. */
  readonly seesAll?: boolean;
  /** It may end everyone's, too: who only looks may not, whatever other roles it has (!). */
  readonly endsAll?: boolean;
  /** The message carried the share that the transaction's owner was given for others. */
  readonly hasShare?: boolean;
}

/** Who began a transaction. The instance is of one process, over all its connections. */
export interface Owner {
  readonly name: string;
  readonly instance: string;
  /** Absent: it has none. */
  readonly identity?: string;
}

export type TermRequest = FromClient | FromParticipant | Retry | AcknowledgeBy;

/** `by`: who it is, as the node knows. */
export type AcknowledgeBy = Acknowledge & { readonly by: string };

/** What `requests/R` holds, as far as it could be read. */
export type RequestAnswer = RequestEntry | null | 'failed';

/** A reading of the log. */
export interface LogAnswer extends Reading {
  readonly record:
    | (NonNullable<Reading['record']> & { readonly record: DecisionRecord | null })
    | null;
  readonly witness: Witness;
}

export type TermEvent =
  | ({ readonly type: 'participant-connected' } & ConnectedParticipant)
  /** It is still there for what it has, and takes nothing new. */
  | { readonly type: 'participant-leaves'; readonly connection: number }
  | { readonly type: 'participant-lost'; readonly connection: number }
  | {
      readonly type: 'message';
      readonly from: Sender;
      readonly message: TermRequest;
      /** Of a `transact` with a requestId: the hash of its content. */
      readonly requestHash: string | null;
    }
  | {
      readonly type: 'decided';
      readonly txid: Txid;
      readonly result: DecideResult;
      readonly witness: Witness;
    }
  /** The records are durable under finished/. */
  | { readonly type: 'finished'; readonly txids: readonly Txid[] }
  /** An operator's word is durable; `written`: false where there was no record any more. */
  | {
      readonly type: 'settlement-written';
      readonly settlement: Settlement;
      readonly written: boolean;
    }
  | {
      readonly type: 'request-read';
      readonly token: number;
      readonly entry: RequestAnswer;
      /** Whether the leadership stood for certain when this answer was handed over. */
      readonly certain: boolean;
    }
  | {
      readonly type: 'read';
      readonly token: number;
      /** Null where the log could not be read. */
      readonly readings: readonly LogAnswer[] | null;
    }
  /** A scan of decisions/ begins: its pages do not take up again what ends from here on. */
  | { readonly type: 'scan-started' }
  | { readonly type: 'scanned'; readonly records: readonly DecisionRecord[] }
  /** `failed`: not all of decisions/ was seen. */
  | { readonly type: 'scan-ended'; readonly failed?: boolean }
  /** Some of the doubts that waited for the end of the scan are to be answered. */
  | { readonly type: 'doubts-due' }
  | { readonly type: 'wake' }
  | { readonly type: 'tick'; readonly requestCount: number; readonly witness: Witness }
  /** An operator gave up an instance or resource: what no one can finish counts as acknowledged. */
  | { readonly type: 'retired'; readonly retired: Retired }
  | { readonly type: 'drain' }
  /** The leadership is over. Only the reads that settle what was in flight are still answered. */
  | { readonly type: 'lost' };

/**
 * Effects, in the order in which the driver must carry them out. The order is part of the contract:
 * a `commit` command is put out only after the step that got `decided: written`, so nothing that
 * tells of a decision can overtake its becoming durable.
 */
export type Effect =
  | { readonly type: 'send'; readonly connection: number; readonly message: FromNode }
  /** Answered by `decided`; where the fate is unknown, by `lost`, and the term reads it. */
  | { readonly type: 'decide'; readonly write: DecisionWrite }
  /** Lazy: answer with a `finished` event once durable. */
  | { readonly type: 'finish'; readonly txid: Txid }
  /** An operator's word in a record: answered by `settlement-written`. */
  | { readonly type: 'settle'; readonly settlement: Settlement }
  | { readonly type: 'read-request'; readonly token: number; readonly requestId: string }
  /** `connection`: whose question it is; absent: the term's own. */
  | {
      readonly type: 'read';
      readonly token: number;
      readonly txids: readonly Txid[];
      readonly connection?: number;
    }
  /** For the audit log: who had aborted what it did not begin. */
  | {
      readonly type: 'forced';
      readonly txid: Txid;
      readonly by: 'resolve' | 'rollback';
      readonly connection: number;
    }
  | { readonly type: 'trace'; readonly txid: Txid; readonly event: TraceEvent }
  | { readonly type: 'note'; readonly note: Note };

/** What became of a transaction that belongs to a trace. */
export type TraceEvent =
  | { readonly type: 'begun' }
  /** A message that is not its first has brought its trace, or one of another caller. */
  | { readonly type: 'joined'; readonly trace: TraceContext }
  | {
      readonly type: 'decided';
      readonly outcome: Outcome;
      readonly branches: number;
      readonly readonly: boolean;
      readonly code?: ReasonCode;
    }
  /** No message about it is sent any more. */
  | { readonly type: 'settled' };

export type NoteLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line of the log: never a payload, never a result. */
export interface Note {
  readonly level: NoteLevel;
  readonly event: string;
  readonly txid?: Txid;
  readonly [field: string]: unknown;
}

/** Why a request is refused, as its answer says it. */
export type Refusal = Pick<ErrorMessage, 'code' | 'message' | 'retryAfterMs'>;

export function busy(message: string, retryAfterMs = 250): Refusal {
  return { code: 'BUSY', message, retryAfterMs };
}

/** Where the answer to a request goes. */
export interface ReplyTo {
  readonly connection: number;
  readonly id: number;
}

/** Where the answer to one of its requests goes. */
export function senderOf(from: Sender, id: number): ReplyTo {
  return { connection: from.connection, id };
}

/** Of an operator's list: as many as were asked for, within bounds. */
export function listLimit(asked = 50): number {
  return Math.min(Math.max(1, asked), 1_000);
}
