/**
 * A transaction's locks come before its freeze: asked for, waited for, held for so long.
 *
 * Interleavings that matter:
 * - `commit` comes while a lock is waited for, or a one-shot brings locks: the branch set is closed
 *   from then on, and the freeze, with the first prepare, follows the last grant. So whoever waits
 *   is PENDING, nothing of it was sent anywhere, and a victim of a deadlock can always be aborted.
 * - Two one-shots ask for the same keys in opposite orders: the keys of one request are asked for
 *   at once and granted at once, so they wait for each other only where each holds something
 *   already.
 * - T1 aborts and T2 gets its lock while T1's branches still roll back. Nothing of T1 can commit
 *   any more, so what T2 finds is what it would have found had T1 never been; and T1's rollbacks
 *   leave on each connection before T2's prepares, for grants are served at the end of a step.
 * - A grant lets a one-shot run, which aborts at once because its participant is away, which is a
 *   grant for the next, and so on through a long queue. Grants are therefore served from a list,
 *   not by calls within calls.
 * - The reply to `lock` is lost with the connection, and the client asks again on another: it joins
 *   the wait, or is answered at once where the lock is held. A client that never comes back waits
 *   until its lock's limit or its transaction's end.
 */
import { abortReason } from '../../catalogue.ts';
import type { LockRequest } from '../../locks/table.ts';
import type { Transaction } from '../../transaction.ts';
import { unavailable } from '../flow/flow.ts';
import { flagTransaction } from '../listing/listing.ts';
import { deadlock, type LockAsk, lockTable, lockTimeout, requestLocks } from '../locks/locks.ts';
import type { TermState } from '../state.ts';
import { abort } from './decide.ts';
import { freeze } from './prepare.ts';

/** READY is left by the log's answer alone, and soon. */
const readyPauseMs = 1_000;

/** A one-shot's locks, then its first prepare. Nothing else happens where it brought none. */
export function lockAndFreeze(state: TermState, transaction: Transaction): void {
  const { asked } = transaction;
  transaction.asked = null;
  if (asked === null) {
    freezeWhenLocked(state, transaction);
    return;
  }
  // Known before it waits: to be refused afterwards would be to wait, and hold up others, for
  // nothing.
  const refusal = unavailable(state, transaction);
  if (refusal !== null) {
    abort(state, transaction, refusal);
    return;
  }
  transaction.freezeWhenLocked = true;
  const waits = askForLocks(state, transaction, { ...asked, reply: null, isCounted: true });
  if (!waits) freeze(state, transaction);
}

/** A commit: nothing may be added from here on, and the freeze waits for what is waited for. */
export function freezeWhenLocked(state: TermState, transaction: Transaction): void {
  if (lockTable(state).waits(transaction).size > 0) transaction.freezeWhenLocked = true;
  else freeze(state, transaction);
}

/** Whether it waits, or was aborted for asking; where it does not, the locks are held. */
export function askForLocks(state: TermState, transaction: Transaction, asked: LockAsk): boolean {
  const request = requestLocks(state, transaction, asked);
  if (request === null) return false;
  if ((asked.waitMs ?? state.config.options.lockWaitMs) === 0) lockTimedOut(state, request);
  else endDeadlocks(state, transaction);
  return true;
}

function endDeadlocks(state: TermState, transaction: Transaction): void {
  for (;;) {
    const found = deadlock(state, transaction);
    if (found === null) return;
    abort(state, found.victim, found.reason);
    if (found.victim === transaction) return;
  }
}

export function lockTimedOut(state: TermState, request: LockRequest<Transaction>): void {
  const reason = lockTimeout(state, request);
  if (reason !== null) abort(state, request.owner, reason);
}

/** The limit of holding. Nothing is taken from a decided one: someone must look at it. */
export function lockHeldTooLong(state: TermState, transaction: Transaction): void {
  transaction.lockTimer = null;
  const { lockHoldMs } = state.config.options;
  const message = `The transaction held its locks for ${lockHoldMs} ms without being decided.`;
  switch (transaction.state) {
    case 'PENDING':
    case 'PREPARING':
      abort(state, transaction, abortReason('LOCK_TIMEOUT', { message }));
      return;
    case 'READY': {
      const target = { type: 'lock-hold', transaction } as const;
      transaction.lockTimer = state.timers.schedule(state.nowMs + readyPauseMs, target);
      return;
    }
    case 'COMMITTING':
      flagTransaction(state, transaction, { lockHoldMs });
      return;
    default:
      return;
  }
}
