/**
 * Phase 1: prepares in parallel, votes, and what ends the wait for one.
 *
 * Interleavings that matter:
 * - A participant's connection breaks between prepare and vote and comes back. The prepare is sent
 *   again on the new connection (same answer, no second effect, 8.2), and the vote counts only from
 *   the connection that carries the latest prepare: a vote still under way on the old one is not
 *   counted twice.
 * - A vote arrives after the decision. It changes nothing and is answered with the decision.
 * - A prepare must never follow a decision: only PREPARING sends prepares, checked here.
 */
import { abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { VoteMessage, Working } from '../../messages.ts';
import { deadlineAtMs, move, outcomeOf, sinceBegin, type Transaction } from '../../transaction.ts';
import { type Branch, moveBranch } from '../branch.ts';
import type { Sender } from '../events.ts';
import {
  admit,
  heardOf,
  notConnected,
  offerAgain,
  prepareSent,
  prepareSilent,
  prepareTimeoutMs,
  releasePlace,
  voteCounted,
  votedLate,
} from '../flow/flow.ts';
import { hold, holdsVoted, measure, tooLarge } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { traceIn } from '../traced.ts';
import { abort, allVoted } from './decide.ts';

/**
 * For the instance that has the branch, where another takes new work: a connection that broke is
 * back within a few round trips. One whose process died is not, and all that it was sent would hold
 * its locks elsewhere, while the transaction could be tried again with the other.
 */
const instanceWaitMs = 1_000;

/** Freezes the branch set and sends every prepare, at once or when its participants have room. */
export function freeze(state: TermState, transaction: Transaction): void {
  move(transaction, 'freeze');
  transaction.votesOwed = transaction.branches.size;
  if (transaction.votesOwed === 0) {
    allVoted(state, transaction);
    return;
  }
  startPrepares(state, transaction);
}

/** At once, or when its turn comes; or it is refused. */
export function startPrepares(state: TermState, transaction: Transaction): void {
  const verdict = admit(state, transaction);
  if (verdict === 'waits') return;
  if (verdict !== 'admitted') {
    abort(state, transaction, verdict);
    return;
  }
  // All of them before the first is sent: who is connected may be others than when it was begun.
  for (const branch of transaction.branches.values()) measure(state, branch);
  for (const branch of transaction.branches.values()) {
    // An earlier one's time-out of 0, or its record's size, may have aborted the transaction.
    if (transaction.state !== 'PREPARING') return;
    sendPrepare(state, branch);
  }
}

export function sendPrepare(state: TermState, branch: Branch): void {
  const { transaction, participant, branch: name } = branch;
  const { txid } = transaction;
  uphold(
    transaction.state === 'PREPARING',
    'I3',
    () => `prepare for ${txid}/${name} in ${transaction.state}`,
  );
  const { options, epoch } = state.config;
  const { nowMs } = state;
  state.attach(branch);
  const peer = state.connected.routePrepare(branch);
  if (peer === null) {
    // Another instance came, to which the branch does not belong: the wait goes on and does not
    // begin anew.
    if (branch.state === 'unreachable') return;
    moveBranch(branch, 'unreachable');
    branch.connection = null;
    if (options.participantWaitMs === 0) {
      endUnreachable(state, branch);
      return;
    }
    const isAlone = branch.instance === null || !state.connected.takesWork(participant);
    const waitMs = isAlone
      ? options.participantWaitMs
      : Math.min(options.participantWaitMs, instanceWaitMs);
    const waitUntilMs = nowMs + waitMs;
    state.setBranchTimer(
      branch,
      branch.prepareUntilMs === null ? waitUntilMs : Math.min(waitUntilMs, branch.prepareUntilMs),
    );
    return;
  }
  const reason = tooLarge(state, transaction);
  if (reason !== null) {
    abort(state, transaction, reason);
    return;
  }
  if (branch.instance === null) {
    branch.instance = peer.instance;
    branch.sharedResource = peer.sharedResource;
    measure(state, branch);
  }
  branch.process = peer.process;
  moveBranch(branch, 'prepare');
  branch.connection = peer.connection;
  const isFirst = branch.prepareUntilMs === null;
  if (isFirst) {
    branch.sentUs = sinceBegin(transaction, nowMs);
    const timeoutMs = prepareTimeoutMs(state, participant) ?? Number.POSITIVE_INFINITY;
    branch.prepareUntilMs = Math.min(nowMs + timeoutMs, deadlineAtMs(transaction));
  }
  setPrepareTimer(state, branch);
  prepareSent(state, branch, { isFirst });
  state.send(peer.connection, {
    type: 'prepare',
    txid,
    branch: name,
    epoch,
    witness: state.witness,
    timeoutMs: Math.max(1, Math.ceil(deadlineAtMs(transaction) - nowMs)),
    payload: branch.payload,
    ...traceIn(state, transaction),
  });
  if (state.config.debug) {
    state.note({ level: 'debug', event: 'prepare', txid, participant, branch: name });
  }
}

/** The timer of a branch in phase 1: it did not vote in time, or its participant did not come. */
export function prepareTimedOut(state: TermState, branch: Branch): void {
  branch.timer = null;
  if (branch.state === 'unreachable') {
    endUnreachable(state, branch);
    return;
  }
  const { transaction, participant } = branch;
  const { txid } = transaction;
  state.note({ level: 'debug', event: 'time-out', txid, participant, of: 'prepare' });
  prepareSilent(state, branch);
  const message = `${participant} did not vote in time.`;
  abort(state, transaction, abortReason('PREPARE_TIMEOUT', { participant, message }));
}

function endUnreachable(state: TermState, branch: Branch): void {
  // Those who wait for it need not wait any longer to hear the same.
  offerAgain(state, branch.participant);
  const reason = notConnected(state, branch.transaction);
  if (reason !== null) abort(state, branch.transaction, reason);
}

const votes = {
  commit: 'voted-commit',
  readonly: 'voted-readonly',
  abort: 'voted-abort',
} as const;

/** True where it came too late, and its sender is in doubt. One that holds nothing is not. */
export function vote(state: TermState, from: Sender, message: VoteMessage): boolean {
  const { txid, reason, result } = message;
  const transaction = state.transactions.get(txid);
  if (transaction === undefined) {
    if (from.participant !== null) votedLate(state, from.participant.name);
    return message.vote === 'commit';
  }
  const branch = transaction.branches.get(message.branch);
  if (branch === undefined || branch.participant !== from.participant?.name) {
    refuse(state, from, message, 'no such branch of this participant');
    return false;
  }
  if (transaction.state !== 'PREPARING') {
    if (branch.state === 'rolling-back') {
      heardOf(state, branch);
      votedLate(state, branch.participant);
    }
    return outcomeOf(transaction.state) !== null && message.vote === 'commit';
  }
  if (branch.state !== 'preparing' || branch.connection !== from.connection) {
    // A repeat of a counted vote, or one from a connection that does not carry the latest prepare.
    if (branch.state !== 'preparing' && counted(branch) !== message.vote) {
      refuse(state, from, message, `voted ${counted(branch) ?? 'nothing'} before`);
    }
    return false;
  }
  state.clearTimer(branch);
  state.detach(branch);
  branch.payload = undefined;
  // How large it was is still told.
  hold(state, transaction, -branch.payloadBytes);
  voteCounted(state, branch);
  releasePlace(state, branch);
  if (state.config.debug) {
    const { participant } = branch;
    state.note({ level: 'debug', event: 'vote', txid, participant, vote: message.vote });
  }
  moveBranch(branch, votes[message.vote]);
  branch.votedUs = sinceBegin(transaction, state.nowMs);
  if (message.vote === 'abort') {
    const detail = reason?.detail;
    const isKept = detail !== undefined && holdsVoted(state, transaction, detail);
    const given = {
      participant: branch.participant,
      ...(reason === undefined ? {} : { message: reason.message }),
      ...(reason?.retryable === undefined ? {} : { retryable: reason.retryable }),
      ...(isKept ? { detail } : {}),
    };
    abort(state, transaction, abortReason(reason?.code ?? 'VOTED_ABORT', given));
    return false;
  }
  if (holdsVoted(state, transaction, result)) branch.result = result;
  else transaction.resultsDropped = true;
  transaction.votesOwed -= 1;
  if (transaction.votesOwed === 0) allVoted(state, transaction);
  return false;
}

function counted(branch: Branch): VoteMessage['vote'] | null {
  if (branch.state === 'prepared') return 'commit';
  if (branch.state === 'readonly') return 'readonly';
  if (branch.state === 'refused') return 'abort';
  return null;
}

function refuse(state: TermState, from: Sender, message: VoteMessage, why: string): void {
  state.note({
    level: 'warn',
    event: 'vote-refused',
    txid: message.txid,
    participant: from.participant?.name,
    branch: message.branch,
    vote: message.vote,
    why,
  });
}

/** "Still at it": restarts the branch's own time-out; the transaction's stays. */
export function working(state: TermState, from: Sender, message: Working): void {
  const branch = state.transactions.get(message.txid)?.branches.get(message.branch);
  if (branch?.state !== 'preparing' || branch.connection !== from.connection) return;
  heardOf(state, branch);
  // By the longest one: it is there, and how often it says so is its own affair.
  const longestMs = state.config.options.prepareTimeoutMs;
  if (longestMs === 0) return;
  branch.prepareUntilMs = Math.min(state.nowMs + longestMs, deadlineAtMs(branch.transaction));
  setPrepareTimer(state, branch);
}

/** Where the transaction's own time-out is not later, that one is the reason to name. */
function setPrepareTimer(state: TermState, branch: Branch): void {
  if (branch.prepareUntilMs !== null && branch.prepareUntilMs < deadlineAtMs(branch.transaction)) {
    state.setBranchTimer(branch, branch.prepareUntilMs);
  } else {
    state.clearTimer(branch);
  }
}
