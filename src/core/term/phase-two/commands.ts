/**
 * Phase 2: commands to branches, and their acknowledgements.
 *
 * A commit is retried forever, per branch, with exponential back-off and jitter, and at once when
 * the participant returns. A rollback is retried while its participant is connected; for one that
 * is not nothing is kept: its report on return gets the answer, for absence means abort (presumed
 * abort).
 */
import { backoffMs } from '../../backoff.ts';
import { uphold } from '../../invariants.ts';
import type { Ack } from '../../messages.ts';
import { outcomeOf, type Transaction } from '../../transaction.ts';
import { type Branch, moveBranch } from '../branch.ts';
import type { Sender } from '../events.ts';
import { enterCommand, leaveCommand, nextCommand } from '../flow/flow.ts';
import { flagTransaction } from '../listing/listing.ts';
import type { TermState } from '../state.ts';
import { settle } from './settle.ts';

const notConnected = 'The participant is not connected.';

/**
 * Puts a branch under the decision of its transaction; true where it owes an acknowledgement now.
 */
export function command(state: TermState, branch: Branch): boolean {
  const committing = outcomeOf(branch.transaction.state) === 'committed';
  state.clearBranchTimer(branch);
  branch.wasPrepared = branch.state === 'prepared';
  branch.payload = undefined;
  branch.attempts = 0;
  branch.lastError = null;
  branch.connection = null;
  moveBranch(branch, committing ? 'commit' : 'roll-back');
  const owes = committing
    ? !isRetired(state, branch)
    : branch.instance !== null && state.connected.route(branch) !== null;
  if (!owes) {
    moveBranch(branch, 'settled');
    state.detach(branch);
    return false;
  }
  state.attach(branch);
  attempt(state, branch);
  return true;
}

/** No one is left who could finish it: the branch owes nothing. */
export function isRetired(state: TermState, branch: Branch): boolean {
  const { participant, instance, sharedResource } = branch;
  return instance !== null && state.retired.frees({ participant, instance, sharedResource });
}

/**
 * Sends the command, or counts the attempt where there is no one to send it to, and sets the time
 * of the next.
 */
function attempt(state: TermState, branch: Branch): void {
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
    leaveCommand(state, branch);
    branch.connection = null;
  } else if (!enterCommand(state, branch, peer.connection)) {
    state.clearBranchTimer(branch);
    return;
  }
  if (branch.attempts >= options.attentionAfter) flagAttention(state, branch);
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

function flagAttention(state: TermState, branch: Branch): void {
  if (state.config.options.attentionAfter === 0) return;
  flagTransaction(state, branch.transaction, {
    participant: branch.participant,
    branch: branch.branch,
    attempts: branch.attempts,
    lastError: branch.lastError,
  });
}

/** The timer of a branch in phase 2: no acknowledgement in time, or the pause is over. */
export function retry(state: TermState, branch: Branch): void {
  branch.timer = null;
  if (branch.connection !== null && (branch.lastError ?? notConnected) === notConnected) {
    branch.lastError = `No acknowledgement within ${state.config.options.ackTimeoutMs} ms.`;
  }
  // Behind those that wait, if any do: a window full of commits that cannot be carried out must not
  // keep back those that can.
  leaveCommand(state, branch);
  attempt(state, branch);
}

/** The participant is back: at once, whatever pause was running. */
export function resend(state: TermState, branch: Branch): void {
  attempt(state, branch);
}

/** Sends the commands whose turn came in this step. */
export function sendWaiting(state: TermState): void {
  for (;;) {
    const branch = nextCommand(state);
    if (branch === null) return;
    attempt(state, branch);
  }
}

/** The connection by which a rollback was sent is gone: nothing is kept. */
export function abandonRollback(state: TermState, branch: Branch): void {
  if (state.connected.route(branch) !== null) {
    attempt(state, branch);
    return;
  }
  settleBranch(state, branch);
}

export function acknowledge(state: TermState, from: Sender, message: Ack): void {
  const transaction = state.transactions.get(message.txid);
  const branch = transaction?.branches.get(message.branch);
  if (transaction === undefined || branch === undefined) return;
  if (!state.connected.owns(from.connection, branch)) {
    note(state, branch, 'acknowledgement-refused', 'from another instance');
    return;
  }
  const owed = branch.state === 'committing' || branch.state === 'rolling-back';
  const decision = branch.state === 'committing' ? 'commit' : 'abort';
  if (!owed || message.decision !== decision) {
    // An acknowledgement counts only if its decision is the one taken.
    if (owed) note(state, branch, 'acknowledgement-refused', `of ${message.decision}`);
    return;
  }
  if (message.ok) {
    if (state.config.debug) {
      state.note({
        level: 'debug',
        event: 'acknowledgement',
        txid: transaction.txid,
        participant: branch.participant,
        decision,
      });
    }
    leaveCommand(state, branch);
    branch.connection = from.connection;
    branch.acknowledgedBy = from.participant?.instance ?? null;
    settleBranch(state, branch);
    return;
  }
  branch.lastError = message.error?.message ?? 'The participant could not carry it out.';
  state.note({
    level: 'warn',
    event: 'acknowledgement-failed',
    txid: transaction.txid,
    participant: branch.participant,
    decision,
    code: message.error?.code,
    lastError: branch.lastError,
    attempts: branch.attempts,
  });
  // 8.6: it neither prepared nor committed what it is told to commit. No retry will mend that by
  // itself.
  if (message.error?.code === 'UNKNOWN_BRANCH' && decision === 'commit') {
    flagAttention(state, branch);
  }
  // Its place is free until it is sent again.
  leaveCommand(state, branch);
  // Never later than it would have been: a peer that refuses without end must not put the retry off
  // without end.
  const { options, fraction } = state.config;
  const atMs = state.nowMs + backoffMs(branch.attempts, options, fraction());
  state.setBranchTimer(branch, Math.min(atMs, branch.timer?.atMs ?? atMs));
}

export function settleBranch(state: TermState, branch: Branch): void {
  const { transaction } = branch;
  state.clearBranchTimer(branch);
  leaveCommand(state, branch);
  state.detach(branch);
  moveBranch(branch, 'settled');
  transaction.acksOwed -= 1;
  settleIfDone(state, transaction);
}

export function settleIfDone(state: TermState, transaction: Transaction): void {
  if (transaction.acksOwed > 0) return;
  uphold(
    [...transaction.branches.values()].every(
      (branch) => branch.state !== 'committing' && branch.state !== 'rolling-back',
    ),
    'I9',
    () => `${transaction.txid} settled with an acknowledgement owed`,
  );
  settle(state, transaction);
}

function note(state: TermState, branch: Branch, event: string, why: string): void {
  state.note({
    level: 'warn',
    event,
    txid: branch.transaction.txid,
    participant: branch.participant,
    branch: branch.branch,
    why,
  });
}
