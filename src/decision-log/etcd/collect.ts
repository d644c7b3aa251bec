/**
 * One page of collection: a read from the start of finished/, then one transaction.
 *
 * What the transaction compares beside the fence, and why:
 * - The floor is still the one that was read. A delayed duplicate of an earlier page would pull it
 *   back, and what lies between would come alive for a decision that was delayed as well.
 * - Nothing in the deleted range was written since the read. Between the two, a transaction whose
 *   participant was away for long may have been finished: a record below its neighbours in order,
 *   but young. It would go with them, long before the retention.
 */
import type { Txid } from '../../core/txid.ts';
import type { Collected, CollectOptions } from '../../ports/decision-log.ts';
import { collectable } from '../collectable.ts';
import type { FinishedRecord } from '../state.ts';
import type { Fenced } from './fenced.ts';
import { keyAfter } from './keys.ts';
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

/** A delete of very many keys stalls etcd: 300,000 took 0.8 s. */
const recordsPerPage = 2_000;
/** Each costs an operation of its own, and etcd takes 128 in a transaction. */
const requestsPerPage = 60;
const maxAttempts = 3;

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
    const { txids, requests, floor, more } = collectable(
      decoded(allFound(responses, 0), keys.finished.key.length),
      {
        ...options,
        limit,
        tick,
        floor: floorBefore,
        records: countFound(responses, 0),
        maxRequests: requestsPerPage,
      },
    );
    const last = txids.at(-1);
    if (last === undefined) return { collected: 0, floor, more, requestsRemoved: 0 };
    const range = { ...keys.finished, range_end: keyAfter(keys.finishedRecord(last)) };
    const result = await fenced.write({
      compare: [
        valueIs(keys.floor, encodePosition(floorBefore)),
        noneNewerIn(range, header.revision),
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
      return { collected, floor, more, requestsRemoved };
    }
    const floorNow = decodePosition(found(result.responses, 1)?.value ?? Buffer.of());
    // The leader alone moves the floor: an earlier attempt landed, and its reply was lost.
    if (floorNow === floor && floor > floorBefore) {
      return { collected, floor, more, requestsRemoved: requests.length };
    }
    // Something was finished in the range meanwhile: look again, a few times.
    if (attempt === maxAttempts) {
      return { collected: 0, floor: floorNow, more: false, requestsRemoved: 0 };
    }
  }
}

function* decoded(
  kvs: readonly KeyValue[],
  prefixLength: number,
): Generator<readonly [Txid, FinishedRecord]> {
  for (const { key, value } of kvs) {
    yield [key.toString('utf8', prefixLength) as Txid, decodeFinished(value)];
  }
}
