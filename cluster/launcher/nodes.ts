/** Coordinator nodes of one cluster over etcd, each of which can be killed and started again. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Certificates, nodeName } from '../secure/installation.ts';
import type { PartOptions } from './etcd.ts';
import { nodeIsReady } from './probe.ts';
import { Service } from './service.ts';

const verdict: string = fileURLToPath(new URL('../../bin/verdict.mjs', import.meta.url));

export interface NodesOptions extends PartOptions {
  readonly endpoints: readonly string[];
  /** Name of the cluster, below which its keys lie in etcd. */
  readonly cluster: string;
  /** One for each node. */
  readonly ports: readonly number[];
  readonly shards?: number | undefined;
  readonly leaseTtlMs?: number | undefined;
  readonly logLevel?: 'debug' | 'info' | 'warn';
  /** Default: whoever reaches a node may do everything. */
  readonly secure?: NodeSecurity | undefined;
}

export interface NodeSecurity {
  readonly certificates: Certificates;
  /** Of the etcd; an account there has the name of its node. */
  readonly etcd: Certificates;
}

export interface Nodes {
  /** host:port, of all of them. */
  readonly urls: readonly string[];
  /** By their names: node-1 and so on. */
  readonly all: readonly Service[];
}

/** Resolves when all of them are ready. */
export async function startNodes(options: NodesOptions): Promise<Nodes> {
  const urls = options.ports.map((port) => `127.0.0.1:${port}`);
  const names = nodeNames(urls.length);
  const all = urls.map((url, index) => nodeService(options, names[index] ?? '', url));
  for (const node of all) node.launch(options.signal);
  for (const node of all) await node.ready(options.signal);
  return { urls, all };
}

export function nodeNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `node-${index + 1}`);
}

function nodeService(options: NodesOptions, name: string, url: string): Service {
  const { cluster, directory, endpoints, leaseTtlMs, logLevel = 'info', shards, show } = options;
  const { secure } = options;
  return new Service({
    processes: options.processes,
    start: {
      name,
      args: [
        ...[verdict, 'serve', '--data', join(directory, name), '--listen', url, '--node', name],
        ...['--etcd', endpoints.join(','), '--cluster', cluster],
        ...(shards === undefined ? [] : ['--shards', String(shards)]),
        ...(leaseTtlMs === undefined ? [] : ['--lease-ttl', String(leaseTtlMs)]),
        ...(secure === undefined ? [] : securityFlags(secure, name, directory)),
        ...['--log-format', 'json', '--log-level', logLevel],
      ],
      logFile: join(directory, `${name}.log`),
      onLine: show && ((line) => show(name, line)),
    },
    isReady: () => nodeIsReady(url, secure?.certificates.ca),
    restarts: options.restarts,
  });
}

function securityFlags(
  { certificates, etcd }: NodeSecurity,
  name: string,
  directory: string,
): readonly string[] {
  const own = certificates.node(name);
  const atEtcd = etcd.identity(name);
  return [
    ...['--tls-cert', own.cert, '--tls-key', own.key, '--tls-client-ca', own.ca],
    ...['--tls-ca', own.ca, '--tls-node-names', nodeName],
    ...['--access-file', certificates.accessFile],
    ...['--audit-file', join(directory, `${name}.audit.jsonl`)],
    ...['--etcd-ca', atEtcd.ca, '--etcd-cert', atEtcd.cert, '--etcd-key', atEtcd.key],
  ];
}
