/**
 * A transaction as its leader holds it, and the one table that says how its state may change.
 *
 *     PENDING -> PREPARING -> READY -> COMMITTING -> COMMITTED
 *        |           |          |
 *        +-----------+----------+---> ABORTING -> ABORTED
 *
 * PENDING: begun, branches may still be added. PREPARING: the branch set is frozen, prepares are
 * out. READY: every vote is commit or readonly and the decision is being written: from here only
 * the log's answer can abort it, no time-out and no client. COMMITTING: the decision is durable and
 * the client has its answer; branches still acknowledge. ABORTING likewise.
 */
import type { AbortReason } from './catalogue.ts';
import { InvariantViolation } from './invariants.ts';
import type { LockWant } from './locks/table.ts';
import type { Labels, TransactionState } from './messages.ts';
import type { Origin } from './shares.ts';
import { BranchSet } from './term/branch-set.ts';
import type { Owner, ReplyTo } from './term/events.ts';
import type { TimerHandle } from './timer-wheel.ts';
import type { Txid } from './txid.ts';

/** What can happen to a transaction as a whole. */
export type TransactionEvent =
  /** commit, or a one-shot transact: the branch set is frozen. */
  | 'freeze'
  /** The last vote came in, and all are commit or readonly. */
  | 'all-voted'
  /** An abort vote, a time-out, a rollback, a forced abort: before the log had the decision. */
  | 'abort'
  /** The log made the commit durable, or nothing had to be written: all branches were read-only. */
  | 'recorded'
  /** The log answered that no commit can be recorded. */
  | 'denied'
  /** The last branch is settled: acknowledged, or nothing is owed any more. */
  | 'settled';

/** What is not here cannot happen in that state. */
const table: Readonly<
  Record<TransactionState, Readonly<Partial<Record<TransactionEvent, TransactionState>>>>
> = {
  PENDING: { freeze: 'PREPARING', abort: 'ABORTING' },
  PREPARING: { 'all-voted': 'READY', abort: 'ABORTING' },
  READY: { recorded: 'COMMITTING', denied: 'ABORTING' },
  COMMITTING: { settled: 'COMMITTED' },
  COMMITTED: {},
  ABORTING: { settled: 'ABORTED' },
  ABORTED: {},
};

/** Someone who waits for the outcome: an open request of a connection. */
export interface Waiter extends ReplyTo {
  /** `outcome` answers a client, `decision` a participant or operator that asked to resolve. */
  readonly type: 'outcome' | 'decision';
}

export interface Transaction {
  readonly txid: Txid;
  readonly startedAtMs: number;
  readonly timeoutMs: number;
  readonly labels: Labels | null;
  /** Who began it; null where only the log remembers it. */
  readonly owner: Owner | null;
  readonly requestId: string | null;
  readonly requestHash: string | null;
  /** How long before its start the client first sent the request. */
  readonly requestAgeMs: number;
  /** Recovered from the log: this leadership did not run it and has no results. */
  readonly recovered: boolean;
  /** Changed by `move` alone. */
  readonly state: TransactionState;
  readonly branches: BranchSet;
  /** Branches whose vote is still awaited. */
  votesOwed: number;
  /** Branches whose acknowledgement is still awaited. */
  acksOwed: number;
  readonly: boolean;
  reason: AbortReason | null;
  attention: boolean;
  /** Null: no one. */
  waiters: Waiter[] | null;
  timer: TimerHandle | null;
  /** The participant in whose queue it waits before its prepares are sent. */
  waitsFor: string | null;
  /** Whose share it counts to; null where no one's: it was recovered, or begun in this process. */
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
  /** PENDING, and its content is closed: frozen when the last lock it waits for is granted. */
  freezeWhenLocked: boolean;
  /** The limit of holding locks. */
  lockTimer: TimerHandle | null;
  /** Held and waited for, where its origin has a quota of them. */
  lockCount: number;
  /** Its record stands under decisions/ and must move to finished/ before anyone may forget. */
  inDecisions: boolean;
  /** When its outcome was known here, in microseconds after its begin; `unknown` until then. */
  decidedUs: number;
}

/**
 * Of a time that has not come. Times are whole numbers, of microseconds after the begin: a heap
 * holds these in the object itself, and fractions apart from it.
 */
export const unknown = -1;

export function sinceBegin({ startedAtMs }: Transaction, nowMs: number): number {
  return Math.round((nowMs - startedAtMs) * 1_000);
}

/** What is known of a transaction when it comes into memory: begun now, or found in the log. */
export interface NewTransaction
  extends Pick<
    Transaction,
    'timeoutMs' | 'labels' | 'owner' | 'origin' | 'lockGroup' | 'asked' | 'recovered'
  > {
  readonly nowMs: number;
  readonly request: {
    readonly id: string;
    readonly hash: string | null;
    readonly ageMs: number;
  } | null;
}

export function newTransaction(txid: Txid, given: NewTransaction): Transaction {
  const { nowMs, timeoutMs, request, recovered } = given;
  return {
    txid,
    startedAtMs: nowMs,
    timeoutMs,
    labels: given.labels,
    owner: given.owner,
    requestId: request?.id ?? null,
    requestHash: request?.hash ?? null,
    requestAgeMs: request?.ageMs ?? 0,
    recovered,
    state: recovered ? 'COMMITTING' : 'PENDING',
    branches: new BranchSet(),
    votesOwed: 0,
    acksOwed: 0,
    readonly: false,
    reason: null,
    attention: false,
    waiters: null,
    timer: null,
    waitsFor: null,
    origin: given.origin,
    heldBytes: 0,
    resultsDropped: false,
    recordBytes: 0,
    lockGroup: given.lockGroup,
    asked: given.asked,
    // Its content is closed from the beginning.
    freezeWhenLocked: given.asked !== null,
    lockTimer: null,
    lockCount: 0,
    inDecisions: recovered,
    decidedUs: unknown,
  };
}

export function deadlineAtMs({ startedAtMs, timeoutMs }: Transaction): number {
  return startedAtMs + timeoutMs;
}

/** When the client first sent the request, by this node's clock. */
export function requestedAtMs({ startedAtMs, requestAgeMs }: Transaction): number {
  return startedAtMs - requestAgeMs;
}

export function move(transaction: Transaction, event: TransactionEvent): void {
  const next = table[transaction.state][event];
  if (next === undefined) {
    throw new InvariantViolation('I2', `${transaction.txid}: ${event} in ${transaction.state}`);
  }
  (transaction as { state: TransactionState }).state = next;
}

/** The outcome, once there is one; null while undecided. READY is undecided: only the log knows. */
export function outcomeOf(state: TransactionState): 'committed' | 'aborted' | null {
  if (state === 'COMMITTING' || state === 'COMMITTED') return 'committed';
  if (state === 'ABORTING' || state === 'ABORTED') return 'aborted';
  return null;
}
