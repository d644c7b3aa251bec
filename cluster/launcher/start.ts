/** A whole cluster: etcd, then the nodes, then the shop. */
import { type Etcd, type EtcdSource, type PartOptions, startEtcd } from './etcd.ts';
import { type Nodes, startNodes } from './nodes.ts';
import { clusterPorts, type WantedPorts } from './ports.ts';
import { startShop } from './shop.ts';

export interface ClusterOptions extends PartOptions {
  readonly etcd: {
    readonly members: number;
    readonly ports?: readonly number[] | undefined;
    readonly source?: EtcdSource;
  };
  readonly nodes: {
    readonly count: number;
    readonly ports?: readonly number[] | undefined;
    readonly shards?: number | undefined;
    readonly leaseTtlMs?: number | undefined;
  };
  readonly shop: boolean;
  /** Default: any free ports. */
  readonly usualPorts?: WantedPorts['usual'];
}

export interface RunningCluster {
  /** The name below which its keys lie in etcd. */
  readonly name: string;
  readonly etcd: Etcd;
  readonly nodes: Nodes;
  /** The nodes, host:port. */
  readonly urls: readonly string[];
  /** Rejects when a part of it has ended for good. */
  readonly failed: Promise<never>;
}

const clusterName = 'verdict';

export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { directory, etcd: etcdOptions, nodes: nodeOptions } = options;
  const ports = await clusterPorts(
    directory,
    { members: etcdOptions.members, nodes: nodeOptions.count },
    { etcd: etcdOptions.ports, nodes: nodeOptions.ports, usual: options.usualPorts },
  );
  const { source = 'auto' } = etcdOptions;
  const etcd = await startEtcd({ ...options, ports: ports.etcd, source });
  const nodes = await startNodes({
    ...options,
    ...nodeOptions,
    ports: ports.nodes,
    endpoints: etcd.endpoints,
    cluster: clusterName,
  });
  const shop = options.shop ? await startShop({ ...options, urls: nodes.urls }) : null;
  const ends = [...etcd.members, ...nodes.all].map(({ failed }) => failed);
  if (shop !== null) ends.push(shop.failsOnExit());
  const failed = Promise.race(ends);
  // It may fail while no one waits for it; whoever waits next hears of it.
  failed.catch(() => undefined);
  return { name: clusterName, etcd, nodes, urls: nodes.urls, failed };
}
