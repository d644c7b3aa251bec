/** What an operator asks about the speed of a node, and the reply. */
import type { HistogramReading, Phase } from '../figures.ts';
import type { LogOperation } from '../log-figures.ts';
import type { PeerRole, TransactionState } from './common.ts';
import type { AskedAt, QueueInfo } from './operator.ts';

export interface Stats extends AskedAt {
  readonly type: 'stats';
  readonly id: number;
}
/** What a node counted and timed since its start, and how it stands now. */
export interface StatsReply {
  readonly type: 'stats';
  readonly id: number;
  readonly node: string;
  /** Milliseconds since the node started: the measure of time between two replies. */
  readonly atMs: number;
  readonly ready: boolean;
  /** How transactions ended that this node led: `committed`, `readonly`, or why they aborted. */
  readonly endings: Readonly<Record<string, number>>;
  /** Upper bounds of the histograms; each has a last bucket for what is above them. */
  readonly bucketsMs: readonly number[];
  readonly phases: Readonly<Record<Phase, HistogramReading>>;
  /** Transactions in memory now, by state. */
  readonly states: Readonly<Partial<Record<TransactionState, number>>>;
  /** How many of them need an operator now. */
  readonly attention: number;
  /** How often one was flagged for an operator. */
  readonly flagged: number;
  /** Commands of phase 2 that were sent again. */
  readonly retries: number;
  readonly doubts: DoubtStats;
  /** Those with the most under way, at most 200; all others are the one named `other`. */
  readonly participants: readonly ParticipantStats[];
  readonly log: LogStats;
  /** Absent: the log needs no lease. */
  readonly lease?: LeaseStats;
  readonly leaderships: LeadershipStats;
  /** Open now, by role; of several roles a connection counts for each. */
  readonly connections: Readonly<Partial<Record<PeerRole | 'greeting', number>>>;
  /** Errors that were answered, by code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Prepares that were not voted on in time, by participant. Absent: an earlier version. */
  readonly missedVotes?: Readonly<Record<string, number>>;
  /** Bytes of all connections. */
  readonly bytes: { readonly input: number; readonly output: number };
  readonly queues: readonly QueueInfo[];
  /** The longest that the event loop was late in the last 15 to 30 seconds. */
  readonly loopDelayMs: number;
}
export interface DoubtStats {
  /** Questions that wait for the end of a scan of the log. */
  readonly waiting: number;
  /** Transactions that peers asked about because they are in doubt. */
  readonly asked: number;
  /** Aborts that someone forced, of what is not its own to end. */
  readonly forced: number;
}
export interface ParticipantStats {
  readonly participant: string;
  /** Connected to this node. */
  readonly instances: number;
  /** How many prepares may be under way, over all shards of this node. */
  readonly window: number;
  readonly inFlight: number;
  /** Transactions that wait for a place. */
  readonly waiting: number;
  /** The worst of the shards. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How long a vote is waited for, at most; absent: as long as the transaction may take. */
  readonly timeoutMs?: number;
}
export interface LogStats {
  /** Commits made durable. */
  readonly appends: number;
  /** Finished records of the shards that it leads which it cannot read; absent: as 0. */
  readonly unreadable?: number;
  /** Attempts without an answer, of all operations. */
  readonly failures: number;
  /** Of the operation that makes commits durable. */
  readonly latency: HistogramReading;
  /** How many operations shared a write; `sumMs` is the sum of them. */
  readonly batch: HistogramReading;
  /** Upper bounds of `batch`. */
  readonly batchBounds: readonly number[];
  readonly operations: Readonly<Record<LogOperation, LogOperationStats>>;
}
export interface LogOperationStats {
  readonly latency: HistogramReading;
  readonly failures: number;
}
export interface LeaseStats {
  /** Since it was last confirmed; absent: it is not held. */
  readonly ageMs?: number;
  /** How old it may become. */
  readonly validMs: number;
}
export interface LeadershipStats {
  /** Shards that this node leads now. */
  readonly led: number;
  /** Shards that no one is known to lead. */
  readonly leaderless: number;
  readonly begun: number;
  /** Ended against the node's will. */
  readonly lost: number;
  /** Given up: to drain, or for balance. */
  readonly given: number;
  /** Times that a shard was seen under another epoch, whoever leads it. */
  readonly epochChanges: number;
}
/** How late the event loop was, lately. */
export interface LoopDelay {
  readonly maxMs: number;
}
