import type { CertificateFiles } from '../secure/installation.ts';
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
  /** Its own: it speaks TLS with clients and members, and with none without a certificate. */
  readonly tls: CertificateFiles | null;
}

export function schemeOf(tls: CertificateFiles | null): 'http' | 'https' {
  return tls === null ? 'http' : 'https';
}

export function tlsSettings(tls: CertificateFiles | null): readonly string[] {
  if (tls === null) return [];
  return ['', 'peer-'].flatMap((to) => [
    `--${to}cert-file=${tls.cert}`,
    `--${to}key-file=${tls.key}`,
    `--${to}trusted-ca-file=${tls.ca}`,
    `--${to}client-cert-auth`,
  ]);
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
