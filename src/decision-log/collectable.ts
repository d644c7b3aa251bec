/** Which finished records may be collected: the same rule on every log. */
import { type Position, positionOf, type Txid } from '../core/txid.ts';
import type { CollectOptions } from '../ports/decision-log.ts';
import type { FinishedRecord } from './state.ts';

export interface Collectable {
  readonly txids: readonly Txid[];
  readonly requests: readonly { readonly txid: Txid; readonly requestId: string }[];
  readonly floor: Position;
  readonly more: boolean;
}

/** `oldest`: the records from the start of finished/, in order, one more than `limit`. */
export function collectable(
  oldest: Iterable<readonly [Txid, FinishedRecord]>,
  options: CollectOptions & {
    readonly tick: number;
    readonly floor: Position;
    readonly records: number;
    readonly maxRequests: number;
  },
): Collectable {
  const txids: Txid[] = [];
  const requests: { txid: Txid; requestId: string }[] = [];
  let { floor, records } = options;
  let more = false;
  for (const [txid, { requestId, tick }] of oldest) {
    const position = positionOf(txid);
    const age = options.tick - tick;
    const retention = records > options.maxRecords ? options.retentionMsMin : options.retentionMs;
    if (age < retention || position >= options.below) break;
    if (requestId !== undefined && options.keepsRequest(requestId)) break;
    if (txids.length === options.limit || requests.length === options.maxRequests) {
      more = true;
      break;
    }
    txids.push(txid);
    if (requestId !== undefined) requests.push({ txid, requestId });
    records -= 1;
    // One finished after its neighbours were collected lies below the floor.
    if (position > floor) floor = position;
  }
  return { txids, requests, floor, more };
}
