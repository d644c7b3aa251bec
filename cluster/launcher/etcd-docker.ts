/** Etcd in containers, for a machine that has Docker and no etcd. */

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { type EtcdProgram, etcdSettings } from './etcd-program.ts';
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
    member: ({ name, directory, ports, others }) => {
      const container = `${project}-${name}`;
      containers.push(container);
      const cluster = others.map((each) => `${each.name}=http://${each.name}:2380`);
      return {
        command: 'docker',
        args: [
          ...['run', '--rm', '--name', container, '--network', project, '--network-alias', name],
          ...['--publish', `127.0.0.1:${ports.client}:2379`, '--volume', `${directory}:/etcd-data`],
          // What it writes belongs to whoever started the cluster, who may remove it.
          ...['--user', `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`],
          ...[image, '/usr/local/bin/etcd', `--name=${name}`, '--data-dir=/etcd-data'],
          '--listen-client-urls=http://0.0.0.0:2379',
          `--advertise-client-urls=http://127.0.0.1:${ports.client}`,
          '--listen-peer-urls=http://0.0.0.0:2380',
          `--initial-advertise-peer-urls=http://${name}:2380`,
          `--initial-cluster=${cluster.join(',')}`,
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
