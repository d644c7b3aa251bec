/**
 * One page of collection: a read from the start of finished/, then one transaction.
 *
 * What the transaction compares beside the fence, and why:
 * - The floor is still the one that was read. A delayed duplicate of an earlier page would pull it
 *   back, and what lies between would come alive for a decision that was delayed as well.
 * - Nothing in the deleted range was written since the read. Between the two, a transaction whose
 *   participant was away for long may have been finished: a record below its neighbours in order,
 *   but young. It would go with them, long before the retention.
 * - No request key of the page was written since the read. Where the page lies below the floor, a
 *   delayed duplicate finds the floor as it was; meanwhile the id may stand for another request.
 *
 * One delete of one range must take nothing that cannot be read (unreadable.ts). So a page is what
 * lies between two of those: it begins behind the ones that come first, and ends before the next.
 */
import { isTxid, type Txid } from '../../core/txid.ts';
import type { Collected, CollectOptions } from '../../ports/decision-log.ts';
import { collectable } from '../collectable.ts';
import type { FinishedRecord } from '../state.ts';
import type { Fenced } from './fenced.ts';
import { keyAfter, type ShardKeys } from './keys.ts';
import { decodeFinished, decodePosition, encodePosition, unreadable } from './records.ts';
import {
  allFound,
  countFound,
  found,
  get,
  getRange,
  type KeyValue,
  noneNewerIn,
  notNewer,
  put,
  remove,
  removedAt,
  removeRange,
  valueIs,
} from './requests.ts';
import type { Unreadable } from './unreadable.ts';

/** A delete of very many keys stalls etcd: 300,000 took 0.8 s. */
const recordsPerPage = 2_000;
/** Each costs a compare and an operation of its own, and etcd takes 128 of either. */
const requestsPerPage = 60;
const maxAttempts = 3;

export interface CollectedPage extends Collected {
  readonly requestsRemoved: number;
  /** What the page passed over. */
  readonly unreadable: readonly Unreadable[];
  /** Where the next page begins, so as not to pass over the same again; null: at the start. */
  readonly next: Buffer | null;
  /** What it has come to, and did not pass; null: the end. */
  readonly end: Buffer | null;
}

/** `from`: null at the start, or `next` of the page before. */
export async function collect(
  fenced: Fenced,
  options: CollectOptions,
  tick: number,
  from: Buffer | null = null,
): Promise<CollectedPage> {
  const { keys } = fenced;
  const limit = Math.min(options.limit, recordsPerPage);
  const start = from ?? keys.finished.key;
  for (let attempt = 1; ; attempt += 1) {
    const { responses, header } = await fenced.read([
      getRange({ ...keys.finished, key: start }, limit + 1),
      get(keys.floor),
    ]);
    const floorBefore = decodePosition(found(responses, 1)?.value ?? Buffer.of());
    const { passed, readable, followed } = readablePart(keys, allFound(responses, 0), limit);
    const { txids, requests, floor, more } = collectable(readable, {
      ...options,
      limit,
      tick,
      floor: floorBefore,
      records: countFound(responses, 0),
      maxRequests: requestsPerPage,
    });
    const last = txids.at(-1);
    const lastPassed = passed.at(-1)?.key;
    const lastKey = last === undefined ? lastPassed : keys.finishedRecord(last);
    const kept = readable[txids.length];
    const page = {
      floor,
      more: more || (followed && txids.length === readable.length),
      requestsRemoved: 0,
      unreadable: passed,
      next: (from ?? lastPassed) === undefined || lastKey === undefined ? from : keyAfter(lastKey),
      end: kept === undefined ? null : keys.finishedRecord(kept[0]),
    };
    if (last === undefined) return { ...page, collected: 0 };
    const range = {
      key: lastPassed === undefined ? start : keyAfter(lastPassed),
      range_end: keyAfter(keys.finishedRecord(last)),
    };
    const result = await fenced.write({
      compare: [
        valueIs(keys.floor, encodePosition(floorBefore)),
        noneNewerIn(range, header.revision),
        ...requests.map(({ requestId }) => notNewer(keys.request(requestId), header.revision)),
      ],
      success: [
        removeRange(range),
        // Each names a transaction of this page: record and request come together and go together.
        ...requests.map(({ requestId }) => remove(keys.request(requestId))),
        ...(floor > floorBefore ? [put(keys.floor, encodePosition(floor))] : []),
      ],
      failure: [get(keys.floor)],
    });
    const collected = txids.length;
    if (result.succeeded) {
      let requestsRemoved = 0;
      for (let at = 1; at <= requests.length; at += 1) {
        requestsRemoved += removedAt(result.responses, at);
      }
      return { ...page, collected, requestsRemoved };
    }
    const floorNow = decodePosition(found(result.responses, 1)?.value ?? Buffer.of());
    // The leader alone moves the floor: an earlier attempt landed, and its reply was lost.
    if (floorNow === floor && floor > floorBefore) {
      return { ...page, collected, requestsRemoved: requests.length };
    }
    // Something was finished in the range meanwhile: look again, a few times.
    if (attempt === maxAttempts) {
      return { ...page, collected: 0, floor: floorNow, more: false, end: range.key };
    }
  }
}

interface ReadablePart {
  /** What comes first. */
  readonly passed: readonly Unreadable[];
  /** Behind it, up to the next of those. */
  readonly readable: readonly (readonly [Txid, FinishedRecord])[];
  /** There is more behind them. */
  readonly followed: boolean;
}

function readablePart(keys: ShardKeys, kvs: readonly KeyValue[], limit: number): ReadablePart {
  const passed: Unreadable[] = [];
  const readable: (readonly [Txid, FinishedRecord])[] = [];
  for (const kv of kvs) {
    try {
      readable.push(decoded(keys, kv));
    } catch (error) {
      if (readable.length > 0) return { passed, readable, followed: true };
      passed.push({ key: kv.key, error });
    }
  }
  return { passed, readable, followed: kvs.length > limit };
}

function decoded(keys: ShardKeys, { key, value }: KeyValue): readonly [Txid, FinishedRecord] {
  const txid = key.toString('utf8', keys.finished.key.length);
  // Else it could become the floor, which no one could read.
  if (!isTxid(txid)) throw unreadable('key of a finished record');
  const record = decodeFinished(value);
  // Throws where no request can have such an id.
  if (record.requestId !== undefined) keys.request(record.requestId);
  return [txid, record];
}
