/**
 * Mutual TLS and an access file for a cluster of a test: one authority, a certificate for each node
 * and each identity, and for each identity what it needs and no more.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AccessEntry,
  identityUri,
  nodesEntry,
  nodeUri,
} from '../../../src/cli/dev-ca/access.ts';
import type { AlternativeName } from '../../../src/cli/dev-ca/certificate.ts';
import { loopback, type TestAuthority, testAuthority, type Wanted } from './certificates.ts';

/** All as files, which processes read again when they change. */
export interface TlsFiles {
  readonly ca: { readonly file: string };
  readonly cert: { readonly file: string };
  readonly key: { readonly file: string };
  readonly nodeNames: readonly string[];
}

/** Each is an identity of its own, of the same name. */
export interface Identities {
  readonly participants: readonly string[];
  /** Each may call every participant. */
  readonly clients: readonly string[];
}

const operator = 'operator';
const allNodes = nodeUri('*');

/** `always`: the test is about it. `never`: what the test is about could not be seen. */
export type Secured = boolean | 'always' | 'never';

/**
 * Whether a rig has mutual TLS and an access file: as its file wants it, unless VERDICT_TEST_SECURE
 * is 1 (every rig that can) or 0 (none).
 */
export function isSecured(wanted: Secured): boolean {
  const told = process.env['VERDICT_TEST_SECURE'];
  if (wanted === 'always' || wanted === 'never') return wanted === 'always';
  return told === '1' || (wanted && told !== '0');
}

export class Security {
  readonly #directory: string;
  readonly #identities: Identities;
  readonly #files = new Map<string, Promise<TlsFiles>>();
  #authority: TestAuthority;
  #operator: TlsFiles | null = null;

  private constructor(directory: string, authority: TestAuthority, identities: Identities) {
    this.#directory = directory;
    this.#authority = authority;
    this.#identities = identities;
  }

  /** Under `directory`. */
  static async made(directory: string, identities: Identities): Promise<Security> {
    const own = join(directory, 'security');
    for (const folder of ['nodes', 'identities'])
      mkdirSync(join(own, folder), { recursive: true, mode: 0o700 });
    const security = new Security(own, await testAuthority(), identities);
    security.trust([security.authority]);
    security.without([]);
    security.#operator = await security.identity(operator);
    return security;
  }

  /** Who signs what is issued from now on. */
  get authority(): TestAuthority {
    return this.#authority;
  }

  set authority(authority: TestAuthority) {
    this.#authority = authority;
  }

  /** As `verdict dev-ca` lays it out. */
  get directory(): string {
    return this.#directory;
  }

  get accessFile(): string {
    return join(this.#directory, 'access.json');
  }

  /** May look at everything, and operate. */
  get operator(): TlsFiles {
    if (this.#operator === null) throw new Error('The operator has no certificate yet.');
    return this.#operator;
  }

  /** Everyone takes certificates of these, and of no others. */
  trust(authorities: readonly TestAuthority[]): void {
    this.#write('ca.crt', authorities.map(({ ca }) => ca).join(''));
  }

  /** Writes the access file: all nodes, the operator, and the identities except these. */
  without(names: readonly string[]): void {
    const { participants, clients } = this.#identities;
    const entry = (name: string, more: Omit<AccessEntry, 'name' | 'credentials'>): AccessEntry => ({
      name,
      credentials: [{ uri: identityUri(name) }],
      ...more,
    });
    const identities: readonly AccessEntry[] = [
      { name: nodesEntry, credentials: [{ uri: allNodes }], roles: ['node'] },
      entry(operator, { roles: ['operator'] }),
      ...participants.map((name) => entry(name, { roles: ['participant'] })),
      ...clients.map((name) => entry(name, { roles: ['client'], calls: participants })),
    ];
    const left = identities.filter(({ name }) => !names.includes(name));
    this.#write('access.json', JSON.stringify({ identities: left }));
  }

  /** What `serve` is told. `hosts`: where the node is reached; default: on this machine. */
  async node(name: string, hosts: readonly AlternativeName[] = loopback): Promise<string[]> {
    const { ca, cert, key } = await this.#once(`nodes/${name}`, () => this.renewNode(name, hosts));
    return [
      ...['--tls-cert', cert.file, '--tls-key', key.file, '--tls-client-ca', ca.file],
      ...['--tls-ca', ca.file, '--tls-node-names', allNodes],
      ...['--access-file', this.accessFile],
    ];
  }

  /** What an identity dials with. */
  identity(name: string): Promise<TlsFiles> {
    return this.#once(`identities/${name}`, () => this.renewIdentity(name));
  }

  /** A new key and a new certificate, in the same files. */
  async renewNode(
    name: string,
    hosts: readonly AlternativeName[] = loopback,
    wanted: Wanted = {},
  ): Promise<TlsFiles> {
    return this.#issued(`nodes/${name}`, await this.#authority.node(name, { hosts, ...wanted }));
  }

  async renewIdentity(name: string, wanted: Wanted = {}): Promise<TlsFiles> {
    return this.#issued(`identities/${name}`, await this.#authority.identity(name, wanted));
  }

  #once(name: string, make: () => Promise<TlsFiles>): Promise<TlsFiles> {
    const files = this.#files.get(name) ?? make();
    this.#files.set(name, files);
    return files;
  }

  #issued(name: string, given: { readonly certificate: string; readonly key: string }): TlsFiles {
    return {
      ca: { file: join(this.#directory, 'ca.crt') },
      cert: { file: this.#write(`${name}.crt`, given.certificate) },
      key: { file: this.#write(`${name}.key`, given.key) },
      nodeNames: [allNodes],
    };
  }

  /** Whole, for whoever reads it meanwhile. */
  #write(name: string, text: string): string {
    const file = join(this.#directory, name);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    return file;
  }
}
