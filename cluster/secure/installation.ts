/** Certificates of everyone in a cluster, as `verdict dev-ca` makes them, and where they are. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { accessOfShop, identitiesOfShop, operator } from './shop-access.ts';

/** In the certificate of every node. */
export const nodeName = 'verdict-node.internal';
const verdict: string = fileURLToPath(new URL('../../bin/verdict.mjs', import.meta.url));
const execute = promisify(execFile);
/** Renewed in the last third of it, at a start. */
const days = '365';

/** PEM files. */
export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Pem {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export async function readPem({ ca, cert, key }: CertificateFiles): Promise<Pem> {
  return { ca: await readFile(ca), cert: await readFile(cert), key: await readFile(key) };
}

/** What an SDK takes as `tls`. */
export interface PeerTls {
  readonly ca: { readonly file: string };
  readonly cert: { readonly file: string };
  readonly key: { readonly file: string };
  readonly nodeNames: readonly string[];
}

/** A directory as `verdict dev-ca` lays it out. */
export class Certificates {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get ca(): string {
    return join(this.directory, 'ca.crt');
  }

  get accessFile(): string {
    return join(this.directory, 'access.json');
  }

  node(name: string): CertificateFiles {
    return this.#files('nodes', name);
  }

  identity(name: string): CertificateFiles {
    return this.#files('identities', name);
  }

  tlsOf(identity: string): PeerTls {
    const { ca, cert, key } = this.identity(identity);
    return {
      ca: { file: ca },
      cert: { file: cert },
      key: { file: key },
      nodeNames: [nodeName],
    };
  }

  /** Of a command that dials nodes. */
  flagsOf(identity: string): readonly string[] {
    const { ca, cert, key } = this.identity(identity);
    return [
      ...['--tls-ca', ca, '--tls-cert', cert, '--tls-key', key],
      ...['--tls-node-names', nodeName],
    ];
  }

  #files(folder: string, name: string): CertificateFiles {
    const stem = join(this.directory, folder, name);
    return { ca: this.ca, cert: `${stem}.crt`, key: `${stem}.key` };
  }
}

/** Of nodes, the shop and its clients, with the access file of what each may do. */
export async function certifyShop(options: {
  readonly directory: string;
  readonly nodes: readonly string[];
  /** Where nodes are dialled, beside this machine. */
  readonly hosts?: readonly string[];
  /** Further identities, of the user's own: as `--identity` takes them. */
  readonly more?: readonly string[];
}): Promise<Certificates> {
  const { directory, nodes, hosts = [], more = [] } = options;
  const made = new Certificates(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Before dev-ca, which would write one that gives every client everything.
  await writeFile(made.accessFile, accessOfShop(more), { mode: 0o600 });
  await certify({ directory, nodes, hosts, identities: identitiesOfShop(more) });
  return made;
}

/**
 * Of etcd's members and of those who may speak to them, each by the common name that is its account
 * there. By an authority of its own: a certificate of the shop's opens no etcd.
 */
export async function certifyEtcd(options: {
  readonly directory: string;
  readonly members: readonly string[];
  readonly accounts: readonly string[];
}): Promise<Certificates> {
  const { directory, members, accounts } = options;
  const identities = accounts.map((name) => `client:${name}`);
  await certify({ directory, nodes: members, hosts: members, identities });
  return new Certificates(directory);
}

async function certify(named: {
  readonly directory: string;
  readonly nodes: readonly string[];
  readonly hosts: readonly string[];
  readonly identities: readonly string[];
}): Promise<void> {
  const { directory, nodes, hosts, identities } = named;
  await runVerdict(
    ...['dev-ca', '--directory', directory, '--days', days],
    ...['--node', nodes.join(','), '--identity', identities.join(',')],
    ...(hosts.length === 0 ? [] : ['--host', hosts.join(',')]),
  );
}

/** Throws with its own words where it fails; else what it reports is of no interest. */
export async function runVerdict(...args: readonly string[]): Promise<void> {
  try {
    await execute(process.execPath, [verdict, ...args]);
  } catch (error) {
    const { message, stderr = '' } = error as Error & { readonly stderr?: string };
    throw new Error(stderr.trim() || message, { cause: error });
  }
}

/** How an operator looks at the cluster. */
export function statusCommand(urls: readonly string[], certificates: Certificates): string {
  const flags = certificates.flagsOf(operator);
  return ['npx', 'verdict', 'status', '--url', urls.join(','), ...flags].join(' ');
}
