/**
 * A shard's leader key: taken, compared, given back. Its mod revision is the epoch.
 *
 * - Taken where it is absent, or still exactly what was observed (a takeover): the compare makes
 *   two takers one.
 * - The value carries a nonce. Etcd restored from a snapshot hands the same revisions out again:
 *   only the nonce tells the writes of a leader before the restore from those of one after it.
 * - The generation in the value is `meta`'s, and the taking transaction compares `meta`: a node
 *   that read it before an operator raised it would lead under an epoch that was in use before.
 * - The reply may be lost. Then the key is read: our nonce there means that we lead.
 * - A taking transaction that was sent long ago may land late, under an epoch that no one adopted.
 *   The node's own lease keeps it alive: the shard would have no leader forever. So a key under our
 *   lease whose epoch is not led here is retaken, or deleted (leaders.ts).
 */
import type { LeaderInfo } from '../../core/messages.ts';
import { type Epoch, makeEpoch, positionZero } from '../../core/txid.ts';
import type { ShardKeys } from './keys.ts';
import { decodeLeader, encodeLeader, encodePosition, type LeaderValue } from './records.ts';
import {
  absent,
  type Compare,
  countFound,
  countRange,
  found,
  get,
  type KeyValue,
  modIs,
  nested,
  type Op,
  put,
  putUnderLease,
  remove,
  type TxnResult,
  valueIs,
} from './requests.ts';
import type { EtcdStore } from './store.ts';

export interface ObservedLeader {
  readonly info: LeaderInfo;
  readonly modRevision: string;
  readonly value: Buffer;
  readonly lease: string;
}

export function observe(shard: number, kv: KeyValue | null): ObservedLeader | null {
  if (kv === null) return null;
  const { node, url, generation } = decodeLeader(kv.value);
  return {
    info: { shard, epoch: epochOfKey(generation, kv.mod_revision), node, url },
    modRevision: kv.mod_revision,
    value: kv.value,
    lease: kv.lease,
  };
}

function epochOfKey(generation: number, modRevision: string): Epoch {
  return makeEpoch({ generation, revision: BigInt(modRevision) });
}

/** I6, the fence: what every write of a leadership compares. */
export function fence(keys: ShardKeys, held: ObservedLeader): readonly Compare[] {
  return [modIs(keys.leader, held.modRevision), valueIs(keys.leader, held.value)];
}

export interface TakeOptions {
  readonly store: EtcdStore;
  readonly shard: number;
  readonly value: LeaderValue;
  readonly lease: string;
  /** What is there now, as far as known: it alone is taken over. */
  readonly observed: ObservedLeader | null;
  /** The revision of `meta`, as this node has read it. */
  readonly metaRevision: string;
}

/** What a leadership begins with: as of the moment in which its key was taken. */
export interface Beginning {
  readonly clock: KeyValue | null;
  readonly requests: number;
  /** Of the key that is written with each retirement. */
  readonly retirements: string;
}

export type Taken =
  /** `beginning`: null where the reply was lost. */
  | { readonly kind: 'won'; readonly held: ObservedLeader; readonly beginning: Beginning | null }
  /** Another node's key is there, or none. */
  | {
      readonly kind: 'lost';
      readonly there: ObservedLeader | null;
      readonly meta: KeyValue | null;
      readonly revision: string;
    };

/** One attempt; its fate is read where the reply is lost. Rejects where etcd is unreachable. */
export async function takeLeaderKey(options: TakeOptions): Promise<Taken> {
  const { store, shard, lease, observed, metaRevision } = options;
  const { meta } = store.keys;
  const keys = store.keys.shard(shard);
  const value = encodeLeader(options.value);
  let result: TxnResult;
  try {
    result = await store.attempt({
      compare: [
        observed === null ? absent(keys.leader) : modIs(keys.leader, observed.modRevision),
        modIs(meta, metaRevision),
      ],
      success: [
        putUnderLease(keys.leader, value, lease),
        // A compare on a missing key is always false: the floor must precede the first decision.
        nested({
          compare: [absent(keys.floor)],
          success: [put(keys.floor, encodePosition(positionZero))],
        }),
        // In the same transaction: a shard that is handed over waits for nothing else.
        ...beginningOps(store, keys),
      ],
      failure: [get(keys.leader), get(meta)],
    });
  } catch (error) {
    store.ended.throwIfAborted();
    return readBack(options, value, error);
  }
  if (result.succeeded) {
    const { node, url, generation } = options.value;
    const modRevision = result.header.revision;
    const info = { shard, epoch: epochOfKey(generation, modRevision), node, url };
    const beginning = beginningFound(result, 2);
    return { kind: 'won', held: { info, modRevision, value, lease }, beginning };
  }
  return lost(shard, result);
}

export function beginningOps(store: EtcdStore, keys: ShardKeys): readonly Op[] {
  return [get(keys.clock), countRange(keys.requests), get(store.keys.retirements)];
}

/** `first`: the place of the first of `beginningOps`. */
export function beginningFound({ responses }: Pick<TxnResult, 'responses'>, first = 0): Beginning {
  return {
    clock: found(responses, first),
    requests: countFound(responses, first + 1),
    retirements: found(responses, first + 2)?.mod_revision ?? '0',
  };
}

async function readBack(options: TakeOptions, value: Buffer, cause: unknown): Promise<Taken> {
  const { store, shard, observed } = options;
  const { leader } = store.keys.shard(shard);
  const result = await store.insist({ success: [get(leader), get(store.keys.meta)] });
  const taken = lost(shard, result);
  if (taken.there?.value.equals(value)) return { kind: 'won', held: taken.there, beginning: null };
  // Nothing has changed: etcd refused it (full, no lease), or it is still under way.
  if (taken.there?.modRevision === observed?.modRevision) throw cause;
  return taken;
}

function lost(shard: number, { responses, header }: TxnResult): Extract<Taken, { kind: 'lost' }> {
  return {
    kind: 'lost',
    there: observe(shard, found(responses, 0)),
    meta: found(responses, 1),
    revision: header.revision,
  };
}

/** Deletes the key where it is still exactly this one: works in a full etcd too. One attempt. */
export function deleteLeaderKey(store: EtcdStore, held: ObservedLeader): Promise<TxnResult> {
  const keys = store.keys.shard(held.info.shard);
  return store.attempt({
    compare: [...fence(keys, held)],
    success: [remove(keys.leader)],
    failure: [get(keys.leader)],
  });
}
