/** Giving back what a transaction or a branch holds in the windows of its participants. */
import type { Transaction } from '../../transaction.ts';
import type { Branch } from '../branch.ts';
import type { TermState } from '../state.ts';
import { bulkheadOf } from './bulkhead.ts';

/** Out of the queue in which it waits, if it does. */
export function leaveQueue(state: TermState, transaction: Transaction): void {
  if (transaction.waitsFor === null) return;
  const bulkhead = state.bulkheads.get(transaction.waitsFor);
  transaction.waitsFor = null;
  if (bulkhead === undefined) return;
  bulkhead.window.leave(transaction);
  // The one behind may need less room.
  state.freed.add(bulkhead);
}

/** The vote came, or the transaction is over. */
export function releasePlace(state: TermState, branch: Branch): void {
  if (!branch.holdsPlace) return;
  branch.holdsPlace = false;
  const bulkhead = bulkheadOf(state, branch.participant);
  bulkhead.breaker.ended(branch, state.nowMs);
  bulkhead.window.release();
  if (bulkhead.window.waiting > 0) state.freed.add(bulkhead);
}
