/**
 * The rules of the decision log: every compare of docs/PROTOCOL.md, sections 4 to 6, as functions
 * on one transaction. The memory log and the embedded log run these same ones; only where the keys
 * are kept differs.
 *
 * Every function that belongs to a leadership compares its epoch first, in the same transaction
 * (I6), and throws `LeadershipLostError` before it has changed anything.
 */

import { judge } from '../core/judge.ts';
import type { LeaderInfo } from '../core/messages.ts';
import {
  type Epoch,
  epochOf,
  type Position,
  positionOf,
  shardOf,
  type Txid,
} from '../core/txid.ts';
import {
  type DecideResult,
  type DecisionRecord,
  type DecisionWrite,
  LeadershipLostError,
  type LogReading,
  type RequestEntry,
} from '../ports/decision-log.ts';
import { assertKeyFits, prefixRange, type ReadableKeys } from '../store/key-value.ts';
import {
  decisionKey,
  epochOfRevision,
  type FinishedRecord,
  finishedKey,
  type LogTransaction,
  readState,
  readWitness,
  requestKey,
  shardPrefix,
} from './state.ts';

/** A leadership as the rules see it. */
export interface Fence {
  readonly shard: number;
  readonly epoch: Epoch;
  /** What is finished now counts as finished when the tick is that much higher. */
  readonly tickMs: number;
}

function compareFence(leader: LeaderInfo | null, fence: Fence): void {
  if (leader?.epoch === fence.epoch) return;
  const now = leader === null ? 'no one leads it' : `${leader.node} leads it under ${leader.epoch}`;
  throw new LeadershipLostError(
    `The leadership of shard ${fence.shard} under epoch ${fence.epoch} is over: ${now}. Read the log before saying anything about what was in flight.`,
  );
}

/**
 * Takes the shard's leadership under a new epoch, one above every earlier one. Returns null where
 * another node leads, unless `overtakes` says that it may be taken from that one.
 */
export function takeLeadership(
  transaction: LogTransaction,
  options: {
    readonly shard: number;
    readonly node: string;
    readonly url: string;
    readonly overtakes: (leader: LeaderInfo) => boolean;
  },
): LeaderInfo | null {
  const { shard, node, url, overtakes } = options;
  const state = transaction.state(shard);
  const { leader: there } = state;
  if (there !== null && there.node !== node && !overtakes(there)) return null;
  const epochRevision = state.epochRevision + 1;
  const leader = { shard, epoch: epochOfRevision(transaction, epochRevision), node, url };
  transaction.change(shard, { leader, epochRevision });
  return leader;
}

/** Removes the leader key, where it is still this leadership's. */
export function releaseLeadership(transaction: LogTransaction, fence: Fence): void {
  if (transaction.state(fence.shard).leader?.epoch !== fence.epoch) return;
  transaction.change(fence.shard, { leader: null });
}

/**
 * Put-if-absent. A duplicate is told before a forced abort or a floor: each rules this transaction
 * out forever, and the duplicate also says what the request's answer is.
 */
export function decide(
  transaction: LogTransaction,
  fence: Fence,
  write: DecisionWrite,
): DecideResult {
  assertDecidable(fence, write);
  const { shard, tickMs } = fence;
  const state = transaction.state(shard);
  compareFence(state.leader, fence);
  const { record } = write;
  const { txid, requestId, requestHash } = record;
  const there = recordedOutcome(transaction, txid);
  // Our own record: an earlier attempt landed and its answer was lost.
  if (there === 'commit') return { kind: 'written' };
  if (requestId !== undefined) {
    const entry = transaction.get(requestKey(shard, requestId)) as RequestEntry | undefined;
    if (entry !== undefined) return { kind: 'duplicate', entry };
  }
  // At or below the floor a record may have been there and gone: writing it could bring a forced
  // abort or a collected commit back to life.
  if (there === 'abort' || positionOf(txid) <= state.floor) return { kind: 'aborted' };

  if (write.finished) {
    const finished = finishedRecord(record, state.tick + tickMs);
    transaction.put(finishedKey(txid), finished);
  } else {
    transaction.put(decisionKey(txid), record);
  }
  if (requestId !== undefined) {
    transaction.put(requestKey(shard, requestId), { txid, requestHash });
  }
  const requests = state.requests + (requestId === undefined ? 0 : 1);
  const finished = state.finished + (write.finished ? 1 : 0);
  transaction.change(shard, { requests, finished });
  return { kind: 'written' };
}

function recordedOutcome(keys: ReadableKeys, txid: Txid): DecisionRecord['outcome'] | null {
  const decision = keys.get(decisionKey(txid)) as DecisionRecord | undefined;
  if (decision !== undefined) return decision.outcome;
  return (keys.get(finishedKey(txid)) as FinishedRecord | undefined)?.outcome ?? null;
}

function finishedRecord(record: DecisionRecord, tick: number): FinishedRecord {
  return {
    outcome: record.outcome,
    ...(record.requestId === undefined ? {} : { requestId: record.requestId }),
    atMs: record.atMs,
    tick,
  };
}

export function finish(transaction: LogTransaction, fence: Fence, txids: readonly Txid[]): void {
  const state = transaction.state(fence.shard);
  compareFence(state.leader, fence);
  let moved = 0;
  for (const txid of txids) {
    const record = transaction.get(decisionKey(txid)) as DecisionRecord | undefined;
    if (record === undefined) continue;
    transaction.put(finishedKey(txid), finishedRecord(record, state.tick + fence.tickMs));
    transaction.remove(decisionKey(txid));
    moved += 1;
  }
  if (moved > 0) transaction.change(fence.shard, { finished: state.finished + moved });
}

export function tick(transaction: LogTransaction, fence: Fence, byMs: number): number {
  const state = transaction.state(fence.shard);
  compareFence(state.leader, fence);
  transaction.change(fence.shard, { tick: state.tick + byMs });
  return state.tick + byMs;
}

export interface CollectOptions {
  readonly below: Position;
  readonly retentionMs: number;
  readonly maxRecords: number;
  readonly retentionMsMin: number;
  readonly keepsRequest: (requestId: string) => boolean;
  readonly limit: number;
}

export function collect(
  transaction: LogTransaction,
  fence: Fence,
  options: CollectOptions,
): { readonly collected: number; readonly floor: Position; readonly more: boolean } {
  const state = transaction.state(fence.shard);
  compareFence(state.leader, fence);
  const { start, end } = prefixRange(shardPrefix('finished', fence.shard));
  let { requests, finished, floor } = state;
  let collected = 0;
  let more = false;
  for (const [key, value] of transaction.range({ start, end, limit: options.limit + 1 })) {
    const record = value as FinishedRecord;
    const txid = key.slice(start.length) as Txid;
    const age = state.tick - record.tick;
    const retention = finished > options.maxRecords ? options.retentionMsMin : options.retentionMs;
    if (age < retention || positionOf(txid) >= options.below) break;
    if (record.requestId !== undefined && options.keepsRequest(record.requestId)) break;
    if (collected === options.limit) {
      more = true;
      break;
    }
    transaction.remove(key);
    if (record.requestId !== undefined) {
      requests -= removeRequest(transaction, {
        shard: fence.shard,
        txid,
        requestId: record.requestId,
      });
    }
    collected += 1;
    finished -= 1;
    // A record that was finished after its neighbours were collected may lie below the floor
    // already, which never comes down.
    if (positionOf(txid) > floor) floor = positionOf(txid);
  }
  if (collected > 0) transaction.change(fence.shard, { requests, finished, floor });
  return { collected, floor, more };
}

/** Only where the key still names this transaction. Returns how many keys went. */
function removeRequest(
  transaction: LogTransaction,
  request: { readonly shard: number; readonly txid: Txid; readonly requestId: string },
): number {
  const key = requestKey(request.shard, request.requestId);
  const entry = transaction.get(key) as RequestEntry | undefined;
  if (entry?.txid !== request.txid) return 0;
  transaction.remove(key);
  return 1;
}

export function readRequest(
  keys: ReadableKeys,
  fence: Fence,
  requestId: string,
): RequestEntry | null {
  compareFence(readState(keys, fence.shard).leader, fence);
  return (keys.get(requestKey(fence.shard, requestId)) as RequestEntry | undefined) ?? null;
}

export function pending(
  keys: ReadableKeys,
  fence: Fence,
  page: { readonly after: Txid | null; readonly limit: number },
): readonly DecisionRecord[] {
  compareFence(readState(keys, fence.shard).leader, fence);
  const after = page.after === null ? undefined : decisionKey(page.after);
  const range = prefixRange(shardPrefix('decisions', fence.shard), after);
  return keys.range({ ...range, limit: page.limit }).map(([, record]) => record as DecisionRecord);
}

export function read(keys: ReadableKeys, txid: Txid): LogReading {
  const state = readState(keys, shardOf(txid));
  return {
    record: readRecord(keys, txid),
    floor: state.floor,
    leader: state.leader,
    witness: readWitness(keys),
  };
}

function readRecord(keys: ReadableKeys, txid: Txid): LogReading['record'] {
  const decision = keys.get(decisionKey(txid)) as DecisionRecord | undefined;
  if (decision !== undefined)
    return { outcome: decision.outcome, finished: false, record: decision };
  const finished = keys.get(finishedKey(txid)) as FinishedRecord | undefined;
  // What phase 2 needed is gone with the move.
  return finished === undefined
    ? null
    : { outcome: finished.outcome, finished: true, record: null };
}

/**
 * Section 5, resolve: the compare is that the transaction's epoch still leads, that nothing is
 * recorded, and that the floor is below it. Anything else is an answer already.
 */
export function resolve(
  transaction: LogTransaction,
  options: { readonly txid: Txid; readonly atMs: number },
): LogReading {
  const { txid } = options;
  const shard = shardOf(txid);
  const { floor, leader } = transaction.state(shard);
  const reading = { record: readRecord(transaction, txid), floor, leader };
  if (judge(txid, reading, { inDoubt: true }).decision !== 'undecided') {
    return { ...reading, witness: transaction.witness() };
  }
  const record: DecisionRecord = { txid, outcome: 'abort', branches: [], atMs: options.atMs };
  transaction.put(decisionKey(txid), record);
  return {
    ...reading,
    record: { outcome: 'abort', finished: false, record },
    witness: transaction.witness(),
  };
}

/**
 * Faults of the caller, thrown before anything is changed. The leader decides only what began under
 * it: of older epochs every node presumes abort (I5, absence means abort).
 */
export function assertDecidable(
  { shard, epoch }: Pick<Fence, 'shard' | 'epoch'>,
  { record }: DecisionWrite,
): void {
  const { txid, requestId, requestHash } = record;
  if (shardOf(txid) !== shard || epochOf(txid) !== epoch) {
    throw new RangeError(
      `The transaction ${txid} does not belong to shard ${shard} under epoch ${epoch}.`,
    );
  }
  if ((requestId === undefined) !== (requestHash === undefined)) {
    throw new RangeError(`The record of ${txid} must have requestId and requestHash, or neither.`);
  }
  if (requestId !== undefined) assertKeyFits(requestKey(shard, requestId));
}
