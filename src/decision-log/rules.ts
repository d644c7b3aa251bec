/**
 * The rules of the decision log: every compare of docs/PROTOCOL.md, sections 4 to 6, as functions
 * on one transaction. The memory log and the embedded log run these same ones.
 *
 * Every function that belongs to a leadership compares its epoch first, in the same transaction
 * (I6, the fence), and throws `LeadershipLostError` before it has changed anything.
 */
import { isAhead, judge } from '../core/judge.ts';
import type { LeaderInfo, Witness } from '../core/messages.ts';
import { settled } from '../core/records.ts';
import { type Member, retirementsOf } from '../core/retired.ts';
import { type Epoch, epochOf, positionOf, shardOf, type Txid } from '../core/txid.ts';
import type {
  Collected,
  CollectOptions,
  DecideResult,
  DecisionRecord,
  DecisionWrite,
  LogReading,
  PendingPage,
  RequestEntry,
  Settlement,
} from '../ports/decision-log.ts';
import { assertKeyFits, prefixRange, type ReadableKeys } from '../store/key-value.ts';
import { collectable } from './collectable.ts';
import type { KnownDecisions } from './known-decisions.ts';
import { leadershipLost } from './log-errors.ts';
import {
  decisionKey,
  epochOfRevision,
  type FinishedRecord,
  finishedKey,
  finishedRecord,
  type LogTransaction,
  readState,
  readWitness,
  recordRead,
  requestKey,
  retiredKey,
  shardPrefix,
} from './state.ts';

export interface Fence {
  readonly shard: number;
  readonly epoch: Epoch;
  /** What is finished now counts as finished when the tick is that much higher. */
  readonly tickMs: number;
}

function compareFence(leader: LeaderInfo | null, fence: Fence): void {
  if (leader?.epoch === fence.epoch) return;
  throw leadershipLost(
    fence,
    leader === null ? 'no one leads it' : `${leader.node} leads it under ${leader.epoch}`,
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
  const there = readRecord(transaction, txid)?.outcome;
  // Our own record: an earlier attempt landed and its answer was lost.
  if (there === 'commit') return { type: 'written' };
  if (requestId !== undefined) {
    const entry = transaction.get(requestKey(shard, requestId)) as RequestEntry | undefined;
    if (entry !== undefined) return { type: 'duplicate', entry };
  }
  // At or below the floor a record may be gone: writing it could bring it back to life.
  if (there === 'abort' || positionOf(txid) <= state.floor) return { type: 'aborted' };

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
  return { type: 'written' };
}

/** `known`: what this leadership read, and need not read again. */
export function finish(
  transaction: LogTransaction,
  fence: Fence,
  txids: readonly Txid[],
  known: Pick<KnownDecisions, 'take'>,
): void {
  const state = transaction.state(fence.shard);
  compareFence(state.leader, fence);
  let moved = 0;
  for (const txid of txids) {
    const key = decisionKey(txid);
    const record = known.take(txid) ?? (transaction.get(key) as DecisionRecord | undefined);
    if (record === undefined) continue;
    transaction.put(finishedKey(txid), finishedRecord(record, state.tick + fence.tickMs));
    transaction.remove(key);
    moved += 1;
  }
  if (moved > 0) transaction.change(fence.shard, { finished: state.finished + moved });
}

/** Section 4: an operator's word about branches. Puts nothing where nothing is. */
export function settle(transaction: LogTransaction, fence: Fence, settlement: Settlement): boolean {
  compareFence(transaction.state(fence.shard).leader, fence);
  const key = decisionKey(settlement.txid);
  const record = transaction.get(key) as DecisionRecord | undefined;
  if (record?.outcome !== 'commit') return false;
  transaction.put(key, settled(record, settlement));
  return true;
}

export function tick(transaction: LogTransaction, fence: Fence, byMs: number): number {
  const state = transaction.state(fence.shard);
  compareFence(state.leader, fence);
  transaction.change(fence.shard, { tick: state.tick + byMs });
  return state.tick + byMs;
}

export function collect(
  transaction: LogTransaction,
  fence: Fence,
  options: CollectOptions,
): Collected {
  const { shard } = fence;
  const state = transaction.state(shard);
  compareFence(state.leader, fence);
  const { start, end } = prefixRange(shardPrefix('finished', shard));
  const oldest = transaction.range({ start, end, limit: options.limit + 1 });
  const { txids, requests, floor, more } = collectable(
    oldest.map(([key, record]) => [key.slice(start.length) as Txid, record as FinishedRecord]),
    {
      ...options,
      tick: state.tick,
      floor: state.floor,
      records: state.finished,
      maxRequests: Number.POSITIVE_INFINITY,
    },
  );
  for (const txid of txids) transaction.remove(finishedKey(txid));
  let removed = 0;
  for (const { txid, requestId } of requests) {
    const key = requestKey(shard, requestId);
    // Only where the key still names this transaction.
    if ((transaction.get(key) as RequestEntry | undefined)?.txid !== txid) continue;
    transaction.remove(key);
    removed += 1;
  }
  const collected = txids.length;
  if (collected > 0) {
    transaction.change(shard, {
      requests: state.requests - removed,
      finished: state.finished - collected,
      floor,
    });
  }
  return { collected, floor, more };
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
  page: PendingPage,
): readonly DecisionRecord[] {
  compareFence(readState(keys, fence.shard).leader, fence);
  const after = page.after === null ? undefined : decisionKey(page.after);
  const range = prefixRange(shardPrefix('decisions', fence.shard), after);
  return keys.range({ ...range, limit: page.limit }).map(([, record]) => record as DecisionRecord);
}

export function read(keys: ReadableKeys, txid: Txid, asker?: Member): LogReading {
  const { floor, leader } = readState(keys, shardOf(txid));
  const retired =
    asker === undefined
      ? {}
      : { retired: retirementsOf(asker).some((one) => keys.get(retiredKey(one)) !== undefined) };
  return { record: readRecord(keys, txid), floor, leader, witness: readWitness(keys), ...retired };
}

function readRecord(keys: ReadableKeys, txid: Txid): LogReading['record'] {
  const decision = (keys.get(decisionKey(txid)) as DecisionRecord | undefined) ?? null;
  const finished = decision === null ? keys.get(finishedKey(txid)) : null;
  return recordRead(decision, (finished as FinishedRecord | undefined) ?? null);
}

/**
 * Section 5, resolve: the compare is that the transaction's epoch still leads, that nothing is
 * recorded, and that the floor is below it. Anything else is an answer already. Nothing is written
 * for who was retired, or `shown` a later log.
 */
export function resolve(
  transaction: LogTransaction,
  options: {
    readonly txid: Txid;
    readonly asker: Member | undefined;
    readonly shown: Witness | undefined;
    readonly atMs: number;
  },
): LogReading {
  const { txid, asker, shown, atMs } = options;
  const before = read(transaction, txid, asker);
  const ahead = shown !== undefined && isAhead(shown, before.witness);
  if (before.retired === true || ahead) return before;
  const { floor, leader } = transaction.state(shardOf(txid));
  const now = { ...before, floor, leader };
  if (judge(txid, now, { inDoubt: true }).decision !== 'undecided') {
    return { ...now, witness: transaction.witness() };
  }
  const record: DecisionRecord = { txid, outcome: 'abort', branches: [], atMs };
  transaction.put(decisionKey(txid), record);
  return {
    ...now,
    record: { outcome: 'abort', finished: false, record },
    witness: transaction.witness(),
    forced: true,
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
