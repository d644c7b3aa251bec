/**
 * What operators look at: lists, what is owed, what needs `attention`, and what has ended lately.
 * The door of the room.
 */
import type { Transaction } from '../../transaction.ts';
import type { Position, Txid } from '../../txid.ts';
import type { TermConfig, TermState } from '../state.ts';
import { type EndedTransaction, RecentTransactions } from './recent.ts';
import { viewOf } from './view.ts';

export { counts, type Listing, list, type OwedAcknowledgement, owed } from './list.ts';
export { age, viewOf } from './view.ts';

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
  state.note({
    level: 'warn',
    event: 'attention',
    txid: transaction.txid,
    state: transaction.state,
    ...why,
  });
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
  });
}

export function ended({ listing }: TermState, txid: Txid): EndedTransaction | null {
  return listing.recent.get(txid);
}

export function mayHaveHeldUnrecorded({ listing }: TermState, position: Position): boolean {
  return listing.recent.mayHaveHeldUnrecorded(position);
}
