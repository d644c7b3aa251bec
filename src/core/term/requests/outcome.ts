/** Telling those who wait what became of a transaction. */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { DecisionSource, OutcomeMessage } from '../../messages.ts';
import type { RequestEntry } from '../../records.ts';
import { outcomeOf, requestedAtMs, type Transaction, type Waiter } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import type { ReplyTo, RequestAnswer } from '../events.ts';
import type { TermState } from '../state.ts';

/** Requests that may wait for one transaction: beyond them someone repeats himself in a loop. */
const maxWaiters = 1_000;

export function committedMessage(
  { id }: ReplyTo,
  txid: Txid,
  results: OutcomeMessage['results'] = null,
  readonly = false,
): OutcomeMessage {
  const message = { type: 'outcome', id, txid, outcome: 'committed', results } as const;
  return readonly ? { ...message, readonly } : message;
}

export function abortedMessage(
  { id }: ReplyTo,
  txid: Txid,
  reason: AbortReason | undefined,
): OutcomeMessage {
  const given = reason === undefined ? {} : { reason };
  return { type: 'outcome', id, txid, outcome: 'aborted', ...given, results: null };
}

function reasonOf({ reason }: Transaction): AbortReason {
  return reason ?? abortReason('LEADER_CHANGED');
}

function resultsOf(transaction: Transaction): Readonly<Record<string, unknown>> | null {
  if (transaction.recovered || transaction.resultsDropped) return null;
  const results: Record<string, unknown> = {};
  for (const branch of transaction.branches.values()) {
    if (branch.result !== undefined) {
      // Names come from outside: defineProperty keeps `__proto__` an ordinary key.
      Object.defineProperty(results, branch.branch, {
        value: branch.result,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
  return results;
}

/** A request that waits for an undecided transaction; answered by `answerWaiters`. */
export function wait(state: TermState, transaction: Transaction, waiter: Waiter): boolean {
  const { waiters } = transaction;
  if (waiters !== null && waiters.length >= maxWaiters) {
    state.fail(waiter, 'BUSY', {
      message: `${maxWaiters} requests wait for this transaction already.`,
      retryAfterMs: 250,
      txid: transaction.txid,
    });
    return false;
  }
  if (waiters === null) transaction.waiters = [waiter];
  else waiters.push(waiter);
  return true;
}

export function answer(state: TermState, transaction: Transaction, waiter: Waiter): void {
  const outcome = outcomeOf(transaction.state);
  uphold(outcome !== null, 'I2', () => `${transaction.txid} answered in ${transaction.state}`);
  const { connection, id } = waiter;
  const { txid, readonly } = transaction;
  const committed = outcome === 'committed';
  if (waiter.type === 'decision') {
    const decision = committed ? 'commit' : 'abort';
    state.send(connection, { type: 'decision', id, txid, decision, source: sourceOf(transaction) });
  } else if (committed) {
    state.send(connection, committedMessage(waiter, txid, resultsOf(transaction), readonly));
  } else {
    state.send(connection, abortedMessage(waiter, txid, reasonOf(transaction)));
  }
}

export function sourceOf(
  transaction: Pick<Transaction, 'state' | 'readonly' | 'requestId' | 'reason'>,
): DecisionSource {
  if (outcomeOf(transaction.state) === 'committed') {
    // Branches that only read leave no record.
    return transaction.readonly && transaction.requestId === null ? 'presumed' : 'recorded';
  }
  return transaction.reason?.code === 'FORCED' ? 'forced' : 'presumed';
}

export function answerWaiters(state: TermState, transaction: Transaction): void {
  for (const waiter of takeWaiters(transaction)) answer(state, transaction, waiter);
}

function takeWaiters(transaction: Transaction): readonly Waiter[] {
  const { waiters } = transaction;
  transaction.waiters = null;
  return waiters ?? [];
}

/**
 * Answers those who wait for an aborted transaction.
 *
 * Without a request id the abort is final as it stands: only this leadership could have committed
 * the txid, and it will not. With one, "aborted" says that no transaction committed under the id,
 * and that is the log's to say: an earlier leadership may have committed an earlier attempt (I8). A
 * leader that is not certain of its leadership at that moment cannot trust the reading to be the
 * last word.
 */
export function answerAborted(state: TermState, transaction: Transaction): void {
  answerDecisions(state, transaction);
  const requestId = transaction.requestId;
  if (requestId === null) {
    answerWaiters(state, transaction);
    return;
  }
  state.readRequest(requestId, { type: 'aborted', transaction });
}

/** The log was asked. */
export function abortedRead(
  state: TermState,
  transaction: Transaction,
  entry: RequestAnswer,
): void {
  const { requestId } = transaction;
  if (entry === 'failed') {
    failWaiters(state, transaction);
    const memory = requestId === null ? null : state.requests.table.get(requestId);
    if (memory?.transaction === transaction) state.requests.table.drop(memory, state.nowMs);
    return;
  }
  if (entry !== null && entry.txid !== transaction.txid) {
    answerDuplicate(state, transaction, entry);
    return;
  }
  endRequest(state, transaction);
  if (state.nowMs - requestedAtMs(transaction) <= state.config.requestWindowMs) {
    answerWaiters(state, transaction);
    return;
  }
  // Past the window an earlier attempt's key may have been collected: its absence says nothing.
  const { txid } = transaction;
  for (const waiter of takeWaiters(transaction)) state.fail(waiter, 'EXPIRED', { txid });
}

/** Those who asked about the txid: its abort is final, whatever the request id stands for. */
function answerDecisions(state: TermState, transaction: Transaction): void {
  const waiters = takeWaiters(transaction);
  const decisions = waiters.filter((waiter) => waiter.type === 'decision');
  if (decisions.length < waiters.length) {
    transaction.waiters = waiters.filter((waiter) => waiter.type === 'outcome');
  }
  for (const waiter of decisions) answer(state, transaction, waiter);
}

/** Another one committed under the request id: that is the answer, unless the content differs. */
export function answerDuplicate(
  state: TermState,
  transaction: Transaction,
  entry: RequestEntry,
): void {
  answerDecisions(state, transaction);
  const { table } = state.requests;
  const { requestId } = transaction;
  const memory = requestId === null ? null : table.get(requestId);
  const same = entry.requestHash === transaction.requestHash;
  if (memory?.transaction === transaction) {
    memory.txid = entry.txid;
    // Where the content differs, the memory is from now on of the one that committed: a late copy
    // of this one is in conflict with it still when the log has let go of the key.
    if (!same) {
      memory.hash = entry.requestHash;
      memory.refused = null;
    }
    table.end(memory, { state: 'committed', readonly: false }, state.nowMs);
  }
  for (const waiter of takeWaiters(transaction)) {
    if (same) state.send(waiter.connection, committedMessage(waiter, entry.txid));
    else state.fail(waiter, 'REQUEST_CONFLICT');
  }
}

export function failWaiters(state: TermState, transaction: Transaction): void {
  const { txid } = transaction;
  for (const waiter of takeWaiters(transaction)) state.fail(waiter, 'OUTCOME_UNKNOWN', { txid });
}

/** Notes the end of the attempt under the request id, for its repeats. */
export function endRequest(state: TermState, transaction: Transaction): void {
  if (transaction.requestId === null) return;
  const { table } = state.requests;
  const memory = table.get(transaction.requestId);
  if (memory === null || memory.txid !== transaction.txid) return;
  if (outcomeOf(transaction.state) === 'committed') {
    const known = { state: 'committed', readonly: transaction.readonly } as const;
    table.end(memory, known, state.nowMs, resultsOf(transaction));
  } else {
    table.end(memory, { state: 'aborted', reason: reasonOf(transaction) }, state.nowMs);
  }
}
