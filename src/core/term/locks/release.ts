/**
 * Letting go of a transaction's locks, and taking up those of one that an earlier leadership
 * committed.
 *
 * An abort lets go as soon as it is decided; a commit when every branch has acknowledged, or
 * belongs to an instance that was retired: until then another holder could read at a participant
 * what the commit has not yet changed there. For the same reason the decision record names the
 * locks, and the next leader holds them again before it grants any.
 */
import { lockName, lockNameParts } from '../../locks/names.ts';
import type { LockRequest, LockWant } from '../../locks/table.ts';
import type { RecordedLocks } from '../../records.ts';
import type { Transaction } from '../../transaction.ts';
import type { TermState } from '../state.ts';
import type { LockWait } from './locks.ts';

/** What is granted by it is served at the end of the step. */
export function releaseLocks(state: TermState, transaction: Transaction): void {
  if (transaction.lockTimer !== null) {
    state.timers.cancel(transaction.lockTimer);
    transaction.lockTimer = null;
  }
  failLockWaits(state, transaction);
  for (const request of state.locks.table.release(transaction, state.nowMs)) {
    state.locks.granted.push(request);
  }
}

/** It was aborted while it waited. */
export function failLockWaits(state: TermState, transaction: Transaction): void {
  for (const request of state.locks.table.waits(transaction)) {
    const wait = endWait(state, request);
    if (wait !== null) failAskers(state, transaction, wait);
  }
}

/** The wait is over, however it went. */
export function endWait(state: TermState, request: LockRequest<Transaction>): LockWait | null {
  const wait = state.locks.waits.get(request);
  if (wait === undefined) return null;
  state.locks.waits.delete(request);
  if (wait.timer !== null) state.timers.cancel(wait.timer);
  return wait;
}

/** Who asked for the lock of an aborted transaction is told why there is none. */
export function failAskers(state: TermState, transaction: Transaction, wait: LockWait): void {
  const { reason, txid } = transaction;
  const lost = reason?.code === 'DEADLOCK' || reason?.code === 'LOCK_TIMEOUT';
  const code = lost ? reason.code : 'WRONG_STATE';
  const message = lost
    ? reason.message
    : `The transaction was aborted while it waited for a lock (${reason?.code ?? 'ABORTED'}). Ask for its status, or roll it back, to learn more.`;
  for (const to of wait.replies) state.fail(to, code, { message, txid });
}

/** For the decision record; undefined where it holds none. */
export function recordedLocks(
  state: TermState,
  transaction: Transaction,
): RecordedLocks | undefined {
  const held = state.locks.table.held(transaction);
  if (held.size === 0 || transaction.lockGroup === null) return undefined;
  const exclusive: string[] = [];
  const shared: string[] = [];
  for (const [name, { mode }] of held) {
    (mode === 'exclusive' ? exclusive : shared).push(lockNameParts(name).key);
  }
  return { group: transaction.lockGroup, exclusive, shared };
}

export function holdAgain(state: TermState, transaction: Transaction, locks: RecordedLocks): void {
  const { group, exclusive, shared } = locks;
  const want =
    (mode: LockWant['mode']) =>
    (key: string): LockWant => ({ key: lockName(group, key), mode });
  const wants = [...exclusive.map(want('exclusive')), ...shared.map(want('shared'))];
  state.locks.table.hold(transaction, wants, state.nowMs);
}
