import type { ClusterPorts } from './ports.ts';

/** How to run one member. */
export interface EtcdProgram {
  readonly origin: string;
  member(member: EtcdMemberOptions): { readonly command: string; readonly args: readonly string[] };
}

interface EtcdMemberOptions {
  readonly name: string;
  readonly directory: string;
  readonly ports: ClusterPorts['etcd'][number];
  /** name=peer address, of all members. */
  readonly others: readonly { readonly name: string; readonly peerPort: number }[];
}

/**
 * What every member is given: history is of no use to the nodes, and 8 GiB is the most that etcd
 * advises. No JSON gateway: any web page that this machine's browser shows could post to it, and
 * rewrite decisions.
 */
export const etcdSettings: readonly string[] = [
  '--auto-compaction-mode=periodic',
  '--auto-compaction-retention=5m',
  `--quota-backend-bytes=${8 * 1024 ** 3}`,
  '--enable-grpc-gateway=false',
  '--logger=zap',
  '--log-level=warn',
];
