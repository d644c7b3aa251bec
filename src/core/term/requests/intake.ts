/** Requests of clients: begin, enlist, commit, rollback, transact. */
import { abortReason } from '../../catalogue.ts';
import { equalValues } from '../../equal.ts';
import { uphold } from '../../invariants.ts';
import { defaultLockGroup } from '../../locks/names.ts';
import type { Begin, Commit, Enlist, Rollback, Transact, TransactBranch } from '../../messages.ts';
import { unscoped } from '../../scope.ts';
import type { Origin } from '../../shares.ts';
import { outcomeOf, type Transaction, type Waiter } from '../../transaction.ts';
import { makePosition, placeOf, type Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import type { Branch } from '../branch.ts';
import type { ConnectedParticipant } from '../connected.ts';
import type { Owner, Sender } from '../events.ts';
import { silentAtDeadline } from '../flow/fitness.ts';
import { notConnected } from '../flow/not-connected.ts';
import { status } from '../listing/status.ts';
import { beyondLimits, freezeWhenLocked, lockAndFreeze, wantsOf } from '../locks/locks.ts';
import { abort } from '../phase-one/decide.ts';
import { answer, wait } from '../phase-two/outcome.ts';
import { senderOf, type TermState } from '../state.ts';
import {
  branchBytes as branchBytesHeld,
  bytesProblem,
  hold,
  shareProblem,
  transactionBytes,
} from './holdings.ts';
import { owns } from './owner.ts';
import { branchBytes, emptyRecordBytes, lockBytes, measure } from './record-size.ts';
import { joinOrRun } from './requests.ts';

/** Whether a new transaction may begin; answers the request where it may not. */
function admits(
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
  // Those whose record is on its way to finished/ count: a log that moves none must not fill the memory.
  const held = state.transactions.size + state.finishing.size;
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

function create(
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
  if (transaction.origin !== null) state.places.take(transaction.origin, 1);
  hold(state, transaction, given.bytes);
  state.setTransactionTimer(transaction);
  return transaction;
}

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

function sendBegun(
  state: TermState,
  to: { connection: number; id: number },
  transaction: Transaction,
): void {
  const { txid, timeoutMs } = transaction;
  const share = state.config.shareOf(txid);
  state.send(to.connection, { type: 'begun', id: to.id, txid, timeoutMs, share });
}

export function transact(
  state: TermState,
  from: Sender,
  message: Transact,
  requestHash: string | null,
): void {
  const to = senderOf(from, message.id);
  if (message.epoch !== undefined && message.epoch !== state.config.epoch) {
    state.fail(to, 'NOT_LEADER', { leader: state.config.leader });
    return;
  }
  const problem = branchProblem(message.branches);
  if (problem !== null) {
    state.fail(to, 'INVALID_MESSAGE', { message: problem });
    return;
  }
  const { maxBranches } = state.config.options;
  if (message.branches.length > maxBranches) {
    state.fail(to, 'LIMIT_EXCEEDED', {
      message: `A transaction has at most ${maxBranches} branches.`,
    });
    return;
  }
  const bytes = bytesOf(state, message);
  if (bytes > state.config.options.maxRecordBytes) {
    state.fail(to, 'TOO_LARGE', {
      message: `The decision record would pass ${state.config.options.maxRecordBytes} bytes: use fewer branches or shorter names.`,
    });
    return;
  }
  const lockGroup =
    message.lockGroup ?? ((message.locks ?? []).length > 0 ? defaultLockGroup : null);
  const wants = lockGroup === null ? [] : wantsOf(lockGroup, message.locks ?? []);
  if (wants.length > 0) {
    const limit = beyondLimits(state, { count: wants.length, bytes: bytes + lockBytes(wants) });
    if (limit !== null) {
      state.fail(to, limit.code, limit);
      return;
    }
  }
  const announce = (transaction: Transaction): void => {
    if (message.announce === true) sendBegun(state, to, transaction);
  };
  const run = (request: { id: string; hash: string; ageMs: number } | null): Transaction | null => {
    const { origin } = from;
    const own = transactionBytes + weightOf(message.labels) + lockBytes(wants);
    const payloads = message.branches.map(({ payload }) => weightOf(payload ?? null));
    const all = payloads.reduce((sum, each) => sum + each + branchBytesHeld, own);
    if (!admits(state, to, { origin, bytes: all })) return null;
    const transaction = create(state, {
      origin,
      bytes: own,
      timeoutMs: message.timeoutMs,
      owner: from.client ?? null,
      labels: message.labels,
      request,
      lockGroup,
      asked: wants.length === 0 ? null : { wants, waitMs: message.lockWaitMs },
    });
    for (const [index, branch] of message.branches.entries()) {
      addBranch(state, transaction, branch, { owner: null, payloadBytes: payloads[index] ?? 0 });
    }
    noteBegin(state, transaction);
    announce(transaction);
    wait(state, transaction, { ...to, kind: 'outcome' });
    return transaction;
  };
  if (message.requestId === undefined) {
    const transaction = run(null);
    if (transaction !== null) lockAndFreeze(state, transaction);
    return;
  }
  // Without it a second commit under the id could not be told from the first.
  uphold(requestHash !== null, 'I8', () => `request ${message.requestId} came without its hash`);
  joinOrRun(state, {
    to,
    announce,
    origin: from.origin,
    requestId: message.requestId,
    hash: requestHash,
    attempt: message.attempt ?? 1,
    ageMs: message.requestAgeMs ?? 0,
    run,
  });
}

function branchProblem(branches: readonly TransactBranch[]): string | null {
  if (branches.length === 0) return 'transact.branches must name at least one participant.';
  const names = new Set<string>();
  for (const { branch, participant } of branches) {
    const name = branch ?? participant;
    if (names.has(name)) {
      return `transact.branches names the branch ${JSON.stringify(name)} twice: give each a \`branch\` of its own.`;
    }
    names.add(name);
  }
  return null;
}

function bytesOf(state: TermState, message: Transact): number {
  let bytes = emptyRecordBytes(message.requestId ?? null);
  for (const { branch, participant } of message.branches) {
    bytes += branchBytes(state, { branch: branch ?? participant, participant }, null);
  }
  return bytes;
}

function addBranch(
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
  hold(state, transaction, branchBytesHeld + payloadBytes);
  return branch;
}

/**
 * A participant that enlists itself owns its branch from then on. A client's enlist only names the
 * participant; the instance is chosen when the prepare is sent.
 */
export function enlist(state: TermState, from: Sender, message: Enlist): void {
  const to = senderOf(from, message.id);
  // Whoever knows the txid may take part itself, and has a veto then; it sees and changes nothing of others.
  const joins = from.participant !== null && from.participant.name === message.participant;
  const transaction = state.transactions.get(message.txid);
  if (transaction === undefined) {
    const ended = state.recent.get(message.txid);
    if (ended === null || !(joins || owns(from, ended))) unknown(state, to, message.txid);
    else state.fail(to, 'WRONG_STATE', wrongState(message.txid, ended.status.state));
    return;
  }
  if (!joins && !owns(from, transaction)) {
    unknown(state, to, message.txid);
    return;
  }
  // One with a request id is frozen from its beginning: it may be PENDING while the log is asked about
  // the id, but its content is what the hash says. One that waits for locks may have been told to commit.
  if (
    transaction.state !== 'PENDING' ||
    transaction.requestId !== null ||
    transaction.freezeWhenLocked
  ) {
    state.fail(to, 'WRONG_STATE', wrongState(message.txid, transaction.state));
    return;
  }
  const owner =
    joins && from.participant !== null
      ? {
          instance: from.participant.instance,
          sharedResource: state.connected.get(from.connection)?.sharedResource ?? null,
          process: state.connected.get(from.connection)?.process ?? null,
        }
      : null;
  const name = message.branch ?? message.participant;
  const reply = { type: 'enlisted', id: message.id, txid: message.txid, branch: name } as const;
  const existing = transaction.branches.get(name);
  if (existing !== undefined) {
    const same =
      existing.participant === message.participant &&
      existing.instance === (owner?.instance ?? null) &&
      existing.process === (owner?.process ?? null) &&
      equalValues(existing.payload, message.payload ?? null);
    if (same) state.send(to.connection, reply);
    else {
      state.fail(to, 'WRONG_STATE', {
        message: `The transaction has a branch ${JSON.stringify(name)} with other content already: give this one a \`branch\` of its own.`,
        txid: message.txid,
      });
    }
    return;
  }
  const { maxBranches, maxRecordBytes } = state.config.options;
  if (transaction.branches.size >= maxBranches) {
    state.fail(to, 'LIMIT_EXCEEDED', {
      message: `A transaction has at most ${maxBranches} branches.`,
      txid: message.txid,
    });
    return;
  }
  const bytes = branchBytes(state, { branch: name, participant: message.participant }, owner);
  if (transaction.recordBytes + bytes > maxRecordBytes) {
    state.fail(to, 'TOO_LARGE', {
      message: `The decision record would pass ${maxRecordBytes} bytes: use fewer branches or shorter names.`,
      txid: message.txid,
    });
    return;
  }
  const payloadBytes = weightOf(message.payload ?? null);
  const problem = bytesProblem(state, transaction.origin, branchBytesHeld + payloadBytes);
  if (problem !== null) {
    state.fail(to, 'BUSY', { message: problem, retryAfterMs: 250, txid: message.txid });
    return;
  }
  addBranch(state, transaction, message, { owner, payloadBytes });
  state.send(to.connection, reply);
}

/** To all but its own client a transaction is as one that never was. */
function unknown(
  state: TermState,
  to: { connection: number; id: number },
  txid: Transaction['txid'],
): void {
  state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
}

function wrongState(
  txid: Transaction['txid'],
  state: Transaction['state'],
): { message: string; txid: Transaction['txid'] } {
  const message =
    state === 'PENDING'
      ? 'The transaction is a one-shot request, or its commit was asked for: its branches are those that it has.'
      : `The transaction is ${state}: branches are added while it is PENDING.`;
  return { message, txid };
}

export function commit(state: TermState, from: Sender, message: Commit): void {
  const transaction = state.transactions.get(message.txid);
  if (transaction === undefined) {
    status(state, from, message);
    return;
  }
  // What was recovered is decided, and whose it was is not known: its outcome can be told, and nothing changed.
  if (!transaction.recovered && !owns(from, transaction)) {
    unknown(state, senderOf(from, message.id), message.txid);
    return;
  }
  const waiter: Waiter = { ...senderOf(from, message.id), kind: 'outcome' };
  if (outcomeOf(transaction.state) !== null) {
    answer(state, transaction, waiter);
    return;
  }
  // A second commit joins the first.
  if (!wait(state, transaction, waiter)) return;
  // A one-shot's own steps freeze it; one that waits for a lock is frozen when it has it.
  if (transaction.state === 'PENDING' && !transaction.freezeWhenLocked) {
    freezeWhenLocked(state, transaction);
  }
}

export function rollback(state: TermState, from: Sender, message: Rollback): void {
  const transaction = state.transactions.get(message.txid);
  if (transaction === undefined) {
    status(state, from, message);
    return;
  }
  // What was recovered is decided, and whose it was is not known: its outcome can be told, and nothing changed.
  if (!transaction.recovered && !owns(from, transaction)) {
    unknown(state, senderOf(from, message.id), message.txid);
    return;
  }
  const waiter: Waiter = { ...senderOf(from, message.id), kind: 'outcome' };
  if (outcomeOf(transaction.state) !== null) {
    answer(state, transaction, waiter);
    return;
  }
  if (!wait(state, transaction, waiter)) return;
  // READY: the commit may be durable already. The log's answer is the client's.
  if (transaction.state === 'READY') return;
  abort(
    state,
    transaction,
    abortReason('ROLLED_BACK', {
      ...(message.reason === undefined ? {} : { message: message.reason }),
    }),
  );
}

/** The transaction's own time-out: abandoned PENDING ones included. */
export function transactionTimedOut(state: TermState, transaction: Transaction): void {
  transaction.timer = null;
  if (transaction.state !== 'PENDING' && transaction.state !== 'PREPARING') return;
  if (state.config.debug) {
    state.note({
      level: 'debug',
      event: 'time-out',
      txid: transaction.txid,
      of: 'transaction',
      state: transaction.state,
    });
  }
  for (const branch of transaction.branches.values()) silentAtDeadline(state, branch);
  const message = `The transaction was not decided within ${Math.round(transaction.timeoutMs)} ms.`;
  abort(
    state,
    transaction,
    // Whoever wonders what took so long is told: nobody was there to answer.
    notConnected(state, transaction) ?? abortReason('TRANSACTION_TIMEOUT', { message }),
  );
}

function noteBegin(state: TermState, transaction: Transaction): void {
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
