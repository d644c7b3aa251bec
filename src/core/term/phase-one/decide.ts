/**
 * Taking the decision.
 *
 * The interleavings that matter here:
 * - A time-out, a rollback or a forced abort meets a transaction whose commit is being written. It
 *   must not abort: the write may be durable already. READY therefore leaves only by the log's
 *   answer.
 * - The answer "aborted" of the log (someone forced it, or the floor passed) is final: the commit
 *   can never be written. Ours aborts, and no one was told otherwise, since no one is told before
 *   the answer.
 * - The reply to the write is lost. The driver ends the leadership; `lost` reads the fate from the
 *   log.
 */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { DecideResult, DecisionWrite, RecordedBranch, RequestEntry } from '../../records.ts';
import { move, requestedAtMs, type Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { leaveQueue, releasePlace } from '../flow/flow.ts';
import { recordedLocks, releaseLocks } from '../locks/locks.ts';
import { command, isRetired, settleIfDone } from '../phase-two/phase-two.ts';
import {
  answerAborted,
  answerDuplicate,
  answerWaiters,
  endRequest,
  requestTable,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { timeDecision } from '../timing.ts';
import { recordedTrace, tellDecided } from '../traced.ts';

/** Every branch voted commit or readonly. */
export function allVoted(state: TermState, transaction: Transaction): void {
  if (
    transaction.requestId !== null &&
    state.nowMs - requestedAtMs(transaction) > state.config.requestWindowMs
  ) {
    // The time-out was cut to the window, so this is the same moment seen a little earlier.
    abort(state, transaction, abortReason('TRANSACTION_TIMEOUT'));
    return;
  }
  for (const branch of transaction.branches.values()) {
    if (branch.state !== 'prepared' || !isRetired(state, branch)) continue;
    // Its vote is gone with its store: nothing has committed yet, and so nothing need be lost.
    const { participant } = branch;
    const message = `${participant} was retired by an operator after its vote.`;
    abort(state, transaction, abortReason('PARTICIPANT_UNAVAILABLE', { participant, message }));
    return;
  }
  move(transaction, 'all-voted');
  state.clearTimer(transaction);
  const branches: RecordedBranch[] = [];
  for (const branch of transaction.branches.values()) {
    uphold(
      branch.state === 'prepared' || branch.state === 'readonly',
      'I3',
      () => `${transaction.txid}/${branch.branch} is ${branch.state}`,
    );
    if (branch.state === 'readonly') continue;
    uphold(
      branch.instance !== null,
      'I3',
      () => `${transaction.txid}/${branch.branch} voted from nowhere`,
    );
    branches.push({
      branch: branch.branch,
      participant: branch.participant,
      instance: branch.instance,
      ...(branch.sharedResource === null ? {} : { sharedResource: branch.sharedResource }),
    });
  }
  transaction.readonly = branches.length === 0;
  if (transaction.readonly && transaction.requestId === null) {
    // Nothing was changed, so nothing need survive: no record.
    recorded(state, transaction);
    return;
  }
  // One that only reads is over with its decision.
  const locks = transaction.readonly ? undefined : recordedLocks(state, transaction);
  const write: DecisionWrite = {
    record: {
      txid: transaction.txid,
      outcome: 'commit',
      branches,
      ...(transaction.requestId === null || transaction.requestHash === null
        ? {}
        : { requestId: transaction.requestId, requestHash: transaction.requestHash }),
      ...(locks === undefined ? {} : { locks }),
      ...(transaction.readonly ? {} : recordedTrace(state, transaction)),
      atMs: state.config.wallMs(),
    },
    finished: transaction.readonly,
  };
  state.outbox.push({ type: 'decide', write });
}

export function decided(state: TermState, txid: Txid, result: DecideResult): void {
  const transaction = state.transactions.get(txid);
  uphold(
    transaction !== undefined && transaction.state === 'READY',
    'I2',
    () => `${txid} decided in ${transaction?.state ?? 'nowhere'}`,
  );
  if (result.type === 'written') {
    if (transaction.requestId !== null) requestTable(state).logged += 1;
    // One of branches that only read was written straight under finished/.
    transaction.inDecisions = !transaction.readonly;
    recorded(state, transaction);
    return;
  }
  const isForced = result.type === 'aborted';
  const reason = isForced ? abortReason('FORCED') : duplicateReason;
  end(state, transaction, 'denied', { reason, entry: isForced ? null : result.entry });
  // The forced record has done its work: it goes to finished/, where collection finds it.
  if (isForced) state.outbox.push({ type: 'finish', txid });
}

function recorded(state: TermState, transaction: Transaction): void {
  move(transaction, 'recorded');
  timeDecision(state, transaction);
  tellDecided(state, transaction);
  noteDecision(state, transaction);
  answerWaiters(state, transaction);
  endRequest(state, transaction);
  for (const branch of transaction.branches.values()) {
    if (branch.state === 'prepared') command(state, branch);
  }
  settleIfDone(state, transaction);
}

/** Nothing was sent yet, and the log shows that an earlier attempt of the request committed. */
export function abortAsDuplicate(
  state: TermState,
  transaction: Transaction,
  entry: RequestEntry,
): void {
  end(state, transaction, 'abort', { reason: duplicateReason, entry });
}

const duplicateReason = abortReason('ROLLED_BACK', {
  message: 'Another attempt of the same request had committed.',
});

/** Before the log has the decision: aborts at once, without waiting for any other branch. */
export function abort(state: TermState, transaction: Transaction, reason: AbortReason): void {
  end(state, transaction, 'abort', { reason, entry: null });
}

/** `entry`: what committed under the same request id, where it is that. */
function end(
  state: TermState,
  transaction: Transaction,
  event: 'abort' | 'denied',
  { reason, entry }: { readonly reason: AbortReason; readonly entry: RequestEntry | null },
): void {
  move(transaction, event);
  state.clearTimer(transaction);
  transaction.reason = reason;
  timeDecision(state, transaction);
  tellDecided(state, transaction);
  noteDecision(state, transaction);
  if (entry === null) answerAborted(state, transaction);
  else answerDuplicate(state, transaction, entry);
  leaveQueue(state, transaction);
  for (const branch of transaction.branches.values()) {
    releasePlace(state, branch);
    state.clearTimer(branch);
    state.detach(branch);
    branch.payload = undefined;
    // One that voted abort has rolled back by itself; one that only read has nothing to undo.
    if (branch.state !== 'refused' && branch.state !== 'readonly') command(state, branch);
  }
  // After the rollbacks: what is granted by it must not overtake them.
  releaseLocks(state, transaction);
  settleIfDone(state, transaction);
}

function noteDecision(state: TermState, transaction: Transaction): void {
  if (!state.config.debug) return;
  state.note({
    level: 'debug',
    event: 'decision',
    txid: transaction.txid,
    state: transaction.state,
    participants: [...transaction.branches.values()].map((branch) => branch.participant),
    ...(transaction.reason === null ? {} : { reason: transaction.reason.code }),
  });
}
