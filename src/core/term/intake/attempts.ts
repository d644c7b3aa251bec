/**
 * Idempotent requests: one commit for each request id within the window (I8).
 *
 * The interleavings that matter:
 * - The same request arrives twice while the first runs: the second joins it and gets its outcome.
 * - A stale copy of attempt 1, answered "aborted", arrives after the client gave up on it and is
 *   trying attempt 2: it must not run, or both could. An attempt not above an aborted one gets the
 *   same answer.
 * - The same stale copy arrives while attempt 2 runs, or after it committed: it neither joins nor
 *   gets that outcome, because its own was sent.
 * - Attempt 1 committed under the last leader, whose answer was lost; attempt 2 comes to this one.
 *   It may run: its write finds `requests/R` and becomes an abort, and the recorded outcome is the
 *   answer. To spare the participants the work, an attempt above 1 is looked up in the log first.
 * - A copy comes after the window: the key may be collected, so it is never run. Where the key is
 *   there still, that says which transaction committed. It says so as an error and not as the
 *   outcome (!): a copy of an attempt that was answered "aborted" may be this old, and a later
 *   attempt have committed.
 */
import type { Origin } from '../../shares.ts';
import { type NewTransaction, outcomeOf, type Transaction } from '../../transaction.ts';
import type { ReplyTo, RequestAnswer } from '../events.ts';
import { abortAsDuplicate, lockAndFreeze } from '../phase-one/phase-one.ts';
import type { RequestQuestion } from '../questions.ts';
import {
  abortedMessage,
  answer,
  committedMessage,
  type RequestMemory,
  requestTable,
  wait,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { sendBegun } from './begin.ts';

interface Attempt {
  readonly to: ReplyTo;
  readonly origin: Origin | undefined;
  readonly requestId: string;
  readonly hash: string;
  readonly attempt: number;
  readonly ageMs: number;
  /** Its sender wants to know the txid at once. */
  readonly announce: boolean;
  readonly run: (request: NewTransaction['request']) => Transaction | null;
}

export function joinOrRun(state: TermState, given: Attempt): void {
  const { to, origin, requestId, hash, attempt, ageMs } = given;
  if (ageMs > state.config.requestWindowMs) {
    state.readRequest(requestId, { type: 'expired', to, hash, ageMs });
    return;
  }
  const table = requestTable(state);
  const memory = table.get(requestId);
  if (memory !== null) {
    if (memory.hash !== hash) {
      state.fail(to, 'REQUEST_CONFLICT');
      return;
    }
    const { state: known, refused } = memory;
    // Before anything else: a later attempt may be running, or have committed, and its answer is
    // not this one's.
    if (refused !== null && attempt <= refused.attempt) {
      const said = abortedMessage(to, refused.txid, refused.reason);
      state.send(to.connection, { ...said, repeats: refused.attempt });
      return;
    }
    if (known.state === 'running' && memory.transaction !== null) {
      join(state, given, memory, memory.transaction);
      return;
    }
    if (known.state === 'committed') {
      const { txid, results } = memory;
      state.send(to.connection, committedMessage(to, txid, results, known.readonly));
      return;
    }
  } else {
    const problem = table.problem(origin);
    if (problem !== null) {
      state.fail(to, problem.code, problem);
      return;
    }
  }
  const transaction = given.run({ id: requestId, hash, ageMs });
  if (transaction === null) return;
  table.run({
    requestId,
    origin: origin ?? null,
    hash,
    txid: transaction.txid,
    transaction,
    attempt,
    state: { state: 'running' },
    refused: memory?.refused ?? null,
    endedAtMs: 0,
    results: null,
  });
  if (attempt <= 1) lockAndFreeze(state, transaction);
  else state.readRequest(requestId, { type: 'attempt', transaction });
}

/** What the log shows of earlier attempts. */
export function attemptRead(
  state: TermState,
  transaction: Transaction,
  entry: RequestAnswer,
): void {
  // Meanwhile it may have timed out; that path reads the log for itself.
  if (transaction.state !== 'PENDING' || state.lost) return;
  if (entry === null || entry === 'failed') lockAndFreeze(state, transaction);
  else abortAsDuplicate(state, transaction, entry);
}

export function expiredRead(
  state: TermState,
  { to, hash, ageMs }: Extract<RequestQuestion, { readonly type: 'expired' }>,
  entry: RequestAnswer,
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
  { to, attempt, announce }: Attempt,
  memory: RequestMemory,
  transaction: Transaction,
): void {
  memory.attempt = Math.max(memory.attempt, attempt);
  if (announce) sendBegun(state, to, transaction);
  const waiter = { ...to, type: 'outcome' } as const;
  if (outcomeOf(transaction.state) === 'committed') answer(state, transaction, waiter);
  // An abort is not said before the log was asked; it waits with the others.
  else wait(state, transaction, waiter);
}
