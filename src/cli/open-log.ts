/** Which decision log a node runs on: its own store, or etcd for a cluster of nodes. */
import { readFile } from 'node:fs/promises';
import type { DecisionLog } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import { systemClock } from '../system/clock.ts';
import { systemRandom } from '../system/random.ts';
import { readForeignSecretFile } from '../system/secret-file.ts';
import type { EtcdFiles } from './etcd-options.ts';

/** How a node reaches etcd. */
export interface EtcdServeOptions {
  readonly endpoints: readonly string[];
  /** Keys lie under `/verdict/<cluster>/`. */
  readonly cluster: string;
  /** Fixed by the cluster's first node. Default there: 1. */
  readonly shards?: number;
  /** How long after a leader's host has vanished another node may lead. Default 3,000. */
  readonly leaseTtlMs?: number;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  /** Compact etcd's history: only for an etcd that nobody else uses. */
  readonly compact: boolean;
}

export interface OpenLogOptions {
  readonly data: string;
  readonly node: string;
  readonly url: string;
  readonly requestWindowMs: number | undefined;
  readonly etcd: EtcdServeOptions | null;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
}

export async function openLog(given: OpenLogOptions): Promise<DecisionLog> {
  const { data, node, url, etcd, logger, onFatal } = given;
  const window =
    given.requestWindowMs === undefined ? {} : { requestWindowMs: given.requestWindowMs };
  if (etcd === null) {
    const { openEmbeddedLog } = await import('../decision-log/embedded/log.ts');
    return openEmbeddedLog({
      directory: data,
      node,
      url,
      clock: systemClock,
      onFatal,
      ...window,
    });
  }
  const { openOwnedEtcdLog } = await import('../decision-log/etcd/owned-log.ts');
  return openOwnedEtcdLog({
    endpoints: etcd.endpoints,
    cluster: etcd.cluster,
    node,
    url,
    stateDirectory: data,
    clock: systemClock,
    random: systemRandom,
    logger,
    onFatal,
    compact: etcd.compact,
    ...window,
    ...(etcd.shards === undefined ? {} : { shards: etcd.shards }),
    ...(etcd.leaseTtlMs === undefined ? {} : { leaseTtlMs: etcd.leaseTtlMs }),
    // Its log may be JSON for a machine: a line of Node's own between them would break who reads it.
    ...(await etcdAccess(etcd, (problem) => logger.warn({}, problem))),
  });
}

/** TLS and the account, from the files that hold them: secrets are not for command lines. */
export async function etcdAccess(
  etcd: EtcdFiles,
  warn?: (problem: string) => void,
): Promise<{
  tls?: { ca: Buffer; cert?: Buffer; key?: Buffer };
  auth?: { username: string; password: string };
}> {
  const { caFile, certFile, keyFile, username, passwordFile } = etcd;
  return {
    ...(caFile === undefined
      ? {}
      : {
          tls: {
            ca: await readFile(caFile),
            ...(certFile === undefined ? {} : { cert: await readFile(certFile) }),
            ...(keyFile === undefined
              ? {}
              : { key: readForeignSecretFile(keyFile, 'key for etcd', warn) }),
          },
        }),
    ...(username === undefined
      ? {}
      : {
          auth: {
            username,
            password:
              passwordFile === undefined
                ? ''
                : readForeignSecretFile(passwordFile, 'password for etcd', warn)
                    .toString()
                    .trimEnd(),
          },
        }),
  };
}
