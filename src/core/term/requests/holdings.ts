/**
 * What transactions hold of the node's memory, counted to whoever began them, so that no peer can
 * use up what all need.
 *
 * A request that would take more than its peer's share is refused before anything is done for it.
 * What a participant brings with its vote cannot be refused without an abort: a result that finds
 * no room is left out, which clients must expect of any outcome, and so is an abort's detail.
 */
import type { Origin } from '../../shares.ts';
import type { Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import type { TermState } from '../state.ts';

/** About what the leader's own memory of it takes. */
export const transactionBytes = 1_024;
export const branchBytes = 512;

/** Why nothing more may begin, as text for its peer; null where it may. */
export function shareProblem(
  state: TermState,
  origin: Origin | undefined,
  bytes: number,
): string | null {
  if (origin === undefined) return null;
  if (!state.requests.places.admits(origin, 1)) {
    return `This peer has its share of the ${state.requests.places.total} transactions that the node holds.`;
  }
  return bytesProblem(state, origin, bytes);
}

export function bytesProblem(
  state: TermState,
  origin: Origin | null,
  bytes: number,
): string | null {
  if (origin === null || state.requests.heldBytes.admits(origin, bytes)) return null;
  return `The transactions of this peer hold its share of the ${state.requests.heldBytes.total} bytes that the node has for all. Send less at once, or end some.`;
}

export function hold(state: TermState, transaction: Transaction, bytes: number): void {
  if (transaction.origin === null || bytes === 0) return;
  transaction.heldBytes += bytes;
  state.requests.heldBytes.take(transaction.origin, bytes);
}

/** Whether there is room for what a vote brought, which is then held. */
export function holdsVoted(state: TermState, transaction: Transaction, value: unknown): boolean {
  if (value === undefined) return true;
  const bytes = weightOf(value);
  if (bytesProblem(state, transaction.origin, bytes) !== null) return false;
  hold(state, transaction, bytes);
  return true;
}

/** A transaction begins. */
export function takePlace(state: TermState, transaction: Transaction, bytes: number): void {
  if (transaction.origin !== null) state.requests.places.take(transaction.origin, 1);
  hold(state, transaction, bytes);
}

/** It is out of memory, or the whole term is. */
export function letGo(state: TermState, transaction: Transaction): void {
  hold(state, transaction, -transaction.heldBytes);
  if (transaction.origin !== null) state.requests.places.take(transaction.origin, -1);
}
