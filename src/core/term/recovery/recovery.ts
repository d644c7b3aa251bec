/**
 * Recovery and judgement: what the log holds is taken up, and what is asked is answered from memory
 * and then the log (docs/PROTOCOL.md, sections 5 and 6). The door of the room.
 *
 * Taken up at the start of a leadership, and when an operator asks. The interleaving that matters:
 * a page of decisions/ is read, then a transaction on it ends, or the record of one that had ended
 * before the scan began moves to finished/, and then the page arrives. Taken up again, its commit
 * would be sent to participants that were told to forget it, and stand in `attention` forever. So
 * what ends or moves while a scan runs is remembered and passed over.
 */
import { abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import type { DecisionRecord } from '../../records.ts';
import { newTransaction, outcomeOf } from '../../transaction.ts';
import { epochOf } from '../../txid.ts';
import { type Branch, byHandOf, newBranch } from '../branch.ts';
import { holdAgain, openLocks, startHolding } from '../locks/locks.ts';
import { abort } from '../phase-one/phase-one.ts';
import {
  command,
  finishing,
  isKeptByHand,
  keepByHand,
  settleIfDone,
  startByHand,
} from '../phase-two/phase-two.ts';
import type { TermState } from '../state.ts';
import { resumeTrace } from '../traced.ts';
import { tellKnown } from './judgement.ts';
import { answerDoubts, answerKept } from './report.ts';
import { takeWaiting, WaitingDoubts } from './waiting.ts';

export { ask, decisionRead, wasNeverBegun, witnessRead } from './judgement.ts';
export { lose, lostRead } from './lost.ts';
export { answerLateVote, inDoubtRead, keptRead, report, reportWitnessesRead } from './report.ts';
export { status, statusRead } from './status.ts';
export { askerLost, hasWaiting, waitingDoubts } from './waiting.ts';

export class RecoveryState {
  /** How many run. */
  scans = 0;
  /** Taken up by the last scan. */
  resumed = 0;
  /** One has seen all that earlier leaderships left. */
  complete = false;
  /** Doubts that wait for that. */
  readonly waiting: WaitingDoubts = new WaitingDoubts();
}

export function resumedByScan({ recovery }: TermState): number {
  return recovery.resumed;
}

/** What earlier leaderships left may not be in memory yet. */
export function isScanning({ recovery }: TermState): boolean {
  return recovery.scans > 0 && !recovery.complete;
}

/** Scans may overlap, where an operator asks for one: what ended is kept until the last is over. */
export function scanStarted(state: TermState): void {
  state.recovery.scans += 1;
  state.endedDuringScan ??= new Set();
  state.recovery.resumed = 0;
}

/** `failed`: not all of decisions/ was seen, and no lock is granted yet. */
export function scanEnded(state: TermState, failed: boolean): void {
  state.recovery.scans = Math.max(0, state.recovery.scans - 1);
  if (state.recovery.scans === 0) state.endedDuringScan = null;
  if (!failed) {
    openLocks(state);
    state.recovery.complete = true;
  }
  answerWaiting(state);
}

/** Doubts that waited are looked for again: in memory, then in the log. */
export function answerWaiting(state: TermState): void {
  for (const doubt of takeWaiting(state)) {
    if (doubt.type === 'decision') tellKnown(state, doubt.from, doubt);
    else if (doubt.type === 'report-kept') answerKept(state, doubt.report);
    else answerDoubts(state, doubt.from, doubt.txids, doubt.report);
  }
}

export function scanned(state: TermState, records: readonly DecisionRecord[]): void {
  for (const record of records) {
    if (state.endedDuringScan?.has(record.txid) === true) continue;
    if (record.outcome === 'abort') sweepForcedAbort(state, record);
    else resume(state, record);
  }
}

/** Aborts in memory first, then moves the record: swept earlier, no compare would find it. */
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

function isByHand(branch: Branch): boolean {
  return byHandOf(branch) !== null;
}

function resume(state: TermState, record: DecisionRecord): void {
  const { txid, byHand = [] } = record;
  if (state.transactions.has(txid) || finishing(state).has(txid)) return;
  if (isKeptByHand(state, txid)) return;
  if (epochOf(record.txid) === state.config.epoch) {
    state.note({ level: 'error', event: 'record-without-memory', txid: record.txid });
  }
  const { requestId, requestHash, locks } = record;
  const transaction = newTransaction(record.txid, {
    nowMs: state.nowMs,
    timeoutMs: 0,
    labels: null,
    owner: null,
    origin: null,
    request:
      requestId === undefined ? null : { id: requestId, hash: requestHash ?? null, ageMs: 0 },
    lockGroup: locks?.group ?? null,
    asked: null,
    recovered: true,
  });
  for (const recorded of record.branches) {
    const { instance, sharedResource = null } = recorded;
    const branch = newBranch(transaction, recorded, { instance, sharedResource, process: null });
    const mark = byHand.find((one) => one.branch === branch.branch);
    if (mark !== undefined) branch.settledBy = { mark, acknowledgedBy: null, unknownTo: [] };
    transaction.branches.add(branch);
  }
  const isReduced = locks === undefined && transaction.branches.values().every(isByHand);
  if (isReduced && byHand.length > 0) {
    keepByHand(state, transaction);
    return;
  }
  state.transactions.set(record.txid, transaction);
  resumeTrace(state, record);
  if (locks !== undefined) {
    holdAgain(state, transaction, locks);
    startHolding(state, transaction);
  }
  state.recovery.resumed += 1;
  if (state.config.debug) {
    const participants = record.branches.map((branch) => branch.participant);
    state.note({ level: 'debug', event: 'recovery', txid: record.txid, participants });
  }
  if (byHand.length > 0) startByHand(state, transaction);
  for (const branch of transaction.branches.values()) command(state, branch);
  settleIfDone(state, transaction);
}
