/**
 * What an operator does to a transaction that is decided: has its commands sent now, or states that
 * a branch was settled by hand (docs/PROTOCOL.md, section 4; ADR 9). The door of the room.
 *
 * The interleaving that matters: the participant of such a branch is back later, in doubt. So its
 * record stays in decisions/, and says "commit" to whoever asks. The operator's word is durable
 * before anything goes by it; a branch that acknowledges by itself until then has done so.
 */
import type { BranchStatus, RetriedBranch, Retry } from '../../messages.ts';
import type { Settlement } from '../../records.ts';
import { outcomeOf } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { type Branch, byHandOf } from '../branch.ts';
import { type AcknowledgeBy, type ReplyTo, type Sender, senderOf } from '../events.ts';
import { recent } from '../listing/listing.ts';
import {
  commandLate,
  heldByHand,
  keptByHand,
  mayHoldByHand,
  reduced,
  retryNow,
  settleByHand,
} from '../phase-two/phase-two.ts';
import { isScanning } from '../recovery/recovery.ts';
import type { TermState } from '../state.ts';

export class OperatorState {
  /** Who waits for the log. */
  readonly asked: Map<Txid, { readonly branch: string; readonly to: ReplyTo }[]> = new Map();
}

export function acknowledgeByHand(state: TermState, from: Sender, message: AcknowledgeBy): void {
  const { txid, by, reason } = message;
  const to = senderOf(from, message.id);
  const known = decidedBranch(state, to, txid, message.branch);
  if (known === null) return;
  const branch = state.transactions.get(txid)?.branches.get(message.branch);
  if (branch === undefined || !isOwed(branch)) {
    tell(state, to, txid, known);
    return;
  }
  const mark = {
    branch: branch.branch,
    participant: branch.participant,
    by,
    reason,
    atMs: state.config.wallMs(),
  };
  if (branch.state === 'rolling-back') {
    // Nothing to write: that there is no record says "abort" to whoever asks.
    settleByHand(state, branch, mark);
    tell(state, to, txid, branch);
    return;
  }
  if (!mayHoldByHand(state, txid)) {
    state.fail(to, 'LIMIT_EXCEEDED', { txid, message: tooMany });
    return;
  }
  const { asked } = state.operator;
  asked.set(txid, [...(asked.get(txid) ?? []), { branch: branch.branch, to }]);
  state.outbox.push({ type: 'settle', settlement: { txid, byHand: [mark], left: null } });
}

const tooMany =
  'As many transactions as may be have a branch that was settled by hand and did not acknowledge after all. Retire the instances that never come back: verdict retire.';

/** The log has it; `written`: false where there was no record any more. */
export function settlementWritten(
  state: TermState,
  { txid, byHand, left }: Settlement,
  written: boolean,
): void {
  if (left !== null) {
    reduced(state, txid);
    return;
  }
  const transaction = state.transactions.get(txid);
  for (const mark of byHand) {
    const branch = transaction?.branches.get(mark.branch);
    // It may have acknowledged by itself meanwhile.
    if (written && branch?.state === 'committing') settleByHand(state, branch, mark);
  }
  const waiting = state.operator.asked.get(txid) ?? [];
  state.operator.asked.delete(txid);
  for (const { branch, to } of waiting) {
    const known = decidedBranch(state, to, txid, branch);
    if (known !== null) tell(state, to, txid, known);
  }
}

export function retryCommands(state: TermState, from: Sender, message: Retry): void {
  const { id, txid, branch: name } = message;
  const to = senderOf(from, id);
  const known =
    name === undefined ? decided(state, to, txid) : decidedBranch(state, to, txid, name);
  if (known === null) return;
  const owed = [...(state.transactions.get(txid)?.branches.values() ?? [])].filter(isOwed);
  const branches: RetriedBranch[] = [];
  for (const of of [...owed, ...heldByHand(state, txid)]) {
    const { branch, participant } = of;
    if (name !== undefined && branch !== name) continue;
    const command = of.state === 'rolling-back' ? 'abort' : 'commit';
    const sent = isOwed(of) ? retryNow(state, of) : commandLate(state, of);
    branches.push({ branch, participant, command, sent });
  }
  state.send(from.connection, { type: 'retried', id, txid, branches });
}

/** The leadership is over: what was written, the next one reads. */
export function failAsked(state: TermState): void {
  const { asked } = state.operator;
  for (const [txid, waiting] of asked) {
    for (const { to } of waiting) state.fail(to, 'NOT_LEADER', { txid });
  }
  asked.clear();
}

function isOwed({ state: now }: Branch): boolean {
  return now === 'committing' || now === 'rolling-back';
}

/** A branch in memory, or as it is remembered of a transaction that has ended. */
type Known = Branch | BranchStatus;

/** Its branches, where it is decided. Null: it has answered. */
function decided(state: TermState, to: ReplyTo, txid: Txid): readonly Known[] | null {
  const live = state.transactions.get(txid);
  if (live !== undefined) {
    if (outcomeOf(live.state) !== null) return live.branches.values();
    state.fail(to, 'WRONG_STATE', { txid, message: undecided });
    return null;
  }
  const ended = recent(state).get(txid);
  if (ended !== null) return ended.status.branches;
  const kept = keptByHand(state, txid);
  if (kept !== null) return kept.branches.values();
  if (isScanning(state)) state.fail(to, 'BUSY', { txid, retryAfterMs: 200 });
  else state.fail(to, 'UNKNOWN_TRANSACTION', { txid, message: over });
  return null;
}

function decidedBranch(state: TermState, to: ReplyTo, txid: Txid, name: string): Known | null {
  const branches = decided(state, to, txid);
  if (branches === null) return null;
  const branch = branches.find((each) => each.branch === name);
  if (branch !== undefined) return branch;
  const names = branches.map((each) => each.branch);
  const some = names.slice(0, maxNamed).join(', ');
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : '';
  const message = `The transaction has no branch ${name}: it has ${some}${more}. Nothing was done.`;
  state.fail(to, 'UNKNOWN_BRANCH', { txid, message });
  return null;
}

function tell(state: TermState, { connection, id }: ReplyTo, txid: Txid, known: Known): void {
  const now = state.transactions.get(txid)?.state ?? recent(state).get(txid)?.status.state;
  state.send(connection, {
    type: 'acknowledged',
    id,
    txid,
    branch: known.branch,
    byHand: 'settledBy' in known ? byHandOf(known) !== null : known.byHand !== undefined,
    state: now ?? 'COMMITTED',
  });
}

const maxNamed = 20;

const undecided =
  'The transaction is not decided yet, so no branch owes an acknowledgement. To end it: verdict resolve TXID.';
const over =
  'No branch of this transaction owes anything: it has ended, or was never begun. See verdict tx show TXID.';
