/** A transaction begins: whether there is room for it, and what is known of it then. */
import type { Begin, TransactBranch } from '../../messages.ts';
import { unscoped } from '../../scope.ts';
import type { Origin } from '../../shares.ts';
import type { TraceContext } from '../../trace-context.ts';
import { type NewTransaction, newTransaction, type Transaction } from '../../transaction.ts';
import { placeOf, type Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import { type BranchOwner, newBranch } from '../branch.ts';
import { busy, type Refusal, type ReplyTo, type Sender, senderOf } from '../events.ts';
import { finishing } from '../phase-two/phase-two.ts';
import {
  emptyRecordBytes,
  heldBranchBytes,
  hold,
  lockBytes,
  measure,
  shareProblem,
  takePlace,
  transactionBytes,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { beginTrace, traceBytes } from '../traced.ts';

export function begin(state: TermState, from: Sender, message: Begin): void {
  const to = senderOf(from, message.id);
  const bytes = transactionBytes + weightOf(message.labels) + traceBytes(message);
  if (!admits(state, to, { origin: from.origin, bytes })) return;
  const lockGroup = message.lockGroup ?? null;
  const given = { bytes, request: null, lockGroup, asked: null };
  const transaction = create(state, from, message, given);
  noteBegin(state, transaction);
  sendBegun(state, to, transaction);
}

/** Whether a new transaction may begin; answers the request where it may not. */
export function admits(
  state: TermState,
  to: ReplyTo,
  given: { readonly origin: Origin | undefined; readonly bytes: number },
): boolean {
  const problem = beginProblem(state, given.origin, given.bytes);
  if (problem !== null) state.fail(to, problem.code, problem);
  return problem === null;
}

function beginProblem(state: TermState, origin: Origin | undefined, bytes: number): Refusal | null {
  if (!state.accepting) return busy('The node is stopping. Use another one.', 500);
  const { maxTransactions } = state.config.options;
  // Those whose record is on its way to finished/ count: a log that moves none must not fill the
  // memory.
  const held = state.transactions.size + finishing(state).size;
  return held >= maxTransactions
    ? busy(`The node holds its limit of ${maxTransactions} transactions.`)
    : shareProblem(state, origin, bytes);
}

export function create(
  state: TermState,
  from: Sender,
  message: Pick<Begin, 'timeoutMs' | 'labels' | keyof TraceContext>,
  given: Pick<NewTransaction, 'request' | 'lockGroup' | 'asked'> & { readonly bytes: number },
): Transaction {
  const { epoch, shard, requestWindowMs } = state.config;
  const { request, lockGroup, asked } = given;
  const place = placeOf({ shard, epoch, sequence: state.nextSequence++ });
  let timeoutMs = timeoutOf(state, message);
  // So that a request is never decided past its window.
  if (request !== null) {
    timeoutMs = Math.max(1, Math.min(timeoutMs, requestWindowMs - request.ageMs));
  }
  const transaction = newTransaction(`${place}${state.config.randomPart(place)}` as Txid, {
    nowMs: state.nowMs,
    timeoutMs,
    labels: message.labels ?? null,
    owner: from.client ?? null,
    origin: from.origin ?? null,
    request,
    lockGroup,
    asked,
    recovered: false,
  });
  transaction.recordBytes = emptyRecordBytes(request?.id ?? null) + lockBytes(asked?.wants ?? []);
  state.transactions.set(transaction.txid, transaction);
  takePlace(state, transaction, given.bytes);
  beginTrace(state, transaction, message);
  state.setTransactionTimer(transaction);
  return transaction;
}

export function timeoutOf(
  { config: { options } }: TermState,
  { timeoutMs }: Pick<Begin, 'timeoutMs'>,
): number {
  return Math.min(timeoutMs || options.transactionTimeoutMs, options.maxTransactionTimeoutMs);
}

export function addBranch(
  state: TermState,
  transaction: Transaction,
  given: TransactBranch,
  more: { readonly owner: BranchOwner | null; readonly payloadBytes: number },
): void {
  const branch = newBranch(transaction, given, more.owner);
  branch.payloadBytes = more.payloadBytes;
  transaction.branches.add(branch);
  measure(state, branch);
  hold(state, transaction, heldBranchBytes + more.payloadBytes);
}

export function sendBegun(state: TermState, to: ReplyTo, transaction: Transaction): void {
  const { txid, timeoutMs } = transaction;
  const share = state.config.shareOf(txid);
  state.send(to.connection, { type: 'begun', id: to.id, txid, timeoutMs, share });
}

export function noteBegin(state: TermState, transaction: Transaction): void {
  if (!state.config.debug) return;
  state.note({
    level: 'debug',
    event: 'begin',
    txid: transaction.txid,
    participants: [...transaction.branches.values()].map((branch) => branch.participant),
    timeoutMs: transaction.timeoutMs,
    ...(transaction.requestId === null ? {} : { requestId: unscoped(transaction.requestId) }),
  });
}
