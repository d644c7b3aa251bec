/**
 * Whether a cluster's nodes run, for an operator who must have stopped them all. Keys do not tell:
 * a copy of etcd that was restored brings leases back, and they run out only then. A lease that is
 * kept alive, or taken anew, does: its end moves.
 */
import { AccountRefusedError } from './account.ts';
import { decodeLeader, decodeNode } from './records.ts';
import { allFound, get, getRange, type KeyValue } from './requests.ts';
import type { EtcdStore } from './store.ts';

export interface LiveNode {
  readonly node: string;
  /** None: it is up, and leads none. */
  readonly shards: readonly number[];
}

const maxNodes = 1_000;
const lookEveryMs = 500;
/** The end of a lease is told in whole seconds, which round either way. */
const movedMs = 1_500;

/**
 * `shards`: those of this etcd. None: all leases have run out. Waits for the longest of them, where
 * none is kept alive.
 */
export async function liveNodes(
  store: EtcdStore,
  shards: readonly number[],
): Promise<readonly LiveNode[]> {
  /** By lease: when it runs out, as first seen; null: it was taken since the first look. */
  const endsMs = new Map<string, number | null>();
  for (let isFirst = true; ; isFirst = false) {
    const held = await holders(store, shards);
    if (held.size === 0) return [];
    const live: LiveNode[] = [];
    for (const [lease, of] of held) {
      const leftMs = await timeLeftMs(store, lease);
      if (leftMs === null) continue;
      const endMs = store.clock.monotonicMs() + leftMs;
      const known = endsMs.get(lease);
      if (known === undefined) endsMs.set(lease, isFirst ? endMs : null);
      if (known === null || (known === undefined && !isFirst)) live.push(...of);
      else if (known !== undefined && endMs - known > movedMs) live.push(...of);
    }
    if (live.length > 0) return mergedNodes(live);
    await store.pause(lookEveryMs);
  }
}

/** By the lease that their keys hang on. A key without one lives on its own, and says nothing. */
async function holders(
  store: EtcdStore,
  shards: readonly number[],
): Promise<ReadonlyMap<string, readonly LiveNode[]>> {
  const { keys } = store;
  const led = await store.insist({
    success: shards.map((shard) => get(keys.shard(shard).leader)),
  });
  const found: [KeyValue, LiveNode][] = [];
  for (const [at, shard] of shards.entries()) {
    const [kv] = allFound(led.responses, at);
    if (kv !== undefined) found.push([kv, { node: decodeLeader(kv.value).node, shards: [shard] }]);
  }
  for (const kv of await enrolled(store)) {
    found.push([kv, { node: decodeNode(kv.value).node, shards: [] }]);
  }
  const holding = new Map<string, LiveNode[]>();
  for (const [{ lease }, holder] of found) {
    if (lease === '0') continue;
    holding.set(lease, [...(holding.get(lease) ?? []), holder]);
  }
  return holding;
}

/** An account that was made before operators might read them knows who leads alone. */
async function enrolled(store: EtcdStore): Promise<readonly KeyValue[]> {
  try {
    const { responses } = await store.insist({ success: [getRange(store.keys.nodes, maxNodes)] });
    return allFound(responses, 0);
  } catch (error) {
    if (error instanceof AccountRefusedError) return [];
    throw error;
  }
}

/** Null: it is over. */
async function timeLeftMs(store: EtcdStore, lease: string): Promise<number | null> {
  const { TTL } = await store.ask(() =>
    store.clients.lease.call((client) => client.leaseClient.leaseTimeToLive({ ID: lease })),
  );
  const leftS = Number(TTL);
  return leftS < 0 ? null : leftS * 1_000;
}

/** Each once. */
export function mergedNodes(all: readonly LiveNode[]): readonly LiveNode[] {
  const shardsOf = new Map<string, Set<number>>();
  for (const { node, shards } of all) {
    const known = shardsOf.get(node) ?? new Set();
    for (const shard of shards) known.add(shard);
    shardsOf.set(node, known);
  }
  return [...shardsOf].map(([node, shards]) => ({
    node,
    shards: [...shards].sort((a, b) => a - b),
  }));
}
