import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import type { Disturbance } from '../support/network/proxy/disturbance.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { healAndMeasure } from '../support/participants/doubts.ts';
import { pause } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();
const disturbedMs = 3_000;

/**
 * What no WebSocket does: a connection loses nothing and keeps its order. What survives this rests
 * on no such promise.
 */
const disturbances: Readonly<Record<string, Partial<Disturbance>>> = {
  doubled: { duplicate: 0.3, lagMs: 300 },
  'overtaken by others': { reorder: 0.3, lagMs: 100 },
  'delayed unevenly': { delayMs: 20, jitterMs: 80 },
  lost: { drop: 0.05 },
  'all of that at once': { duplicate: 0.1, reorder: 0.2, drop: 0.03, jitterMs: 30, lagMs: 600 },
};

/**
 * A commit that arrives again after its `forget` is rightly refused and rightly found strange: on a
 * WebSocket it cannot. That nothing was applied twice or not at all is the checker's to say.
 */
const lateCommit = '"alarm":"commit-after-rollback"';

describe.skipIf(etcd === undefined)('messages between nodes and participants', () => {
  let cluster: PartitionCluster;
  let client: Client;

  beforeAll(async () => {
    if (etcd === undefined) return;
    cluster = await PartitionCluster.started({ etcd, secured: 'never' });
    client = await cluster.client('client');
  });
  afterEach(() => cluster.heal());
  afterAll(() => cluster?.remove());

  it.each(Object.entries(disturbances))('%s', async (name, disturbance) => {
    const load = await cluster.load(client);
    for (const wire of cluster.wires(cluster.participantNames, cluster.nodeNames)) {
      wire.disturb(disturbance);
    }
    await pause(disturbedMs);
    await healAndMeasure(cluster, `messages ${name}`);
    await load.moreOk(5);
    await load.stop();
    const found = await cluster.settled();
    expect(found.filter((line) => !line.includes(lateCommit))).toEqual([]);
  });
});
