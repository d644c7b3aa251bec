/** A transaction begins: whether there is room for it, and what is known of it then. */
import type { Begin, TransactBranch } from '../../messages.ts';
import { unscoped } from '../../scope.ts';
import type { Origin } from '../../shares.ts';
import type { Transaction } from '../../transaction.ts';
import { makePosition, placeOf, type Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import type { Branch } from '../branch.ts';
import type { ConnectedParticipant } from '../connected.ts';
import { type Owner, type Sender, senderOf } from '../events.ts';
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

export function begin(state: TermState, from: Sender, message: Begin): void {
  const to = senderOf(from, message.id);
  const { origin } = from;
  const bytes = transactionBytes + weightOf(message.labels);
  if (!admits(state, to, { origin, bytes })) return;
  const transaction = create(state, {
    origin,
    bytes,
    timeoutMs: message.timeoutMs,
    owner: from.client ?? null,
    labels: message.labels,
    request: null,
    lockGroup: message.lockGroup ?? null,
    asked: null,
  });
  noteBegin(state, transaction);
  sendBegun(state, to, transaction);
}

/** Whether a new transaction may begin; answers the request where it may not. */
export function admits(
  state: TermState,
  to: { connection: number; id: number },
  given: { readonly origin: Origin | undefined; readonly bytes: number },
): boolean {
  if (!state.accepting) {
    state.fail(to, 'BUSY', {
      message: 'The node is stopping. Use another one.',
      retryAfterMs: 500,
    });
    return false;
  }
  // Those whose record is on its way to finished/ count: a log that moves none must not fill the
  // memory.
  const held = state.transactions.size + finishing(state).size;
  if (held >= state.config.options.maxTransactions) {
    state.fail(to, 'BUSY', {
      message: `The node holds its limit of ${state.config.options.maxTransactions} transactions.`,
      retryAfterMs: 250,
    });
    return false;
  }
  const problem = shareProblem(state, given.origin, given.bytes);
  if (problem !== null) state.fail(to, 'BUSY', { message: problem, retryAfterMs: 250 });
  return problem === null;
}

export function create(
  state: TermState,
  given: {
    timeoutMs: number | undefined;
    owner: Owner | null;
    labels: Transaction['labels'] | undefined;
    request: { id: string; hash: string; ageMs: number } | null;
    lockGroup: string | null;
    asked: Transaction['asked'];
    origin: Origin | undefined;
    bytes: number;
  },
): Transaction {
  const { options, epoch, shard, requestWindowMs } = state.config;
  const sequence = state.nextSequence++;
  const place = placeOf({ shard, epoch, sequence });
  let timeoutMs = Math.min(
    given.timeoutMs === undefined || given.timeoutMs === 0
      ? options.transactionTimeoutMs
      : given.timeoutMs,
    options.maxTransactionTimeoutMs,
  );
  // So that a request is never decided past its window.
  if (given.request !== null) {
    timeoutMs = Math.max(1, Math.min(timeoutMs, requestWindowMs - given.request.ageMs));
  }
  const transaction: Transaction = {
    txid: `${place}${state.config.randomPart(place)}` as Txid,
    position: makePosition(epoch, sequence),
    startedAtMs: state.nowMs,
    deadlineAtMs: state.nowMs + timeoutMs,
    timeoutMs,
    labels: given.labels ?? null,
    owner: given.owner,
    requestId: given.request?.id ?? null,
    requestHash: given.request?.hash ?? null,
    requestedAtMs: state.nowMs - (given.request?.ageMs ?? 0),
    recovered: false,
    state: 'PENDING',
    branches: new Map(),
    votesOwed: 0,
    acksOwed: 0,
    readonly: false,
    reason: null,
    attention: false,
    waiters: [],
    timer: null,
    waitsFor: null,
    origin: given.origin ?? null,
    heldBytes: 0,
    resultsDropped: false,
    recordBytes: emptyRecordBytes(given.request?.id ?? null) + lockBytes(given.asked?.wants ?? []),
    lockGroup: given.lockGroup,
    asked: given.asked,
    // Its content is closed from the beginning.
    freezeWhenLocked: given.asked !== null,
    lockTimer: null,
    inDecisions: false,
  };
  state.transactions.set(transaction.txid, transaction);
  takePlace(state, transaction, given.bytes);
  state.setTransactionTimer(transaction);
  return transaction;
}

export function addBranch(
  state: TermState,
  transaction: Transaction,
  given: TransactBranch,
  more: {
    readonly owner: Pick<ConnectedParticipant, 'instance' | 'sharedResource' | 'process'> | null;
    readonly payloadBytes: number;
  },
): Branch {
  const { owner, payloadBytes } = more;
  const branch: Branch = {
    transaction,
    branch: given.branch ?? given.participant,
    participant: given.participant,
    payload: given.payload ?? null,
    payloadBytes,
    state: 'enlisted',
    instance: owner?.instance ?? null,
    sharedResource: owner?.sharedResource ?? null,
    process: owner?.process ?? null,
    enlistedItself: owner !== null,
    acknowledgedBy: null,
    connection: null,
    result: undefined,
    attempts: 0,
    lastError: null,
    timer: null,
    prepareUntilMs: 0,
    holdsPlace: false,
    silentSinceMs: null,
    wasPrepared: false,
    recordBytes: 0,
    command: 'none',
  };
  transaction.branches.set(branch.branch, branch);
  measure(state, branch);
  hold(state, transaction, heldBranchBytes + payloadBytes);
  return branch;
}

export function sendBegun(
  state: TermState,
  to: { connection: number; id: number },
  transaction: Transaction,
): void {
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
