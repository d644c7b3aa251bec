/** A whole cluster: etcd, then the nodes, then the shop. */
import { type Etcd, type EtcdSource, type PartOptions, startEtcd } from './etcd.ts';
import { type Nodes, startNodes } from './nodes.ts';
import { clusterPorts, type WantedPorts } from './ports.ts';
import { makeAccounts, makeSecurity, type Security } from './security.ts';
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
  /** Everyone has a certificate, and may do what the access file says. Default: no one asks. */
  readonly secure?: boolean;
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
  /** Null where it is not secured. */
  readonly security: Security | null;
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
  const security =
    options.secure === true
      ? await makeSecurity({ directory, members: etcdOptions.members, nodes: nodeOptions.count })
      : null;
  const etcd = await startEtcd({
    ...options,
    ports: ports.etcd,
    source,
    certificates: security?.etcd,
  });
  if (security !== null) {
    const { endpoints } = etcd;
    const { shards = 1, count } = nodeOptions;
    await makeAccounts({ security, endpoints, cluster: clusterName, shards, nodes: count });
  }
  const nodes = await startNodes({
    ...options,
    ...nodeOptions,
    ports: ports.nodes,
    endpoints: etcd.endpoints,
    cluster: clusterName,
    secure: security ?? undefined,
  });
  const certificates = security?.certificates;
  const shop = options.shop
    ? await startShop({ ...options, urls: nodes.urls, certificates })
    : null;
  const ends = [...etcd.members, ...nodes.all].map(({ failed }) => failed);
  if (shop !== null) ends.push(shop.failsOnExit());
  const failed = Promise.race(ends);
  // It may fail while no one waits for it; whoever waits next hears of it.
  failed.catch(() => undefined);
  return { name: clusterName, etcd, nodes, urls: nodes.urls, security, failed };
}
