/** Messages that many tests need, with what does not matter filled in. */
import type { LeaderInfo, Welcome } from '../../../src/core/messages.ts';
import { type Epoch, makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { makeTxid } from '../core/txids.ts';

export function epochOfRevision(revision: number): Epoch {
  return makeEpoch({ generation: 0, revision: BigInt(revision) });
}

export function txidOf(sequence: number, more: { revision?: number; shard?: number } = {}): Txid {
  return makeTxid({
    shard: more.shard ?? 0,
    epoch: epochOfRevision(more.revision ?? 1),
    sequence,
    random: 'abcdefghijklm',
  });
}

export function leaderInfo(
  node: string,
  more: { revision?: number; shard?: number; url?: string } = {},
): LeaderInfo {
  return {
    shard: more.shard ?? 0,
    epoch: epochOfRevision(more.revision ?? 1),
    node,
    url: more.url ?? `ws://${node}:7070/v1`,
  };
}

export function welcomeOf(node: string, more: Partial<Welcome> = {}): Welcome {
  return {
    type: 'welcome',
    node,
    cluster: 'test',
    clusterId: 'made-by-chance',
    shards: 1,
    leaders: [leaderInfo(node)],
    nodes: [{ node, url: `ws://${node}:7070/v1` }],
    limits: {
      maxFrameBytes: 1_048_576,
      maxDepth: 32,
      maxBranches: 128,
      maxRecordBytes: 16_384,
      maxTimeoutMs: 300_000,
      maxLocks: 64,
      maxLockKeyBytes: 256,
      maxLockWaiters: 10_000,
    },
    requestWindowMs: 120_000,
    heartbeatMs: 5_000,
    ...more,
  };
}
