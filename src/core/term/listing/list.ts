/** A bounded list of transactions in memory, newest first, for operators. */
import type {
  Decision,
  List,
  ShardInfo,
  TransactionState,
  TransactionStatus,
} from '../../messages.ts';
import type { Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import type { TermState } from '../state.ts';
import { age, viewOf } from './view.ts';

const defaultLimit = 50;
const maxListLimit = 1_000;
/**
 * Of labels and details. A page ends there: a leader has better to do than to write down megabytes.
 */
const maxPageBytes = 1_048_576;

export interface Listing {
  readonly transactions: readonly TransactionStatus[];
  readonly truncated: boolean;
}

export function list(state: TermState, message: Omit<List, 'type' | 'id'>): Listing {
  const limit = Math.min(Math.max(1, message.limit ?? defaultLimit), maxListLimit);
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
    transactions.push({ ...view, ageMs: age(state, startedAtMs) });
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
