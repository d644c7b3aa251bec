/** What a client or operator is told about a transaction by its txid: from memory, and what is not there from the log. */
import { type AbortReason, abortReason } from '../catalogue.ts';
import type { Commit, OutcomeMessage, Rollback, Status, TransactionStatus } from '../messages.ts';
import { statusFromLog } from '../status-from-log.ts';
import { outcomeOf } from '../transaction.ts';
import { epochOf, type Txid } from '../txid.ts';
import type { Sender } from './events.ts';
import { judged, wasNeverBegun } from './judgement.ts';
import { locksOf } from './lock-status.ts';
import { viewOf } from './outcome.ts';
import { senderOf, type TermState } from './state.ts';

export function status(state: TermState, from: Sender, message: Status): void {
  const to = senderOf(from, message.id);
  lookUp(state, to, message.txid, (view) => {
    state.send(from.connection, { type: 'status', id: message.id, ...view });
  });
}

/** commit or rollback of a transaction that is not in memory: its outcome, whatever was asked for. */
export function outcomeOfAbsent(state: TermState, from: Sender, message: Commit | Rollback): void {
  const to = senderOf(from, message.id);
  lookUp(state, to, message.txid, (view) => {
    const committed = outcomeOf(view.state) === 'committed';
    const reason = committed ? undefined : (view.reason ?? reasonOfAbsent(state, message.txid));
    const reply: OutcomeMessage = {
      type: 'outcome',
      id: message.id,
      txid: message.txid,
      outcome: committed ? 'committed' : 'aborted',
      ...(committed && state.recent.get(message.txid)?.readonly === true ? { readonly: true } : {}),
      ...(reason === undefined ? {} : { reason }),
      results: null,
    };
    state.send(from.connection, reply);
  });
}

/** Of this epoch and ended long ago: why is forgotten. */
function reasonOfAbsent(state: TermState, txid: Txid): AbortReason | undefined {
  return epochOf(txid) === state.config.epoch ? undefined : abortReason('LEADER_CHANGED');
}

function lookUp(
  state: TermState,
  to: { connection: number; id: number },
  txid: Txid,
  found: (view: TransactionStatus) => void,
): void {
  const transaction = state.transactions.get(txid);
  if (transaction !== undefined) {
    found({
      ...viewOf(transaction),
      ...locksOf(state, transaction),
      ageMs: age(state, transaction.startedAtMs),
    });
    return;
  }
  const ended = state.recent.get(txid);
  if (ended !== null) {
    found({ ...ended.status, ageMs: age(state, ended.startedAtMs) });
    return;
  }
  if (wasNeverBegun(state, txid)) {
    state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    return;
  }
  state.read([txid], (readings) => {
    const reading = readings?.[0];
    if (reading === undefined) {
      state.fail(to, 'LOG_UNAVAILABLE', { txid });
      return;
    }
    const known = judged(state, txid, reading, { inDoubt: false });
    if (known === 'ahead') state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    else if (known === 'deposed') state.fail(to, 'NOT_LEADER', { txid });
    else if (known.decision === 'expired') state.fail(to, 'EXPIRED', { txid });
    else
      found(
        statusFromLog(txid, {
          decision: known.decision,
          record: reading.record,
          wallMs: state.config.wallMs(),
        }),
      );
  });
}

export function age(state: TermState, startedAtMs: number): number {
  return Math.max(0, Math.round(state.nowMs - startedAtMs));
}
