import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { SteadyLoad } from '../support/clients/steady-load.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { healAndMeasure } from '../support/participants/doubts.ts';
import { eventually } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();

describe.skipIf(etcd === undefined)('the leader, cut off from etcd', () => {
  let cluster: PartitionCluster;
  let client: Client;
  let load: SteadyLoad | null = null;
  const linesOf = (node: string): readonly string[] => cluster.node(node).child.lines;

  beforeAll(async () => {
    if (etcd === undefined) return;
    cluster = await PartitionCluster.started({ etcd });
    client = await cluster.client('client');
  });
  afterEach(async () => {
    await cluster.heal();
    // Of a test that failed: the next one must find the cluster at rest.
    await load?.stop();
  });
  afterAll(() => cluster?.remove());

  it.each(['silently', 'by a reset'] as const)(
    '%s, stops before another leads, and nothing is lost',
    async (how) => {
      const before = await cluster.leader();
      load = await cluster.load(client);
      const wire = cluster.wire(before.node, 'etcd');
      wire.block();
      if (how === 'by a reset') {
        wire.refuse();
        wire.cut();
      }
      const next = await cluster.nextLeader(before);
      // Both write their own log, by the one clock of this machine.
      const stopped = linesOf(before.node).find(isOf(before, 'The leadership is over.'));
      expect(stopped, 'the old leader has not stopped').toBeDefined();
      // It leads before it says so: first it reads what the old one left.
      const started = await eventually(
        () => linesOf(next.node).find(isOf(next, '"Leading:')) ?? null,
        () => 'the new leader to say that it leads',
      );
      expect(timeOf(stopped ?? '')).toBeLessThan(timeOf(started));
      await load.moreOk(5);
      await healAndMeasure(cluster, `leader cut off from etcd ${how}`);
      await load.stop();
      expect(await cluster.settled()).toEqual([]);
      // The node that was cut off is one of the cluster again.
      expect((await cluster.leader()).epoch).toBe(next.epoch);
    },
  );
});

/** A node may have led before. */
function isOf({ epoch }: { readonly epoch: string }, text: string): (line: string) => boolean {
  return (line) => line.includes(text) && line.includes(epoch);
}

function timeOf(line: string): number {
  return (JSON.parse(line) as { time: number }).time;
}
