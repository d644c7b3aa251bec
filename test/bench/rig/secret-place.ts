/** Credentials of a cluster that is measured, and the access file that gives them rights. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityUri } from '../../../src/cli/dev-ca/access.ts';
import type { TlsOptions } from '../../../src/ports/tls.ts';
import {
  type TestAuthority,
  testAuthority,
  writeCredential,
} from '../../support/network/certificates.ts';

/** `limited` is one of several whom quotas hold; it may do no more than the others. */
const identities = ['clients', 'services', 'operators', 'limited'] as const;
export type BenchIdentity = (typeof identities)[number];

/** What the one that is limited may use. */
export const quotas = {
  connections: 600,
  bytesPerSecond: 1_048_576,
  transactions: 200,
  locks: 200,
  requestIdsPerSecond: 100,
  requestIds: 1_000,
} as const;

/** Certificates and TLS, or tokens without. */
export type Proof = 'certificates' | 'tokens';

export interface SecretPlace {
  readonly authority: TestAuthority;
  readonly accessFile: string;
  /** Of the node; null where it speaks no TLS. */
  readonly node: { readonly cert: string; readonly key: string; readonly ca: string } | null;
  /** Of `verdict serve`. */
  readonly nodeArguments: readonly string[];
  filesOf(identity: BenchIdentity): SecretFiles;
  /** Of the SDK. */
  optionsOf(identity: BenchIdentity): { readonly tls: TlsOptions } | { readonly token: string };
}

export interface SecretFiles extends TlsOptions {
  readonly ca: { readonly file: string };
  readonly cert: { readonly file: string };
  readonly key: { readonly file: string };
}

export interface SecretPlaceSettings {
  readonly directory: string;
  readonly proof: Proof;
  /** Whose JWTs are taken. */
  readonly issuers?: readonly object[];
}

export async function secretPlace(settings: SecretPlaceSettings): Promise<SecretPlace> {
  const { directory, proof, issuers = [] } = settings;
  mkdirSync(directory, { recursive: true });
  const authority = await testAuthority();
  const ca = join(directory, 'ca.crt');
  writeFileSync(ca, authority.ca);
  const node = { ...writeCredential(directory, 'node', await authority.node()), ca };
  const files = new Map<BenchIdentity, SecretFiles>();
  const tokens = new Map<BenchIdentity, string>();
  for (const name of identities) {
    const { cert, key } = writeCredential(directory, name, await authority.identity(name));
    files.set(name, { ca: { file: ca }, cert: { file: cert }, key: { file: key } });
    const token = randomBytes(24).toString('hex');
    tokens.set(name, token);
    writeFileSync(join(directory, `${name}.token`), token, { mode: 0o600 });
  }
  const accessFile = join(directory, 'access.json');
  writeFileSync(accessFile, JSON.stringify({ identities: entries(), issuers }));
  const secure = proof === 'certificates';
  const filesOf = (name: BenchIdentity): SecretFiles => found(files, name);
  return {
    authority,
    accessFile,
    node: secure ? node : null,
    nodeArguments: [
      ...(secure ? ['--tls-cert', node.cert, '--tls-key', node.key, '--tls-client-ca', ca] : []),
      ...['--access-file', accessFile],
    ],
    filesOf,
    optionsOf: (name) => (secure ? { tls: filesOf(name) } : { token: found(tokens, name) }),
  };
}

function found<T>(map: ReadonlyMap<BenchIdentity, T>, name: BenchIdentity): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`There is no identity ${name}.`);
  return value;
}

function entries(): readonly object[] {
  const entry = (name: BenchIdentity, more: object): object => ({
    name,
    credentials: [{ uri: identityUri(name) }, { tokenFile: `${name}.token` }],
    ...more,
  });
  const client = { roles: ['client'], clients: ['*'], calls: ['*'], labels: ['*'] };
  return [
    entry('clients', client),
    entry('services', { roles: ['participant'], participants: ['*'] }),
    entry('operators', { roles: ['operator'], sees: 'all' }),
    entry('limited', { ...client, clients: ['limited'], quotas }),
  ];
}
