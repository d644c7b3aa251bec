/**
 * One page of collection: read from the start of finished/, then, in one transaction, delete and
 * move the floor.
 *
 * What the transaction compares beside the fence, and why:
 * - The floor is still the one that was read. A delayed duplicate of an earlier page would pull it
 *   back, and what lies between would come alive for a decision that was delayed as well.
 * - Nothing in the deleted range was written since the read. Between the two, a transaction whose
 *   participant was away for long may have been finished: a record below its neighbours in order,
 *   but young. It would go with them, long before the retention.
 */
import { type Position, positionOf, type Txid } from '../../core/txid.ts';
import type { Leadership } from '../../ports/decision-log.ts';
import type { Fenced } from './fenced.ts';
import { type KeyRange, keyAfter } from './keys.ts';
import { decodeFinished, decodePosition, encodePosition } from './records.ts';
import {
  allFound,
  countFound,
  found,
  get,
  getRange,
  type KeyValue,
  noneNewerIn,
  put,
  remove,
  removedAt,
  removeRange,
  valueIs,
} from './requests.ts';

export type CollectOptions = Parameters<Leadership['collect']>[0];
export type Collected = Awaited<ReturnType<Leadership['collect']>>;

/** A delete of very many keys stalls etcd: 300,000 took 0.8 s. */
const recordsPerPage = 2_000;
/** Each costs an operation of its own, and etcd takes 128 in a transaction. */
const requestsPerPage = 60;
const maxAttempts = 3;

interface Page {
  readonly keys: readonly Buffer[];
  readonly requestIds: readonly string[];
  readonly floor: Position;
  readonly more: boolean;
}

export async function collect(
  fenced: Fenced,
  options: CollectOptions,
  tick: number,
): Promise<Collected & { readonly requestsRemoved: number }> {
  const { keys } = fenced;
  const limit = Math.min(options.limit, recordsPerPage);
  for (let attempt = 1; ; attempt += 1) {
    const { responses, header } = await fenced.read([
      getRange(keys.finished, limit + 1),
      get(keys.floor),
    ]);
    const floorBefore = decodePosition(found(responses, 1)?.value ?? Buffer.of());
    const page = choose(allFound(responses, 0), {
      ...options,
      limit,
      tick,
      floor: floorBefore,
      records: countFound(responses, 0),
      prefixLength: keys.finished.key.length,
    });
    const { floor, more } = page;
    const last = page.keys.at(-1);
    if (last === undefined) return { collected: 0, floor, more, requestsRemoved: 0 };
    const range: KeyRange = { key: keys.finished.key, range_end: keyAfter(last) };
    const result = await fenced.write({
      compare: [
        valueIs(keys.floor, encodePosition(floorBefore)),
        noneNewerIn(range, header.revision),
      ],
      success: [
        removeRange(range),
        // Each names a transaction of this page: record and request come together and go together.
        ...page.requestIds.map((requestId) => remove(keys.request(requestId))),
        ...(floor > floorBefore ? [put(keys.floor, encodePosition(floor))] : []),
      ],
      failure: [get(keys.floor)],
    });
    const collected = page.keys.length;
    if (result.succeeded) {
      const removed = page.requestIds.map((_, index) => removedAt(result.responses, index + 1));
      return {
        collected,
        floor,
        more,
        requestsRemoved: removed.reduce((sum, count) => sum + count, 0),
      };
    }
    const floorNow = decodePosition(found(result.responses, 1)?.value ?? Buffer.of());
    // The leader alone moves the floor: an earlier attempt landed, and its reply was lost.
    if (floorNow === floor && floor > floorBefore) {
      return { collected, floor, more, requestsRemoved: page.requestIds.length };
    }
    // Something was finished in the range meanwhile: look again, a few times.
    if (attempt === maxAttempts) {
      return { collected: 0, floor: floorNow, more: false, requestsRemoved: 0 };
    }
  }
}

function choose(
  kvs: readonly KeyValue[],
  options: CollectOptions & {
    readonly tick: number;
    readonly floor: Position;
    readonly records: number;
    readonly prefixLength: number;
  },
): Page {
  const keys: Buffer[] = [];
  const requestIds: string[] = [];
  let { floor, records } = options;
  let more = false;
  for (const { key, value } of kvs) {
    const record = decodeFinished(value);
    const { requestId } = record;
    const position = positionOf(key.toString('utf8', options.prefixLength) as Txid);
    const age = options.tick - record.tick;
    const retention = records > options.maxRecords ? options.retentionMsMin : options.retentionMs;
    if (age < retention || position >= options.below) break;
    if (requestId !== undefined && options.keepsRequest(requestId)) break;
    if (keys.length === options.limit || requestIds.length === requestsPerPage) {
      more = true;
      break;
    }
    keys.push(key);
    if (requestId !== undefined) requestIds.push(requestId);
    records -= 1;
    // A record that was finished after its neighbours were collected lies below the floor, which
    // never comes down.
    if (position > floor) floor = position;
  }
  return { keys, requestIds, floor, more };
}
