/** Which decision log a node runs on: its own store, or etcd for a cluster of nodes. */
import { readFile } from 'node:fs/promises';
import { defined } from '../core/defined.ts';
import type { EtcdAccess } from '../decision-log/etcd/client.ts';
import type { DecisionLog } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import { systemClock } from '../system/clock.ts';
import { systemRandom } from '../system/random.ts';
import { readForeignSecretFile } from '../system/secret-file.ts';
import type { EtcdFlags } from './options.ts';

export interface LogFlags extends Omit<EtcdFlags, 'etcd'> {
  /** With etcd it holds only what guards against a restored etcd. */
  readonly data: string;
  readonly node: string;
  /** Fixed when the log is made. */
  readonly requestWindow?: number;
  readonly etcd?: readonly string[];
  readonly leaseTtl?: number;
  readonly shards?: number;
  readonly etcdCompact?: true;
}

export async function openLog(
  flags: LogFlags,
  own: {
    readonly url: string;
    readonly logger: Logger;
    readonly onFatal: (error: unknown) => void;
    readonly access: () => string;
  },
): Promise<DecisionLog> {
  const { data, node, requestWindow, etcd, cluster, shards, leaseTtl } = flags;
  const { url, logger, onFatal, access } = own;
  const window = defined({ requestWindowMs: requestWindow });
  const common = { node, url, clock: systemClock, onFatal, ...window };
  if (etcd === undefined) {
    const { openEmbeddedLog } = await import('../decision-log/embedded/log.ts');
    return openEmbeddedLog({ directory: data, ...common });
  }
  const { openOwnedEtcdLog } = await import('../decision-log/etcd/owned-log.ts');
  return openOwnedEtcdLog({
    ...common,
    endpoints: etcd,
    cluster,
    stateDirectory: data,
    random: systemRandom,
    logger,
    access,
    compact: flags.etcdCompact === true,
    ...defined({ shards, leaseTtlMs: leaseTtl }),
    // The log may be JSON: a warning printed by Node itself would break whoever parses it.
    ...(await etcdAccess(flags, (problem) => logger.warn({}, problem))),
  });
}

/** TLS and the account, from the files that hold them: secrets are not for command lines. */
export async function etcdAccess(
  flags: Omit<EtcdFlags, 'etcd' | 'cluster'>,
  warn?: (problem: string) => void,
): Promise<Pick<EtcdAccess, 'tls' | 'auth'>> {
  const { etcdCa, etcdCert, etcdKey, etcdUser, etcdPasswordFile } = flags;
  const secret = (file: string, what: string): Buffer => readForeignSecretFile(file, what, warn);
  const password = (): string =>
    etcdPasswordFile === undefined
      ? ''
      : secret(etcdPasswordFile, 'password for etcd').toString().trimEnd();
  // They are read again as connections are made: here it is only said what cannot be.
  for (const file of [etcdCa, etcdCert]) if (file !== undefined) await readFile(file);
  if (etcdKey !== undefined) secret(etcdKey, 'key for etcd');
  return {
    ...(etcdCa !== undefined && {
      tls: {
        ca: { file: etcdCa },
        ...(etcdCert !== undefined && { cert: { file: etcdCert } }),
        ...(etcdKey !== undefined && { key: { file: etcdKey } }),
      },
    }),
    ...(etcdUser !== undefined && { auth: { username: etcdUser, password: password() } }),
  };
}
