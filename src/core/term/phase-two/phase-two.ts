/**
 * Phase 2: commands to branches, their acknowledgements, and letting go of a transaction: its
 * record moves to finished/, then participants may forget it. The door of the room.
 *
 * A commit is retried forever, per branch, with exponential back-off and jitter, and at once when
 * the participant returns. A rollback is retried while its participant is connected; for one that
 * is not nothing is kept: its report on return gets the answer, for absence means abort (presumed
 * abort).
 */
import { backoffMs } from '../../backoff.ts';
import { uphold } from '../../invariants.ts';
import type { Ack } from '../../messages.ts';
import type { SettledByHand } from '../../records.ts';
import { move, outcomeOf, sinceBegin, type Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { type Branch, byHandOf, moveBranch } from '../branch.ts';
import type { Sender } from '../events.ts';
import { commandWindows } from '../flow/flow.ts';
import { flagTransaction, listEnded } from '../listing/listing.ts';
import { releaseLocks } from '../locks/locks.ts';
import { letGo } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { timeEnd } from '../timing.ts';
import { tellSettled, traceIn } from '../traced.ts';
import {
  acknowledgeLate,
  heldByHand,
  isHeld,
  isRetired,
  lateOnes,
  moveIfAcknowledged,
  refuseLate,
} from './by-hand.ts';

export {
  commandAllByHand,
  commandByHand,
  commandLate,
  commandUnasked,
  heldByHand,
  heldOf,
  isKeptByHand,
  isRetired,
  keepByHand,
  keptByHand,
  mayHoldByHand,
  retiredByHand,
  startByHand,
} from './by-hand.ts';

export class PhaseTwoState {
  /** Transactions whose record is on its way from decisions/ to finished/, or is reduced. */
  readonly finishing: Map<Txid, Transaction> = new Map();
  /**
   * Those with a branch that an operator settled by hand, until its participant has acknowledged or
   * is retired and the record has moved: ended or not.
   */
  readonly byHand: Map<Txid, Transaction> = new Map();
  /** Of those, the ones that are all acknowledged: their record is on its way to finished/. */
  readonly moving: Set<Txid> = new Set();
}

export function finishing({ phaseTwo }: TermState): ReadonlyMap<Txid, Transaction> {
  return phaseTwo.finishing;
}

const notConnected = 'The participant is not connected.';

/** Puts a branch under the decision of its transaction, and counts it if it owes that an answer. */
export function command(state: TermState, branch: Branch): void {
  const { transaction } = branch;
  const committing = outcomeOf(transaction.state) === 'committed';
  state.clearTimer(branch);
  branch.payload = undefined;
  branch.attempts = 0;
  branch.lastError = null;
  branch.connection = null;
  moveBranch(branch, committing ? 'commit' : 'roll-back');
  const owes = committing
    ? !isRetired(state, branch) && byHandOf(branch) === null
    : branch.instance !== null && state.connected.route(branch) !== null;
  if (!owes) {
    moveBranch(branch, 'settled');
    branch.settledUs = sinceBegin(transaction, state.nowMs);
    state.detach(branch);
    return;
  }
  transaction.acksOwed += 1;
  state.attach(branch);
  sendCommand(state, branch);
}

/**
 * Sends the command, or counts the attempt where no one is there; sets the time of the next.
 * `now`: whether its window has room or not.
 */
export function sendCommand(
  state: TermState,
  branch: Branch,
  { now }: { readonly now: boolean } = { now: false },
): void {
  const { transaction } = branch;
  const committing = branch.state === 'committing';
  uphold(
    outcomeOf(transaction.state) === (committing ? 'committed' : 'aborted'),
    'I1',
    () => `${transaction.txid}/${branch.branch} is ${branch.state} in ${transaction.state}`,
  );
  const peer = state.connected.route(branch);
  const { options, epoch } = state.config;
  if (peer === null) {
    commandWindows(state).leave(branch);
    branch.connection = null;
  } else if (now) {
    commandWindows(state).push(branch, peer.connection);
  } else if (!commandWindows(state).enter(branch, peer.connection)) {
    state.clearTimer(branch);
    return;
  }
  if (branch.attempts >= options.attentionAfter) flagAttention(state, branch);
  if (branch.attempts > 0) state.figures.retries += 1;
  branch.attempts += 1;
  let delayMs = backoffMs(branch.attempts, options, state.config.fraction());
  if (peer === null) {
    branch.lastError = notConnected;
  } else {
    // Recovered from a record, which does not say.
    if (peer.instance === branch.instance) branch.process = peer.process;
    delayMs += options.ackTimeoutMs;
    state.send(peer.connection, {
      type: committing ? 'commit' : 'rollback',
      txid: transaction.txid,
      branch: branch.branch,
      epoch,
      ...traceIn(state, transaction),
    });
    if (state.config.debug || branch.attempts > 1) {
      state.note({
        level: 'debug',
        event: branch.attempts === 1 ? 'command' : 'retry',
        txid: transaction.txid,
        participant: branch.participant,
        command: committing ? 'commit' : 'rollback',
        attempts: branch.attempts,
      });
    }
  }
  state.setBranchTimer(branch, state.nowMs + delayMs);
}

function flagAttention(state: TermState, of: Branch): void {
  if (state.config.options.attentionAfter === 0) return;
  const { participant, branch, attempts, lastError } = of;
  flagTransaction(state, of.transaction, { participant, branch, attempts, lastError });
}

/** The timer of a branch in phase 2: no acknowledgement in time, or the pause is over. */
export function retry(state: TermState, branch: Branch): void {
  branch.timer = null;
  if (branch.connection !== null && (branch.lastError ?? notConnected) === notConnected) {
    branch.lastError = `No acknowledgement within ${state.config.options.ackTimeoutMs} ms.`;
  }
  // Behind those that wait, if any do: a window full of commits that cannot be carried out must not
  // keep back those that can.
  commandWindows(state).leave(branch);
  sendCommand(state, branch);
}

/** An operator asks for it. False where its participant is not connected: it is sent then. */
export function retryNow(state: TermState, branch: Branch): boolean {
  if (state.connected.route(branch) === null) return false;
  state.clearTimer(branch);
  sendCommand(state, branch, { now: true });
  return true;
}

/** Sends the commands whose turn came in this step. */
export function sendWaiting(state: TermState): void {
  for (;;) {
    const branch = commandWindows(state).next();
    if (branch === null) return;
    sendCommand(state, branch);
  }
}

/** The connection by which a rollback was sent is gone: nothing is kept. */
export function abandonRollback(state: TermState, branch: Branch): void {
  if (state.connected.route(branch) !== null) {
    sendCommand(state, branch);
    return;
  }
  settleBranch(state, branch);
}

export function acknowledge(state: TermState, from: Sender, message: Ack): void {
  const { txid, ok, error } = message;
  const { byHand } = state.phaseTwo;
  const branch = (state.transactions.get(txid) ?? byHand.get(txid))?.branches.get(message.branch);
  if (branch === undefined) return;
  const { participant, attempts } = branch;
  if (!state.connected.owns(from.connection, branch)) {
    noteRefused(state, branch, 'from another instance');
    return;
  }
  if (isHeld(state, branch)) {
    if (ok && message.decision === 'commit') acknowledgeLate(state, branch, from);
    if (!ok && error?.code === 'UNKNOWN_BRANCH') refuseLate(branch, from);
    return;
  }
  const owed = branch.state === 'committing' || branch.state === 'rolling-back';
  const decision = branch.state === 'committing' ? 'commit' : 'abort';
  if (!owed || message.decision !== decision) {
    // An acknowledgement counts only if its decision is the one taken.
    if (owed) noteRefused(state, branch, `of ${message.decision}`);
    return;
  }
  if (ok) {
    if (state.config.debug) {
      state.note({ level: 'debug', event: 'acknowledgement', txid, participant, decision });
    }
    commandWindows(state).leave(branch);
    branch.connection = from.connection;
    branch.settledBy = from.participant?.instance ?? null;
    settleBranch(state, branch);
    return;
  }
  const lastError = error?.message ?? 'The participant could not carry it out.';
  branch.lastError = lastError;
  state.note({
    level: 'warn',
    event: 'acknowledgement-failed',
    txid,
    participant,
    decision,
    code: error?.code,
    lastError,
    attempts,
  });
  // 8.6: it neither prepared nor committed what it is told to commit. A retry alone
  // will not cure that.
  if (error?.code === 'UNKNOWN_BRANCH' && decision === 'commit') {
    flagAttention(state, branch);
  }
  // Its place is free until it is sent again.
  commandWindows(state).leave(branch);
  // Never later than it would have been: a peer that refuses without end must not put the retry off
  // without end.
  const { options, fraction } = state.config;
  const atMs = state.nowMs + backoffMs(attempts, options, fraction());
  state.setBranchTimer(branch, Math.min(atMs, branch.timer?.atMs ?? atMs));
}

export function settleBranch(state: TermState, branch: Branch): void {
  const { transaction } = branch;
  state.clearTimer(branch);
  commandWindows(state).leave(branch);
  state.detach(branch);
  moveBranch(branch, 'settled');
  branch.settledUs = sinceBegin(transaction, state.nowMs);
  transaction.acksOwed -= 1;
  settleIfDone(state, transaction);
}

/** An operator's word, durable where it must be. */
export function settleByHand(state: TermState, branch: Branch, mark: SettledByHand): void {
  const { transaction, participant } = branch;
  const { txid } = transaction;
  const isCommit = branch.state === 'committing';
  branch.settledBy = { mark, acknowledgedBy: null, unknownTo: [] };
  if (isCommit) state.phaseTwo.byHand.set(txid, transaction);
  const fields = { txid, branch: branch.branch, participant, by: mark.by, reason: mark.reason };
  state.note({ level: 'warn', event: 'settled-by-hand', ...fields });
  settleBranch(state, branch);
}

/** Once every branch is settled it leaves the leader's memory for the recent ones. */
export function settleIfDone(state: TermState, transaction: Transaction): void {
  if (transaction.acksOwed > 0) return;
  uphold(
    [...transaction.branches.values()].every(
      (branch) => branch.state !== 'committing' && branch.state !== 'rolling-back',
    ),
    'I9',
    () => `${transaction.txid} settled with an acknowledgement owed`,
  );
  move(transaction, 'settled');
  timeEnd(state, transaction);
  tellSettled(state, transaction);
  state.transactions.delete(transaction.txid);
  releaseLocks(state, transaction);
  state.endedDuringScan?.add(transaction.txid);
  listEnded(state, transaction);
  const left = heldByHand(state, transaction.txid).map(({ branch }) => branch);
  if (left.length > 0) {
    // Until these have acknowledged its record says "commit" to them (!).
    state.phaseTwo.finishing.set(transaction.txid, transaction);
    const { txid } = transaction;
    state.outbox.push({ type: 'settle', settlement: { txid, byHand: [], left } });
  } else if (transaction.inDecisions) {
    state.phaseTwo.byHand.delete(transaction.txid);
    // Forgetting comes after the record has moved: were it the other way round, a new leader would
    // find the record, send the commit again, and be told that no one knows the branch.
    state.phaseTwo.finishing.set(transaction.txid, transaction);
    state.outbox.push({ type: 'finish', txid: transaction.txid });
  } else {
    letGo(state, transaction);
    forget(state, [transaction], { moved: true });
  }
}

/** Their records have moved. */
export function finished(state: TermState, txids: readonly Txid[]): void {
  const { finishing } = state.phaseTwo;
  const done: Transaction[] = [];
  for (const txid of txids) {
    const transaction = finishing.get(txid) ?? lateOnes(state, txid);
    if (transaction === undefined) continue;
    if (finishing.delete(txid)) letGo(state, transaction);
    state.phaseTwo.byHand.delete(txid);
    state.endedDuringScan?.add(txid);
    done.push(transaction);
  }
  forget(state, done, { moved: true });
}

/** Its record names those alone that were settled by hand. The others may forget it. */
export function reduced(state: TermState, txid: Txid): void {
  const transaction = state.phaseTwo.finishing.get(txid);
  if (transaction === undefined) return;
  state.phaseTwo.finishing.delete(txid);
  state.endedDuringScan?.add(txid);
  letGo(state, transaction);
  forget(state, [transaction], { moved: false });
  moveIfAcknowledged(state, txid);
}

/** Tells participants that they may forget what they keep of these transactions. */
function forget(
  state: TermState,
  transactions: readonly Transaction[],
  { moved }: { readonly moved: boolean },
): void {
  const byConnection = new Map<number, Transaction['txid'][]>();
  for (const transaction of transactions) {
    const branches = [...transaction.branches.values()];
    // In doubt, perhaps (I4), and the record that stays names them. A `forget` is of a transaction
    // and not of a branch: who has acknowledged another branch of it waits, too.
    const held = moved ? [] : branches.filter((branch) => byHandOf(branch) !== null);
    for (const branch of branches) {
      if (branch.state !== 'committed' && branch.state !== 'readonly') continue;
      if (held.some(({ participant }) => participant === branch.participant)) continue;
      const peer = state.connected.routeForget(branch);
      // Not connected: its report on return gets the answer.
      if (peer === null) continue;
      const txids = byConnection.get(peer.connection);
      if (txids === undefined) byConnection.set(peer.connection, [transaction.txid]);
      else if (txids.at(-1) !== transaction.txid) txids.push(transaction.txid);
    }
  }
  for (const [connection, txids] of byConnection) state.send(connection, { type: 'forget', txids });
}

function noteRefused(state: TermState, of: Branch, why: string): void {
  const { participant, branch } = of;
  const { txid } = of.transaction;
  state.note({ level: 'warn', event: 'acknowledgement-refused', txid, participant, branch, why });
}
