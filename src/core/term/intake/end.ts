/** A transaction is to end: by its client's commit or rollback, or by its own time-out. */
import { abortReason } from '../../catalogue.ts';
import type { Commit, Rollback } from '../../messages.ts';
import { outcomeOf, type Transaction, type Waiter } from '../../transaction.ts';
import { type Sender, senderOf } from '../events.ts';
import { notConnected, silentAtDeadline } from '../flow/flow.ts';
import { abort, freezeWhenLocked } from '../phase-one/phase-one.ts';
import { status } from '../recovery/recovery.ts';
import { answer, isOwn, owns, wait } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { joinTrace } from '../traced.ts';

export function commit(state: TermState, from: Sender, message: Commit): void {
  const transaction = waitForEnd(state, from, message);
  // A one-shot's own steps freeze it; one that waits for a lock is frozen when it has it. A second
  // commit joins the first.
  if (transaction?.state === 'PENDING' && !transaction.freezeWhenLocked) {
    freezeWhenLocked(state, transaction);
  }
}

export function rollback(state: TermState, from: Sender, message: Rollback): void {
  const transaction = waitForEnd(state, from, message);
  if (transaction === null) return;
  // READY: the commit may be durable already. The log's answer is the client's.
  if (transaction.state === 'READY') return;
  if (!isOwn(from, transaction)) {
    const { txid } = transaction;
    state.outbox.push({ type: 'forced', txid, by: 'rollback', connection: from.connection });
  }
  const given = message.reason === undefined ? {} : { message: message.reason };
  abort(state, transaction, abortReason('ROLLED_BACK', given));
}

/** The sender waits for the outcome from here on; null where it was answered. */
function waitForEnd(
  state: TermState,
  from: Sender,
  message: Commit | Rollback,
): Transaction | null {
  const { txid } = message;
  const transaction = state.transactions.get(txid);
  if (transaction === undefined) {
    status(state, from, message);
    return null;
  }
  // What was recovered is decided, and whose it was is not known: its outcome can be told, and
  // nothing changed. To all but its own client any other is as one that never was.
  // Whoever sees all may end it by a rollback. A commit could be of half of what is to be in it.
  const may = message.type === 'commit' ? isOwn(from, transaction) : owns(from, transaction);
  if (!transaction.recovered && !may) {
    state.fail(senderOf(from, message.id), 'UNKNOWN_TRANSACTION', { txid });
    return null;
  }
  const waiter: Waiter = { ...senderOf(from, message.id), type: 'outcome' };
  if (outcomeOf(transaction.state) !== null) {
    answer(state, transaction, waiter);
    return null;
  }
  joinTrace(state, transaction, message);
  return wait(state, transaction, waiter) ? transaction : null;
}

/** The transaction's own time-out: abandoned PENDING ones included. */
export function transactionTimedOut(state: TermState, transaction: Transaction): void {
  transaction.timer = null;
  if (transaction.state !== 'PENDING' && transaction.state !== 'PREPARING') return;
  if (state.config.debug) {
    const { txid, state: now } = transaction;
    state.note({ level: 'debug', event: 'time-out', txid, of: 'transaction', state: now });
  }
  for (const branch of transaction.branches.values()) silentAtDeadline(state, branch);
  const message = `The transaction was not decided within ${Math.round(transaction.timeoutMs)} ms.`;
  // Says what took so long: no one was there to answer.
  const absent = notConnected(state, transaction);
  abort(state, transaction, absent ?? abortReason('TRANSACTION_TIMEOUT', { message }));
}
