/** What operators look at: lists, what is owed, `attention`, what ended. The door of the room. */
import type {
  BranchStatus,
  Decision,
  List,
  ListReply,
  ShardInfo,
  TransactionState,
  TransactionStatus,
} from '../../messages.ts';
import { settledBy } from '../../records.ts';
import { unscoped } from '../../scope.ts';
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import { type Branch, byHandOf } from '../branch.ts';
import { listLimit } from '../events.ts';
import type { TermConfig, TermState } from '../state.ts';
import { RecentTransactions } from './recent.ts';
import { timesOf } from './times.ts';

export { branchTimes, branchTimesIn, decidedMsIn, ms, timeoutMsIn } from './times.ts';

export interface ListingState {
  readonly recent: RecentTransactions;
  /** How many in memory are flagged. */
  attention: number;
}

export function listingState({ options }: TermConfig, maxEndedBytes: number): ListingState {
  return { recent: new RecentTransactions(options.maxRecent, maxEndedBytes), attention: 0 };
}

export function flagTransaction(
  state: TermState,
  transaction: Transaction,
  why: Readonly<Record<string, unknown>>,
): void {
  if (transaction.attention) return;
  transaction.attention = true;
  state.listing.attention += 1;
  state.figures.flagged += 1;
  const { txid, state: now } = transaction;
  state.note({ level: 'warn', event: 'attention', txid, state: now, ...why });
}

/** It is over: out of the flagged, into the recent. */
export function listEnded(state: TermState, transaction: Transaction): void {
  if (transaction.attention) {
    transaction.attention = false;
    state.listing.attention -= 1;
  }
  state.listing.recent.add({
    status: viewOf(transaction),
    startedAtMs: transaction.startedAtMs,
    readonly: transaction.readonly,
    owner: transaction.owner,
    times: timesOf(transaction),
  });
}

export function recent({ listing }: TermState): RecentTransactions {
  return listing.recent;
}

/** A transaction in memory as it is shown. */
export function viewOf(transaction: Transaction): Omit<TransactionStatus, 'ageMs'> {
  return {
    txid: transaction.txid,
    state: transaction.state,
    attention: transaction.attention,
    branches: [...transaction.branches.values()].map((branch) => ({
      branch: branch.branch,
      participant: branch.participant,
      state: branch.state,
      attempts: branch.attempts,
      ...(branch.lastError === null ? {} : { lastError: branch.lastError }),
      ...saidOf(branch),
    })),
    ...(transaction.reason === null ? {} : { reason: transaction.reason }),
    ...(transaction.requestId === null ? {} : { requestId: unscoped(transaction.requestId) }),
    ...(transaction.labels === null ? {} : { labels: transaction.labels }),
  };
}

function saidOf(branch: Branch): Pick<BranchStatus, 'byHand'> {
  const word = byHandOf(branch);
  return word === null ? {} : { byHand: settledBy(word.mark) };
}

/** Of labels and details. A page ends there: a leader has better to do than to write megabytes. */
const maxPageBytes = 1_048_576;

export type Listing = Omit<ListReply, 'type' | 'id'>;

/** A bounded list of transactions in memory, newest first, for operators. */
export function list(state: TermState, message: Omit<List, 'type' | 'id'>): Listing {
  const limit = listLimit(message.limit);
  const matches = (view: { state: TransactionState; attention: boolean }): boolean =>
    (message.state === undefined || view.state === message.state) &&
    (message.attention === undefined || view.attention === message.attention);
  const transactions: TransactionStatus[] = [];
  let bytes = 0;
  /** False: the page is full. At least one has its place, however long it is. */
  const add = (view: Omit<TransactionStatus, 'ageMs'>, startedAtMs: number): boolean => {
    bytes += weightOf(view.labels) + weightOf(view.reason?.detail);
    const full = transactions.length >= limit || bytes > maxPageBytes;
    if (full && transactions.length > 0) return false;
    transactions.push({ ...view, ageMs: state.ageMs(startedAtMs) });
    return true;
  };
  const noneLives = message.attention === true && state.listing.attention === 0;
  const live = noneLives ? [] : [...state.transactions.values()].reverse();
  for (const transaction of live) {
    if (!matches(transaction)) continue;
    if (!add(viewOf(transaction), transaction.startedAtMs))
      return { transactions, truncated: true };
  }
  for (const ended of state.listing.recent.newestFirst()) {
    if (!matches(ended.status)) continue;
    if (!add(ended.status, ended.startedAtMs)) return { transactions, truncated: true };
  }
  return { transactions, truncated: false };
}

export function counts(state: TermState): Pick<ShardInfo, 'states' | 'attention'> {
  const states: Partial<Record<TransactionState, number>> = {};
  for (const transaction of state.transactions.values()) {
    states[transaction.state] = (states[transaction.state] ?? 0) + 1;
  }
  return { states, attention: state.listing.attention };
}

/** A branch that was told a decision and has not acknowledged it. */
export interface OwedAcknowledgement {
  readonly txid: Txid;
  readonly participant: string;
  readonly decision: Decision;
  /** Flagged `attention`. */
  readonly attention: boolean;
  readonly attempts: number;
  readonly lastError: string | null;
}

export function owed(state: TermState): OwedAcknowledgement[] {
  const all: OwedAcknowledgement[] = [];
  for (const transaction of state.transactions.values()) {
    const { txid, attention } = transaction;
    for (const branch of transaction.branches.values()) {
      if (branch.state !== 'committing' && branch.state !== 'rolling-back') continue;
      const { participant, attempts, lastError } = branch;
      const decision = branch.state === 'committing' ? 'commit' : 'abort';
      all.push({ txid, participant, decision, attention, attempts, lastError });
    }
  }
  return all;
}
