/** What is told about a transaction by its txid: from memory, and else from the log. */
import { abortReason } from '../../catalogue.ts';
import type { Commit, Rollback, Status, TransactionStatus } from '../../messages.ts';
import { statusFromLog } from '../../status-from-log.ts';
import { outcomeOf } from '../../transaction.ts';
import { epochOf } from '../../txid.ts';
import { type LogAnswer, type Owner, type Sender, senderOf } from '../events.ts';
import { recent, viewOf } from '../listing/listing.ts';
import { locksOf } from '../locks/locks.ts';
import { keptByHand } from '../phase-two/phase-two.ts';
import type { Asked } from '../questions.ts';
import {
  abortedMessage,
  committedMessage,
  sees,
  shownTo,
  takesPart,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { judged, wasNeverBegun } from './judgement.ts';

/**
 * A question for a status; or a commit or rollback of a transaction that is not in memory, which is
 * told its outcome, whatever was asked for.
 */
export function status(state: TermState, from: Sender, message: Status | Commit | Rollback): void {
  const { txid } = message;
  const to = senderOf(from, message.id);
  /** Others than its client, participants and operators see nothing, or only the outcome. */
  const show = (
    of: { readonly owner: Owner | null },
    branches: Iterable<{ readonly participant: string }>,
    view: () => TransactionStatus,
  ): void => {
    if (of.owner === null) tell(state, from, message, shownTo(from, view()));
    else if (sees(from, of) || (from.participant !== null && takesPart(from, branches)))
      tell(state, from, message, view());
    else state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
  };
  const transaction = state.transactions.get(txid);
  if (transaction !== undefined) {
    show(transaction, transaction.branches.values(), () => ({
      ...viewOf(transaction),
      ...locksOf(state, transaction, from.seesAll === true),
      ageMs: state.ageMs(transaction.startedAtMs),
    }));
    return;
  }
  const ended = recent(state).get(txid);
  if (ended !== null) {
    const view = () => ({ ...ended.status, ageMs: state.ageMs(ended.startedAtMs) });
    show(ended, ended.status.branches, view);
    return;
  }
  const kept = keptByHand(state, txid);
  if (kept !== null) {
    show(kept, kept.branches.values(), () => ({
      ...viewOf(kept),
      ageMs: state.ageMs(kept.startedAtMs),
    }));
    return;
  }
  if (wasNeverBegun(state, txid)) {
    state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    return;
  }
  state.read([txid], { type: 'status', from, message }, from);
}

export function statusRead(
  state: TermState,
  { from, message }: Asked<'status'>,
  readings: readonly LogAnswer[] | null,
): void {
  const { txid } = message;
  const to = senderOf(from, message.id);
  const reading = readings?.[0];
  if (reading === undefined) {
    state.fail(to, 'LOG_UNAVAILABLE', { txid });
    return;
  }
  const known = judged(state, txid, reading, { inDoubt: false });
  if (known === 'ahead') state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
  else if (known === 'deposed') state.fail(to, 'NOT_LEADER', { txid });
  else if (known.decision === 'expired') state.fail(to, 'EXPIRED', { txid });
  else {
    const { record } = reading;
    const { decision } = known;
    const view = statusFromLog(txid, { decision, record, wallMs: state.config.wallMs() });
    tell(state, from, message, shownTo(from, view));
  }
}

function tell(
  state: TermState,
  from: Sender,
  message: Status | Commit | Rollback,
  view: TransactionStatus,
): void {
  const { id, txid } = message;
  const { connection } = from;
  const to = senderOf(from, id);
  if (message.type === 'status') {
    state.send(connection, { type: 'status', id, ...view });
  } else if (outcomeOf(view.state) === 'committed') {
    const readonly = recent(state).get(txid)?.readonly === true;
    state.send(connection, committedMessage(to, txid, null, readonly));
  } else {
    // Of this epoch and ended long ago: why is forgotten.
    const isOurs = epochOf(txid) === state.config.epoch;
    const reason = view.reason ?? (isOurs ? undefined : abortReason('LEADER_CHANGED'));
    state.send(connection, abortedMessage(to, txid, reason));
  }
}
