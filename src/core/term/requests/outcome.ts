/** Telling those who wait what became of a transaction. */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { DecisionSource, OutcomeMessage } from '../../messages.ts';
import type { RequestEntry } from '../../records.ts';
import { outcomeOf, type Transaction, type Waiter } from '../../transaction.ts';
import type { TermState } from '../state.ts';

/** Requests that may wait for one transaction: beyond them someone repeats himself in a loop. */
const maxWaiters = 1_000;

function outcomeMessage(transaction: Transaction, id: number): OutcomeMessage {
  if (outcomeOf(transaction.state) === 'committed') {
    return {
      type: 'outcome',
      id,
      txid: transaction.txid,
      outcome: 'committed',
      ...(transaction.readonly ? { readonly: true } : {}),
      results: resultsOf(transaction),
    };
  }
  return {
    type: 'outcome',
    id,
    txid: transaction.txid,
    outcome: 'aborted',
    reason: transaction.reason ?? abortReason('LEADER_CHANGED'),
    results: null,
  };
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
  if (transaction.waiters.length >= maxWaiters) {
    state.fail(waiter, 'BUSY', {
      message: `${maxWaiters} requests wait for this transaction already.`,
      retryAfterMs: 250,
      txid: transaction.txid,
    });
    return false;
  }
  transaction.waiters.push(waiter);
  return true;
}

export function answer(state: TermState, transaction: Transaction, waiter: Waiter): void {
  const outcome = outcomeOf(transaction.state);
  uphold(outcome !== null, 'I2', () => `${transaction.txid} answered in ${transaction.state}`);
  if (waiter.type === 'outcome') {
    state.send(waiter.connection, outcomeMessage(transaction, waiter.id));
    return;
  }
  state.send(waiter.connection, {
    type: 'decision',
    id: waiter.id,
    txid: transaction.txid,
    decision: outcome === 'committed' ? 'commit' : 'abort',
    source: sourceOf(transaction),
  });
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
  const waiters = transaction.waiters;
  transaction.waiters = [];
  for (const waiter of waiters) answer(state, transaction, waiter);
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
  entry: RequestEntry | null | 'failed',
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
  if (state.nowMs - transaction.requestedAtMs <= state.config.requestWindowMs) {
    answerWaiters(state, transaction);
    return;
  }
  // Past the window an earlier attempt's key may have been collected: its absence says nothing.
  const waiters = transaction.waiters;
  transaction.waiters = [];
  for (const waiter of waiters) state.fail(waiter, 'EXPIRED', { txid: transaction.txid });
}

/**
 * Those who asked about the txid itself: its abort is final, whatever else the request id stands
 * for.
 */
function answerDecisions(state: TermState, transaction: Transaction): void {
  const decisions = transaction.waiters.filter((waiter) => waiter.type === 'decision');
  transaction.waiters = transaction.waiters.filter((waiter) => waiter.type === 'outcome');
  for (const waiter of decisions) answer(state, transaction, waiter);
}

/**
 * Another transaction committed under the request id: its outcome is the answer, unless the content
 * differs.
 */
export function answerDuplicate(
  state: TermState,
  transaction: Transaction,
  entry: RequestEntry,
): void {
  answerDecisions(state, transaction);
  const waiters = transaction.waiters;
  transaction.waiters = [];
  const requestId = transaction.requestId;
  const memory = requestId === null ? null : state.requests.table.get(requestId);
  const same = entry.requestHash === transaction.requestHash;
  if (memory?.transaction === transaction) {
    memory.txid = entry.txid;
    // Where the content differs, the memory is from now on of the one that committed: a late copy
    // of this one is in conflict with it still when the log has let go of the key.
    if (!same) {
      memory.hash = entry.requestHash;
      memory.refused = null;
    }
    state.requests.table.end(
      memory,
      { state: 'committed', readonly: false },
      { nowMs: state.nowMs, results: null },
    );
  }
  for (const waiter of waiters) {
    if (!same) {
      state.fail(waiter, 'REQUEST_CONFLICT');
    } else {
      state.send(waiter.connection, {
        type: 'outcome',
        id: waiter.id,
        txid: entry.txid,
        outcome: 'committed',
        results: null,
      });
    }
  }
}

export function failWaiters(state: TermState, transaction: Transaction): void {
  const waiters = transaction.waiters;
  transaction.waiters = [];
  for (const waiter of waiters) {
    state.fail(waiter, 'OUTCOME_UNKNOWN', { txid: transaction.txid });
  }
}

/** Notes the end of the attempt under the request id, for its repeats. */
export function endRequest(state: TermState, transaction: Transaction): void {
  if (transaction.requestId === null) return;
  const memory = state.requests.table.get(transaction.requestId);
  if (memory === null || memory.txid !== transaction.txid) return;
  if (outcomeOf(transaction.state) === 'committed') {
    state.requests.table.end(
      memory,
      { state: 'committed', readonly: transaction.readonly },
      { nowMs: state.nowMs, results: resultsOf(transaction) },
    );
  } else {
    const reason: AbortReason = transaction.reason ?? abortReason('LEADER_CHANGED');
    state.requests.table.end(
      memory,
      { state: 'aborted', reason },
      { nowMs: state.nowMs, results: null },
    );
  }
}
