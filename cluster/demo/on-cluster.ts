/** The coordinator of `demo --cluster`: three nodes over three members of etcd. */
import { mkdir } from 'node:fs/promises';
import { EtcdContents, type SeenLeader } from '../launcher/etcd-contents.ts';
import { reader } from '../launcher/security.ts';
import type { Service } from '../launcher/service.ts';
import { startCluster } from '../launcher/start.ts';
import { waitUntil } from '../launcher/waiting.ts';
import { readPem } from '../secure/installation.ts';
import type { Coordinator, Kill } from './coordinator.ts';
import type { CoordinatorOptions } from './single-node.ts';

const leaderTimeoutMs = 30_000;
const leaderIntervalMs = 5;

export async function startOnCluster(
  options: CoordinatorOptions & { readonly secure: boolean },
): Promise<Coordinator> {
  const { layout, processes, secure, signal } = options;
  await mkdir(layout.cluster, { recursive: true, mode: 0o700 });
  const cluster = await startCluster({
    processes,
    directory: layout.cluster,
    signal,
    etcd: { members: 3 },
    nodes: { count: 3 },
    // The demo's own: it reads the stores afterwards.
    shop: false,
    secure,
  });
  const { security } = cluster;
  const contents = new EtcdContents({
    endpoints: cluster.etcd.endpoints,
    cluster: cluster.name,
    ...(security !== null && { tls: await readPem(security.etcd.identity(reader)) }),
  });
  const nodes = new Map(cluster.nodes.all.map((node) => [node.name, node]));
  processes.atEnd(() => contents.close());
  const kills: Kill[] = [];
  return {
    urls: cluster.urls,
    certificates: security?.certificates ?? null,
    failed: cluster.failed,
    killLeader: async (killSignal) => {
      const { leader, node } = await runningLeader({ contents, nodes, kills, signal: killSignal });
      const killedAtMs = await node.kill();
      const kill: Kill = {
        node: leader.node,
        killedAtMs,
        epoch: leader.epoch,
        readyMs: node.start(killSignal).then(() => performance.now() - killedAtMs),
      };
      kills.push(kill);
      return kill;
    },
    readLog: () => contents.outcomes(),
    stop: async (timeoutMs) => {
      for (const node of nodes.values()) await node.stop(timeoutMs);
    },
  };
}

/** Right after a kill the leader key still names the dead: its epoch tells. */
async function runningLeader(options: {
  readonly contents: EtcdContents;
  readonly nodes: ReadonlyMap<string, Service>;
  readonly kills: readonly Kill[];
  readonly signal: AbortSignal;
}): Promise<{ readonly leader: SeenLeader; readonly node: Service }> {
  const { contents, nodes, kills, signal } = options;
  const wait = {
    what: 'a leader to kill',
    timeoutMs: leaderTimeoutMs,
    intervalMs: leaderIntervalMs,
    signal,
  };
  let leader: SeenLeader | null = null;
  await waitUntil(wait, async () => {
    leader = await contents.leader();
    if (leader === null) return 'no one leads';
    const { epoch } = leader;
    return kills.some((kill) => kill.epoch === epoch) ? 'the last leader is dead' : true;
  });
  const found = leader as SeenLeader | null;
  const node = found === null ? undefined : nodes.get(found.node);
  if (found === null || node === undefined) throw new Error('The leader is none of the nodes.');
  return { leader: found, node };
}
