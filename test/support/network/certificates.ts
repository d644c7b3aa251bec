/**
 * Certificates for tests, made in memory within milliseconds: right ones, and wrong ones of every
 * kind. A test that needs another authority makes a second one.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityUri, nodeName, nodeUri } from '../../../src/cli/dev-ca/access.ts';
import {
  type AlternativeName,
  type Credential,
  issue,
  makeAuthority,
  type Usage,
} from '../../../src/cli/dev-ca/certificate.ts';

const dayMs = 86_400_000;

export interface Wanted {
  /** Those of the names beside the URI. Default: `loopback`. */
  readonly hosts?: readonly AlternativeName[];
  /** All alternative names, in place of the URI, the nodes' name and the hosts. */
  readonly names?: readonly AlternativeName[];
  readonly usages?: readonly Usage[];
  /** Default: for a day, since a day. */
  readonly life?: 'valid' | 'expired' | 'future' | { readonly endsInMs: number };
  /** PEM of the key to keep, as one does that renews. */
  readonly key?: string;
}

export interface TestAuthority {
  /** PEM: what peers trust. */
  readonly ca: string;
  readonly credential: Credential;
  /** A node's: for servers and clients, by default at every loopback address. */
  node(name?: string, wanted?: Wanted): Promise<Credential>;
  /** A client's, with no host. */
  identity(name: string, wanted?: Wanted): Promise<Credential>;
}

export const loopback: readonly AlternativeName[] = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'];

/** Two have the same name and different keys, unless they are given another. */
export async function testAuthority(commonName: string = 'test authority'): Promise<TestAuthority> {
  const credential = await makeAuthority({ commonName, ...times('valid') });
  return {
    ca: credential.certificate,
    credential,
    node: (name = 'a', wanted = {}) =>
      leaf(credential, name, wanted, {
        names: [`URI:${nodeUri(name)}`, `DNS:${nodeName}`, ...(wanted.hosts ?? loopback)],
        usages: ['serverAuth', 'clientAuth'],
      }),
    identity: (name, wanted = {}) =>
      leaf(credential, name, wanted, {
        names: [`URI:${identityUri(name)}`, ...(wanted.hosts ?? [])],
        usages: ['clientAuth'],
      }),
  };
}

/** Says all that a node's does, with no authority behind it. */
export async function selfSigned(name = 'a', wanted: Wanted = {}): Promise<Credential> {
  const own = await makeAuthority({ commonName: name, ...times('valid') });
  return leaf(
    own,
    name,
    { ...wanted, key: own.key },
    {
      names: [`URI:${nodeUri(name)}`, `DNS:${nodeName}`, ...(wanted.hosts ?? loopback)],
      usages: ['serverAuth', 'clientAuth'],
    },
  );
}

/** As files that a node takes. */
export function writeCredential(
  directory: string,
  name: string,
  { certificate, key }: Credential,
): { readonly cert: string; readonly key: string } {
  const paths = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  writeFileSync(paths.cert, certificate, { mode: 0o600 });
  writeFileSync(paths.key, key, { mode: 0o600 });
  return paths;
}

function leaf(
  authority: Credential,
  commonName: string,
  { names, usages, life = 'valid', key }: Wanted,
  usual: { readonly names: readonly AlternativeName[]; readonly usages: readonly Usage[] },
): Promise<Credential> {
  return issue(authority, {
    commonName,
    ...times(life),
    names: names ?? usual.names,
    usages: usages ?? usual.usages,
    ...(key === undefined ? {} : { key }),
  });
}

function times(life: NonNullable<Wanted['life']>): { notBeforeMs: number; notAfterMs: number } {
  const now = Date.now();
  if (typeof life === 'object')
    return { notBeforeMs: now - dayMs, notAfterMs: now + life.endsInMs };
  const startMs = { valid: now - dayMs, expired: now - 2 * dayMs, future: now + dayMs }[life];
  return { notBeforeMs: startMs, notAfterMs: startMs + (life === 'expired' ? dayMs : 2 * dayMs) };
}
