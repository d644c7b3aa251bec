/**
 * A transaction as its leader holds it, and the one table that says how its state may change.
 *
 *     PENDING -> PREPARING -> READY -> COMMITTING -> COMMITTED
 *        |           |          |
 *        +-----------+----------+---> ABORTING -> ABORTED
 *
 * PENDING: begun, branches may still be added. PREPARING: the branch set is frozen, prepares are out.
 * READY: every vote is commit or readonly and the decision is being written: from here only the
 * log's answer can abort it, no time-out and no client. COMMITTING: the decision is durable and the client
 * has its answer; branches still acknowledge. ABORTING likewise.
 */
import type { AbortReason } from './catalogue.ts';
import { InvariantViolation } from './invariants.ts';
import type { LockWant } from './locks/table.ts';
import type { BranchState, Labels, TransactionState } from './messages.ts';
import type { Origin } from './shares.ts';
import type { Owner } from './term/events.ts';
import type { TimerHandle } from './timer-wheel.ts';
import type { Position, Txid } from './txid.ts';

/** What can happen to a transaction as a whole. */
export const transactionEvents = [
  /** commit, or a one-shot transact: the branch set is frozen. */
  'freeze',
  /** The last vote came in, and all are commit or readonly. */
  'all-voted',
  /** An abort vote, a time-out, a rollback, a forced abort: before the decision was handed to the log. */
  'abort',
  /** The log made the commit durable (or nothing needed to be written: all branches were read-only). */
  'recorded',
  /** The log answered that no commit can be recorded. */
  'denied',
  /** The last branch is settled: acknowledged, or nothing is owed any more. */
  'settled',
] as const;
export type TransactionEvent = (typeof transactionEvents)[number];

/** null: the event does not concern that state, and changes nothing. */
export const transactionTable: Readonly<
  Record<TransactionState, Readonly<Record<TransactionEvent, TransactionState | null>>>
> = {
  PENDING: {
    freeze: 'PREPARING',
    'all-voted': null,
    abort: 'ABORTING',
    recorded: null,
    denied: null,
    settled: null,
  },
  PREPARING: {
    freeze: null,
    'all-voted': 'READY',
    abort: 'ABORTING',
    recorded: null,
    denied: null,
    settled: null,
  },
  READY: {
    freeze: null,
    'all-voted': null,
    abort: null,
    recorded: 'COMMITTING',
    denied: 'ABORTING',
    settled: null,
  },
  COMMITTING: {
    freeze: null,
    'all-voted': null,
    abort: null,
    recorded: null,
    denied: null,
    settled: 'COMMITTED',
  },
  COMMITTED: {
    freeze: null,
    'all-voted': null,
    abort: null,
    recorded: null,
    denied: null,
    settled: null,
  },
  ABORTING: {
    freeze: null,
    'all-voted': null,
    abort: null,
    recorded: null,
    denied: null,
    settled: 'ABORTED',
  },
  ABORTED: {
    freeze: null,
    'all-voted': null,
    abort: null,
    recorded: null,
    denied: null,
    settled: null,
  },
};

/** Someone who waits for the outcome: an open request of a connection. */
export interface Waiter {
  readonly connection: number;
  readonly id: number;
  /** `outcome` answers a client, `decision` a participant or operator that asked to resolve. */
  readonly kind: 'outcome' | 'decision';
}

export interface Branch {
  readonly transaction: Transaction;
  readonly branch: string;
  readonly participant: string;
  payload: unknown;
  /** What its payload counts in `heldBytes`. */
  payloadBytes: number;
  state: BranchState;
  /** The instance to which the prepare was first sent, or that enlisted itself: no other is asked to prepare it. */
  instance: string | null;
  /** Of several processes that share the instance the one that has it; null where there is one, or it is not known. */
  process: string | null;
  /** Its participant enlisted itself: its work is in that process alone. */
  readonly enlistedItself: boolean;
  /** Whose acknowledgement counted. */
  acknowledgedBy: string | null;
  sharedResource: string | null;
  /** The connection that carries the latest prepare, and later the latest command: votes count only from there. */
  connection: number | null;
  result: unknown;
  /** Commands of phase 2 sent, or due while there was nobody to send them to. */
  attempts: number;
  lastError: string | null;
  timer: TimerHandle | null;
  /** When the prepare's own limit ends; 0 before it was sent. */
  prepareUntilMs: number;
  /** Its place among the prepares of its participant that are under way. */
  holdsPlace: boolean;
  /** When its prepare was sent, until the first sign of life; null where that cannot be measured. */
  silentSinceMs: number | null;
  /** Whether it had voted `commit` when the decision was taken. */
  wasPrepared: boolean;
  /** What it adds to the bound of its transaction's record. */
  recordBytes: number;
  /** Where its command of phase 2 is with respect to the window of its connection. */
  command: 'none' | 'waiting' | 'sent';
}

export interface Transaction {
  readonly txid: Txid;
  readonly position: Position;
  readonly startedAtMs: number;
  readonly deadlineAtMs: number;
  readonly timeoutMs: number;
  readonly labels: Labels | null;
  /** Who began it; null where only the log remembers it. */
  readonly owner: Owner | null;
  readonly requestId: string | null;
  readonly requestHash: string | null;
  /** When the client first sent the request, by this node's clock. */
  readonly requestedAtMs: number;
  /** Recovered from the log: this leadership did not run it and has no results. */
  readonly recovered: boolean;
  state: TransactionState;
  readonly branches: Map<string, Branch>;
  /** Branches whose vote is still awaited. */
  votesOwed: number;
  /** Branches whose acknowledgement is still awaited. */
  acksOwed: number;
  readonly: boolean;
  reason: AbortReason | null;
  attention: boolean;
  waiters: Waiter[];
  timer: TimerHandle | null;
  /** The participant in whose queue it waits before its prepares are sent. */
  waitsFor: string | null;
  /** Whose share it counts to; null where nobody's: it was recovered, or begun in this process. */
  readonly origin: Origin | null;
  /** Bytes of that share that it holds. */
  heldBytes: number;
  /** A result found no room: the outcome is told without any. */
  resultsDropped: boolean;
  recordBytes: number;
  /** Whose keys it locks; null while it has neither named one nor locked anything. */
  lockGroup: string | null;
  /** Of a one-shot: the locks to take before its freeze, as long as they were not asked for. */
  asked: { readonly wants: readonly LockWant[]; readonly waitMs: number | undefined } | null;
  /** PENDING, and its content is closed: it is frozen when the last lock it waits for is granted. */
  freezeWhenLocked: boolean;
  /** The limit of holding locks. */
  lockTimer: TimerHandle | null;
  /** Its record stands under decisions/ and must move to finished/ before anybody may forget. */
  inDecisions: boolean;
}

export function move(transaction: Transaction, event: TransactionEvent): void {
  const next = transactionTable[transaction.state][event];
  if (next === null) {
    throw new InvariantViolation('I2', `${transaction.txid}: ${event} in ${transaction.state}`);
  }
  transaction.state = next;
}

/** The outcome, once there is one; null while undecided. READY is undecided: only the log knows. */
export function outcomeOf(state: TransactionState): 'committed' | 'aborted' | null {
  if (state === 'COMMITTING' || state === 'COMMITTED') return 'committed';
  if (state === 'ABORTING' || state === 'ABORTED') return 'aborted';
  return null;
}
