/**
 * Taking up what the log holds: at the start of a leadership, and when an operator asks.
 *
 * The interleaving that matters: a page of decisions/ is read, then a transaction on it ends, or
 * the record of one that had ended before the scan began moves to finished/, and then the page
 * arrives. Taken up again, its commit would be sent to participants that were told to forget it,
 * and stand in `attention` forever. So what ends or moves while a scan runs is remembered and
 * passed over.
 */
import { abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { DecisionRecord } from '../../records.ts';
import { outcomeOf, type Transaction } from '../../transaction.ts';
import { epochOf, positionOf } from '../../txid.ts';
import type { Branch } from '../branch.ts';
import { holdAgain, openLocks, startHolding } from '../locks/locks.ts';
import { abort } from '../phase-one/phase-one.ts';
import { command, finishing, settleIfDone } from '../phase-two/phase-two.ts';
import type { TermState } from '../state.ts';

/**
 * Scans may overlap, one at the start and one that an operator asked for: what ended is kept until
 * the last is over.
 */
export function scanStarted(state: TermState): void {
  state.recovery.scans += 1;
  state.endedDuringScan ??= new Set();
  state.recovery.resumed = 0;
}

/** `failed`: not all of decisions/ was seen, and no lock is granted yet. */
export function scanEnded(state: TermState, failed: boolean): void {
  state.recovery.scans = Math.max(0, state.recovery.scans - 1);
  if (state.recovery.scans === 0) state.endedDuringScan = null;
  if (!failed) openLocks(state);
}

export function scanned(state: TermState, records: readonly DecisionRecord[]): void {
  for (const record of records) {
    if (state.endedDuringScan?.has(record.txid) === true) continue;
    if (record.outcome === 'abort') sweepForcedAbort(state, record);
    else resume(state, record);
  }
}

/**
 * The leader aborts in its memory first, and then moves the record: swept earlier, it would be out
 * of the decision's compare.
 */
function sweepForcedAbort(state: TermState, record: DecisionRecord): void {
  const transaction = state.transactions.get(record.txid);
  if (transaction !== undefined) {
    // READY: its write is under way and will find the record.
    if (transaction.state === 'READY') return;
    uphold(
      outcomeOf(transaction.state) !== 'committed',
      'I2',
      () => `${record.txid} is ${transaction.state} and recorded as aborted`,
    );
    if (transaction.state === 'PENDING' || transaction.state === 'PREPARING') {
      abort(state, transaction, abortReason('FORCED'));
    }
  }
  state.outbox.push({ type: 'finish', txid: record.txid });
}

function resume(state: TermState, record: DecisionRecord): void {
  if (state.transactions.has(record.txid) || finishing(state).has(record.txid)) return;
  if (epochOf(record.txid) === state.config.epoch) {
    state.note({ level: 'error', event: 'record-without-memory', txid: record.txid });
  }
  const branches = new Map<string, Branch>();
  const transaction: Transaction = {
    txid: record.txid,
    position: positionOf(record.txid),
    startedAtMs: state.nowMs,
    deadlineAtMs: 0,
    timeoutMs: 0,
    labels: null,
    owner: null,
    requestId: record.requestId ?? null,
    requestHash: record.requestHash ?? null,
    requestedAtMs: state.nowMs,
    recovered: true,
    state: 'COMMITTING',
    branches,
    votesOwed: 0,
    acksOwed: 0,
    readonly: false,
    reason: null,
    attention: false,
    waiters: [],
    timer: null,
    waitsFor: null,
    origin: null,
    heldBytes: 0,
    resultsDropped: false,
    recordBytes: 0,
    lockGroup: record.locks?.group ?? null,
    asked: null,
    freezeWhenLocked: false,
    lockTimer: null,
    inDecisions: true,
  };
  for (const recorded of record.branches) {
    branches.set(recorded.branch, {
      transaction,
      branch: recorded.branch,
      participant: recorded.participant,
      payload: undefined,
      payloadBytes: 0,
      state: 'prepared',
      instance: recorded.instance,
      sharedResource: recorded.sharedResource ?? null,
      process: null,
      enlistedItself: false,
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
    });
  }
  state.transactions.set(record.txid, transaction);
  if (record.locks !== undefined) {
    holdAgain(state, transaction, record.locks);
    startHolding(state, transaction);
  }
  state.recovery.resumed += 1;
  state.note({
    level: 'debug',
    event: 'recovery',
    txid: record.txid,
    participants: record.branches.map((branch) => branch.participant),
  });
  for (const branch of branches.values()) {
    if (command(state, branch)) transaction.acksOwed += 1;
  }
  settleIfDone(state, transaction);
}
