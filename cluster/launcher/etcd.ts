/** Members of a real etcd on this machine: by a program of etcd, else in containers. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { findEtcd } from '../etcd/find.ts';
import type { CertificateFiles, Certificates } from '../secure/installation.ts';
import { dockerEtcd, dockerMissing } from './etcd-docker.ts';
import { type EtcdProgram, etcdSettings, schemeOf, tlsSettings } from './etcd-program.ts';
import type { ClusterPorts } from './ports.ts';
import { etcdIsReady } from './probe.ts';
import type { Processes } from './processes.ts';
import { Service } from './service.ts';

export const etcdSources = ['auto', 'program', 'docker'] as const;
export type EtcdSource = (typeof etcdSources)[number];

/** What all parts of a cluster are started with. */
export interface PartOptions {
  readonly processes: Processes;
  /** Where data and logs go: a folder for each process. */
  readonly directory: string;
  /** Ends every wait, and lets everything that ends from then on end. */
  readonly signal: AbortSignal;
  /** Shown every line that a process prints. Default: they go to their log files only. */
  readonly show?: ((name: string, line: string) => void) | undefined;
  /**
   * A process that ends of itself is started again, and this is told. Without it, that is a
   * failure.
   */
  readonly restarts?: ((note: string) => void) | undefined;
}

interface EtcdOptions extends PartOptions {
  readonly ports: ClusterPorts['etcd'];
  readonly source?: EtcdSource;
  /** Of its members and of those who may speak to them. Default: it has no TLS. */
  readonly certificates?: Certificates | undefined;
}

export interface Etcd {
  readonly endpoints: readonly string[];
  readonly members: readonly Service[];
  /** Which etcd it is, for people. */
  readonly origin: string;
}

/** Resolves when every member sees a leader. */
export async function startEtcd(options: EtcdOptions): Promise<Etcd> {
  const { certificates, directory, ports, processes, restarts, show, signal } = options;
  const program = await chooseEtcd(options);
  const names = memberNames(ports.length);
  const tlsOf = (name: string): CertificateFiles | null => certificates?.node(name) ?? null;
  const url = (port: number): string => {
    // A name for TLS: with an address, gRPC has Node warn of its SNI.
    return certificates === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  };
  const others = ports.map(({ peer }, index) => ({ name: names[index] ?? '', peerPort: peer }));
  const members: Service[] = [];
  for (const [index, own] of ports.entries()) {
    const name = names[index] ?? '';
    const data = join(directory, name);
    // Etcd refuses a folder that others may read.
    await mkdir(data, { recursive: true, mode: 0o700 });
    const tls = tlsOf(name);
    const member = new Service({
      processes,
      start: {
        name,
        ...program.member({ name, directory: data, ports: own, others, tls }),
        logFile: join(directory, `${name}.log`),
        onLine: show && ((line) => show(name, line)),
      },
      isReady: () => etcdIsReady(url(own.client), tls ?? undefined),
      restarts,
    });
    members.push(member);
  }
  for (const member of members) member.launch(signal);
  for (const member of members) await member.ready(signal);
  return {
    endpoints: ports.map(({ client }) => url(client)),
    members,
    origin: program.origin,
  };
}

export function memberNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `etcd-${index + 1}`);
}

async function chooseEtcd(options: EtcdOptions): Promise<EtcdProgram> {
  const { source = 'auto' } = options;
  const local = source === 'docker' ? null : await findEtcd();
  if (local !== null && 'found' in local) return localEtcd(local.found.etcd);
  const named = (process.env['VERDICT_ETCD_BIN'] ?? '') !== '';
  if (local !== null && (source === 'program' || named)) throw new Error(local.missing);
  const docker = dockerMissing();
  if (docker === null) return dockerEtcd(options.processes);
  const tried = local === null ? '' : `${local.missing} `;
  throw new Error(
    `There is no etcd to run. ${tried}${docker} Install etcd (Debian: etcd-server; macOS: brew install etcd), or name its program in VERDICT_ETCD_BIN.`,
  );
}

function localEtcd(command: string): EtcdProgram {
  return {
    origin: command,
    member: ({ name, directory, ports, others, tls }) => {
      const scheme = schemeOf(tls);
      const client = `${scheme}://127.0.0.1:${ports.client}`;
      const peer = `${scheme}://127.0.0.1:${ports.peer}`;
      const cluster = others.map((each) => `${each.name}=${scheme}://127.0.0.1:${each.peerPort}`);
      return {
        command,
        args: [
          `--name=${name}`,
          `--data-dir=${directory}`,
          `--listen-client-urls=${client}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${cluster.join(',')}`,
          ...tlsSettings(tls),
          ...etcdSettings,
        ],
      };
    },
  };
}
