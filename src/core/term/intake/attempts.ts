/**
 * Idempotent requests: one commit for each request id within the window (I8).
 *
 * The interleavings that matter:
 * - The same request arrives twice while the first runs: the second joins it and gets its outcome.
 * - A stale copy of attempt 1, answered "aborted", arrives after the client gave up on it and is
 *   trying attempt 2: it must not run, or both could. An attempt not above an aborted one gets the
 *   same answer.
 * - The same stale copy arrives while attempt 2 runs, or after it committed: it neither joins nor
 *   gets that outcome, for its own was said.
 * - Attempt 1 committed under the last leader, whose answer was lost; attempt 2 comes to this one.
 *   It may run: its write finds `requests/R` and becomes an abort, and the recorded outcome is the
 *   answer. To spare the participants the work, an attempt above 1 is looked up in the log first.
 * - A copy comes after the window: the key may be collected, so it is never run. Where the key is
 *   there still, that says which transaction committed. It says so as an error and not as the
 *   outcome (!): a copy of an attempt that was answered "aborted" may be this old, and a later
 *   attempt have committed.
 */
import type { RequestEntry } from '../../records.ts';
import type { Origin } from '../../shares.ts';
import { outcomeOf, type Transaction } from '../../transaction.ts';
import { abortAsDuplicate, lockAndFreeze } from '../phase-one/phase-one.ts';
import type { RequestQuestion } from '../questions.ts';
import {
  answer,
  type RequestMemory,
  requestMemory,
  requestsProblem,
  runRequest,
  wait,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';

interface Attempt {
  readonly to: { readonly connection: number; readonly id: number };
  readonly origin: Origin | undefined;
  readonly requestId: string;
  readonly hash: string;
  readonly attempt: number;
  readonly ageMs: number;
  /** Tells the txid, to a sender that asked for it. */
  readonly announce: (transaction: Transaction) => void;
  readonly run: (request: { id: string; hash: string; ageMs: number }) => Transaction | null;
}

export function joinOrRun(state: TermState, attempt: Attempt): void {
  if (attempt.ageMs > state.config.requestWindowMs) {
    const { to, requestId, hash, ageMs } = attempt;
    state.readRequest(requestId, { type: 'expired', to, hash, ageMs });
    return;
  }
  const memory = requestMemory(state, attempt.requestId);
  if (memory !== null) {
    if (memory.hash !== attempt.hash) {
      state.fail(attempt.to, 'REQUEST_CONFLICT');
      return;
    }
    const { state: known, refused } = memory;
    // Before anything else: a later attempt may be running, or have committed, and its answer is
    // not this one's.
    if (refused !== null && attempt.attempt <= refused.attempt) {
      state.send(attempt.to.connection, {
        type: 'outcome',
        id: attempt.to.id,
        txid: refused.txid,
        outcome: 'aborted',
        reason: refused.reason,
        results: null,
        repeats: refused.attempt,
      });
      return;
    }
    if (known.state === 'running' && memory.transaction !== null) {
      join(state, attempt, memory, memory.transaction);
      return;
    }
    if (known.state === 'committed') {
      state.send(attempt.to.connection, {
        type: 'outcome',
        id: attempt.to.id,
        txid: memory.txid,
        outcome: 'committed',
        ...(known.readonly ? { readonly: true } : {}),
        results: memory.results,
      });
      return;
    }
  } else {
    const problem = requestsProblem(state, attempt.origin);
    if (problem !== null) {
      state.fail(attempt.to, 'BUSY', { message: problem, retryAfterMs: 1_000 });
      return;
    }
  }
  const transaction = attempt.run({
    id: attempt.requestId,
    hash: attempt.hash,
    ageMs: attempt.ageMs,
  });
  if (transaction === null) return;
  runRequest(state, {
    requestId: attempt.requestId,
    origin: attempt.origin ?? null,
    hash: attempt.hash,
    txid: transaction.txid,
    transaction,
    attempt: attempt.attempt,
    state: { state: 'running' },
    refused: memory?.refused ?? null,
    endedAtMs: 0,
    results: null,
  });
  if (attempt.attempt <= 1) {
    lockAndFreeze(state, transaction);
    return;
  }
  state.readRequest(attempt.requestId, { type: 'attempt', transaction });
}

/** What the log shows of earlier attempts. */
export function attemptRead(
  state: TermState,
  transaction: Transaction,
  entry: RequestEntry | null | 'failed',
): void {
  // Meanwhile it may have timed out; that path reads the log for itself.
  if (transaction.state !== 'PENDING' || state.lost) return;
  if (entry === null || entry === 'failed') lockAndFreeze(state, transaction);
  else abortAsDuplicate(state, transaction, entry);
}

export function expiredRead(
  state: TermState,
  { to, hash, ageMs }: Extract<RequestQuestion, { readonly type: 'expired' }>,
  entry: RequestEntry | null | 'failed',
): void {
  const { requestWindowMs } = state.config;
  const age = `The request was first sent ${Math.round(ageMs)} ms ago, past the request window of ${requestWindowMs} ms. It was not run`;
  if (entry === null || entry === 'failed' || entry.requestHash !== hash) {
    const message = `${age}; whether an earlier attempt of it committed is no longer known.`;
    state.fail(to, 'EXPIRED', { message });
    return;
  }
  const { txid } = entry;
  state.fail(to, 'ALREADY_COMMITTED', { message: `${age}: it had committed as ${txid}.`, txid });
}

function join(
  state: TermState,
  attempt: Attempt,
  memory: RequestMemory,
  transaction: Transaction,
): void {
  memory.attempt = Math.max(memory.attempt, attempt.attempt);
  attempt.announce(transaction);
  const waiter = { ...attempt.to, type: 'outcome' } as const;
  if (outcomeOf(transaction.state) === 'committed') answer(state, transaction, waiter);
  // An abort is not said before the log was asked; it waits with the others.
  else wait(state, transaction, waiter);
}
