/**
 * What the leader says about a transaction: its memory first, and what is not there, from the log.
 *
 * The other way round is a race: a record that is written between a look at the log and a look at
 * the memory, by a transaction that leaves the memory in the same instant, would be seen by
 * neither, and a commit judged an abort. From memory to log it is safe: what is in neither can no
 * longer be committed.
 */
import { abortReason } from '../../catalogue.ts';
import { isAhead, judge } from '../../judge.ts';
import type { Decision, DecisionMessage, Query, Resolve, Witness } from '../../messages.ts';
import { outcomeOf } from '../../transaction.ts';
import { epochOf, makePosition, positionOf, shardOf, type Txid } from '../../txid.ts';
import { type LogAnswer, type Sender, senderOf } from '../events.ts';
import { recent } from '../listing/listing.ts';
import { abort } from '../phase-one/phase-one.ts';
import { commandByHand, isKeptByHand } from '../phase-two/phase-two.ts';
import type { Asked } from '../questions.ts';
import { answer, sourceOf, takesPart, wait } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { readDoubt } from './waiting.ts';

type Known = Pick<DecisionMessage, 'decision' | 'source'>;

/** What memory says, 'undecided' too; null where it knows nothing. */
export function remembered(state: TermState, txid: Txid): Known | null {
  const transaction = state.transactions.get(txid);
  if (transaction !== undefined) {
    const outcome = outcomeOf(transaction.state);
    if (outcome === null) return { decision: 'undecided', source: 'presumed' };
    const decision = outcome === 'committed' ? 'commit' : 'abort';
    return { decision, source: sourceOf(transaction) };
  }
  const over = recent(state).get(txid);
  if (over === null) {
    return isKeptByHand(state, txid) ? { decision: 'commit', source: 'recorded' } : null;
  }
  const { state: now, requestId = null, reason = null } = over.status;
  return {
    decision: now === 'COMMITTED' ? 'commit' : 'abort',
    source: sourceOf({ state: now, readonly: over.readonly, requestId, reason }),
  };
}

/**
 * Judges what is not in memory. `undecided` cannot be: this leadership would have it in memory.
 *
 * What left no record may have committed without one, because all its branches only read. Whoever
 * is in doubt has voted `commit`, so that it was not such a one; anyone else is told no more than
 * that it is too long ago.
 */
export function judged(
  state: TermState,
  txid: Txid,
  reading: LogAnswer,
  asker: { inDoubt: boolean },
): (Known & { readonly decision: Decision | 'expired' }) | 'ahead' | 'deposed' {
  const unrecorded =
    !asker.inDoubt &&
    reading.record === null &&
    recent(state).mayHaveHeldUnrecorded(positionOf(txid));
  if (unrecorded) return { decision: 'expired', source: 'presumed' };
  const judgement = judge(txid, reading, asker);
  if (judgement.decision !== 'undecided' && judgement.decision !== 'ahead') return judgement;
  if (epochOf(txid) === state.config.epoch) return { decision: 'abort', source: 'presumed' };
  // Of a newer epoch. Either another node leads by now, and the transaction is that one's to judge,
  // or no one ever led under it.
  const deposed = reading.leader !== null && reading.leader.epoch > state.config.epoch;
  return deposed ? 'deposed' : 'ahead';
}

/**
 * Whether this term remembers it, and no branch of it is the sender's. In doubt a participant has
 * voted, so that its branch is known here.
 */
export function isOthers(state: TermState, from: Sender, txid: Txid): boolean {
  const branches =
    state.transactions.get(txid)?.branches.values() ?? recent(state).get(txid)?.status.branches;
  return branches !== undefined && !takesPart(from, branches);
}

/**
 * Answers unless the peer was shown a later log than there is now: then nothing is judged for it
 * (restore, section 6). What this term remembers of the log may be older than what the peer saw - a
 * deposed leader's last prepares may carry what came after this one's takeover - so only a reading
 * condemns.
 */
export function ask(state: TermState, from: Sender, message: Query | Resolve): void {
  const { id, witness, txid } = message;
  if (isOthers(state, from, txid)) {
    state.fail(senderOf(from, id), 'UNKNOWN_TRANSACTION', { txid });
  } else if (witness === undefined || !isAhead(witness, state.witness)) {
    answerNow(state, from, message);
  } else {
    state.read([txid], { type: 'witness', from, message, witness }, from);
  }
}

export function witnessRead(
  state: TermState,
  { from, message, witness }: Asked<'witness'>,
  readings: readonly LogAnswer[] | null,
): void {
  const to = senderOf(from, message.id);
  if (readings === null) {
    state.fail(to, 'LOG_UNAVAILABLE');
  } else if (isAhead(witness, state.witness)) {
    alarmAhead(state, from, witness);
    state.fail(to, 'INTERNAL', {
      message:
        'This participant was shown a later state of the decision log than the log shows now: it was restored from an old copy. An operator must look at it; see docs/OPERATING.md.',
    });
  } else if (state.lost) {
    // Meanwhile the memory that is looked at first is no longer kept.
    state.fail(to, 'NOT_LEADER');
  } else {
    answerNow(state, from, message);
  }
}

function answerNow(state: TermState, from: Sender, message: Query | Resolve): void {
  const { id, txid } = message;
  const isParticipant = from.participant !== null;
  if (message.type === 'resolve') resolveNow(state, from, { id, txid });
  else tellKnown(state, from, { id, txid, inDoubt: message.inDoubt && isParticipant });
}

export function alarmAhead(state: TermState, from: Sender, witness?: Witness): void {
  const { name: participant, instance } = from.participant ?? {};
  const seen = { participant, instance, witness, log: state.witness };
  state.note({ level: 'error', event: 'log-set-back', ...seen });
}

/** From memory, and else from the log. */
export function tellKnown(
  state: TermState,
  from: Sender,
  asked: { readonly id: number; readonly txid: Txid; readonly inDoubt: boolean },
): void {
  const { id, txid } = asked;
  const known = remembered(state, txid);
  if (known !== null) {
    state.send(from.connection, { type: 'decision', id, txid, ...known });
    commandByHand(state, from, txid);
  } else if (wasNeverBegun(state, txid)) {
    state.fail(senderOf(from, id), 'UNKNOWN_TRANSACTION', { txid });
  } else readDoubt(state, { type: 'decision', from, ...asked }, [txid]);
}

/** Ends a doubt, by force where nothing is decided yet. Never answers `undecided`. */
function resolveNow(
  state: TermState,
  from: Sender,
  { id, txid }: Pick<Resolve, 'id' | 'txid'>,
): void {
  const transaction = state.transactions.get(txid);
  if (transaction === undefined) {
    tellKnown(state, from, { id, txid, inDoubt: from.participant !== null });
    return;
  }
  const waiter = { ...senderOf(from, id), type: 'decision' } as const;
  if (outcomeOf(transaction.state) !== null) {
    answer(state, transaction, waiter);
    commandByHand(state, from, txid);
    return;
  }
  if (!wait(state, transaction, waiter)) return;
  // READY: the log's answer is under way, and nothing but it can decide.
  if (transaction.state !== 'READY') {
    const by = from.participant === null ? {} : { participant: from.participant.name };
    state.outbox.push({ type: 'forced', txid, by: 'resolve', connection: from.connection });
    abort(state, transaction, abortReason('FORCED', by));
  }
}

export function decisionRead(
  state: TermState,
  { from, id, txid, inDoubt }: Asked<'decision'>,
  readings: readonly LogAnswer[] | null,
): void {
  const to = senderOf(from, id);
  const reading = readings?.[0];
  if (reading === undefined) {
    state.fail(to, 'LOG_UNAVAILABLE');
    return;
  }
  const known = judged(state, txid, reading, { inDoubt });
  if (known === 'deposed') {
    state.fail(to, 'NOT_LEADER', { txid });
  } else if (known === 'ahead') {
    alarmAhead(state, from);
    state.fail(to, 'INTERNAL', {
      message:
        'The transaction is of an epoch that this log has never had. An operator must look at it.',
    });
  } else {
    state.send(from.connection, { type: 'decision', id, txid, ...known });
  }
}

/** Ids of this epoch with a sequence that was not given out yet are made up. */
export function wasNeverBegun(state: TermState, txid: Txid): boolean {
  return (
    shardOf(txid) !== state.config.shard ||
    (epochOf(txid) === state.config.epoch &&
      positionOf(txid) >= makePosition(state.config.epoch, state.nextSequence))
  );
}
