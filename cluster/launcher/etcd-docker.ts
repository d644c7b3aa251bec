/** Etcd in containers, for a machine that has Docker and no etcd. */

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { type EtcdProgram, etcdSettings, schemeOf, tlsSettings } from './etcd-program.ts';
import type { Processes } from './processes.ts';

const image = 'quay.io/coreos/etcd:v3.5.16';
const commandTimeoutMs = 60_000;

/** Null where Docker answers, else why not. */
export function dockerMissing(): string | null {
  const problem = docker('version', '--format', '{{.Server.Version}}');
  return problem === null ? null : `Docker cannot be used either: ${problem}`;
}

/**
 * The members are in a network of their own, and are reached by ports published on 127.0.0.1. The
 * network and whatever container is left are removed with the processes.
 */
export function dockerEtcd(processes: Processes): EtcdProgram {
  const project = `verdict-cluster-${randomUUID().slice(0, 8)}`;
  const containers: string[] = [];
  const problem = docker('network', 'create', project);
  if (problem !== null) throw new Error(`Docker made no network for etcd: ${problem}`);
  processes.atEnd(() => {
    // Killed with -9, `docker run` leaves its container running.
    if (containers.length > 0) docker('rm', '--force', '--volumes', ...containers);
    docker('network', 'rm', project);
  });
  return {
    origin: `${image} in containers named ${project}-etcd-N`,
    member: ({ name, directory, ports, others, tls }) => {
      const scheme = schemeOf(tls);
      const inside = tls && { ca: '/ca.crt', cert: '/own.crt', key: '/own.key' };
      const mounts =
        tls === null
          ? []
          : [`${tls.ca}:/ca.crt:ro`, `${tls.cert}:/own.crt:ro`, `${tls.key}:/own.key:ro`];
      const container = `${project}-${name}`;
      containers.push(container);
      const cluster = others.map((each) => `${each.name}=${scheme}://${each.name}:2380`);
      return {
        command: 'docker',
        args: [
          ...['run', '--rm', '--name', container, '--network', project, '--network-alias', name],
          ...['--publish', `127.0.0.1:${ports.client}:2379`, '--volume', `${directory}:/etcd-data`],
          ...mounts.flatMap((mount) => ['--volume', mount]),
          // What it writes belongs to whoever started the cluster, who may remove it.
          ...['--user', `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`],
          ...[image, '/usr/local/bin/etcd', `--name=${name}`, '--data-dir=/etcd-data'],
          `--listen-client-urls=${scheme}://0.0.0.0:2379`,
          `--advertise-client-urls=${scheme}://127.0.0.1:${ports.client}`,
          `--listen-peer-urls=${scheme}://0.0.0.0:2380`,
          `--initial-advertise-peer-urls=${scheme}://${name}:2380`,
          `--initial-cluster=${cluster.join(',')}`,
          ...tlsSettings(inside),
          ...etcdSettings,
        ],
      };
    },
  };
}

/** Null where it went well, else what was wrong. */
function docker(...args: readonly string[]): string | null {
  const { error, status, stderr } = spawnSync('docker', args, {
    encoding: 'utf8',
    timeout: commandTimeoutMs,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (error !== undefined) return error.message;
  return status === 0 ? null : (stderr.trim().split('\n').at(-1) ?? `exit code ${status}`);
}
