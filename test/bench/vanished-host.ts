/**
 * The leader's host vanishes: nothing comes from it and nothing reaches it, and no address refuses.
 * Every wire to and from it swallows what it is given - etcd, the other nodes, the participants,
 * the clients - until it is healed.
 */
import { performance } from 'node:perf_hooks';
import type { EtcdPrograms } from '../../cluster/etcd/find.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { pause } from '../support/process/child.ts';
import { Committing } from './committing.ts';
import { type Figure, figure, milliseconds } from './figure.ts';

const callTimeoutMs = 20_000;
const restMs = 2_000;

export async function afterVanishing(options: {
  readonly etcd: EtcdPrograms;
  readonly times: number;
  readonly leaseTtlMs: number;
  readonly progress: (text: string) => void;
}): Promise<readonly Figure[]> {
  const { etcd, times, leaseTtlMs, progress } = options;
  const cluster = await PartitionCluster.started({ etcd, leaseTtlMs });
  const tookMs: number[] = [];
  try {
    const client = await cluster.client('client');
    const committing = new Committing([async () => client], callTimeoutMs);
    const peers = ['nodes', 'client', ...cluster.participantNames];
    for (let round = 1; round <= times; round += 1) {
      progress(`the leader's host vanishes, ${round} of ${times}`);
      const { node, epoch } = await cluster.leader();
      await committing.after('');
      const vanishedAtMs = performance.now();
      for (const wire of [...cluster.wires(peers, [node]), cluster.wire(node, 'etcd')]) {
        wire.block();
      }
      tookMs.push((await committing.after(epoch)) - vanishedAtMs);
      await cluster.heal();
      await cluster.connectedToAll();
      await pause(restMs);
    }
    await committing.stop();
  } finally {
    await cluster.remove();
  }
  const worst = Math.max(...tookMs);
  const most = leaseTtlMs + 1_000;
  return [
    figure(
      `the leader's host vanishes, to a commit of the next, worst of ${times}`,
      milliseconds(worst),
      {
        aim: `<= lease TTL + 1 s = ${most} ms`,
        met: worst <= most,
      },
    ),
  ];
}
