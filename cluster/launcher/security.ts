/** What a secured cluster has beside an open one: certificates for all, and accounts at etcd. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Certificates, certifyEtcd, certifyShop, runVerdict } from '../secure/installation.ts';
import { memberNames } from './etcd.ts';
import { nodeNames } from './nodes.ts';

export interface Security {
  /** Of nodes, services and clients. */
  readonly certificates: Certificates;
  /** Of etcd. */
  readonly etcd: Certificates;
  /** Where the password of etcd's `root` is. */
  readonly passwords: string;
}

/** Accounts at etcd beside those of the nodes. */
export const reader = 'reader';
const administrator = 'root';

/** Those of an earlier run stay as they are. */
export async function makeSecurity(options: {
  readonly directory: string;
  readonly members: number;
  readonly nodes: number;
}): Promise<Security> {
  const nodes = nodeNames(options.nodes);
  const passwords = join(options.directory, 'etcd-passwords');
  await mkdir(passwords, { recursive: true, mode: 0o700 });
  return {
    certificates: await certifyShop({ directory: join(options.directory, 'certs'), nodes }),
    etcd: await certifyEtcd({
      directory: join(options.directory, 'etcd-certs'),
      members: memberNames(options.members),
      accounts: [...nodes, reader, administrator],
    }),
    passwords,
  };
}

/** A node may write what the nodes keep, the reader may read outcomes, and no one else anything. */
export async function makeAccounts(options: {
  readonly security: Security;
  readonly endpoints: readonly string[];
  readonly cluster: string;
  readonly shards: number;
  readonly nodes: number;
}): Promise<void> {
  const { security, endpoints, cluster, shards, nodes } = options;
  const { ca, cert, key } = security.etcd.identity(administrator);
  await runVerdict(
    ...['etcd-setup', '--etcd', endpoints.join(','), '--cluster', cluster],
    ...['--shards', String(shards), '--password-directory', security.passwords, '--enable-auth'],
    ...nodeNames(nodes).flatMap((name) => ['--certificate', `node=${name}`]),
    ...['--certificate', `participant=${reader}`],
    ...['--etcd-ca', ca, '--etcd-cert', cert, '--etcd-key', key],
  );
}
