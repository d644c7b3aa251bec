/**
 * The leadership is over, or may be. What clients wait for is answered as far as it can be known:
 *
 * - Nothing handed to the log yet: no one can commit it any more, since only this leadership could
 *   have. Aborted; but for a request with an id, "aborted" is the next leader's to say:
 *   OUTCOME_UNKNOWN.
 * - READY: the write may have landed, also after its reply was lost. Only a reading tells, and only
 *   if it says more than "undecided" or a request with an id aborted.
 */
import { abortReason } from '../../catalogue.ts';
import { judge } from '../../judge.ts';
import { move, outcomeOf, type Transaction } from '../../transaction.ts';
import type { LogAnswer } from '../events.ts';
import { failLockWaits } from '../locks/locks.ts';
import { finishing } from '../phase-two/phase-two.ts';
import type { Asked } from '../questions.ts';
import { answerWaiters, failWaiters, letGo } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { failWaiting } from './waiting.ts';

export function lose(state: TermState): void {
  state.accepting = false;
  failWaiting(state);
  const unknown: Transaction[] = [];
  for (const transaction of state.transactions.values()) {
    state.clearTimer(transaction);
    for (const branch of transaction.branches.values()) state.clearTimer(branch);
    if (transaction.state === 'READY') {
      unknown.push(transaction);
    } else if (outcomeOf(transaction.state) === null) {
      move(transaction, 'abort');
      transaction.reason = abortReason('LEADER_CHANGED');
      failLockWaits(state, transaction);
      if (transaction.requestId === null) answerWaiters(state, transaction);
      else failWaiters(state, transaction);
    }
  }
  // The next leadership in this process starts with all the room.
  for (const transaction of state.transactions.values()) letGo(state, transaction);
  for (const transaction of finishing(state).values()) letGo(state, transaction);
  if (unknown.length === 0) return;
  state.read(
    unknown.map((transaction) => transaction.txid),
    { type: 'lost', transactions: unknown },
  );
}

export function lostRead(
  state: TermState,
  { transactions }: Asked<'lost'>,
  readings: readonly LogAnswer[] | null,
): void {
  for (const [index, transaction] of transactions.entries()) {
    const reading = readings?.[index];
    const judgement =
      reading === undefined ? null : judge(transaction.txid, reading, { inDoubt: false });
    if (judgement?.decision === 'commit') {
      move(transaction, 'recorded');
      answerWaiters(state, transaction);
    } else if (judgement?.decision === 'abort' && transaction.requestId === null) {
      move(transaction, 'denied');
      transaction.reason = abortReason('LEADER_CHANGED');
      answerWaiters(state, transaction);
    } else {
      failWaiters(state, transaction);
    }
  }
}
