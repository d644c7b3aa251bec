/** Bundles of authorities: what is taken, OpenSSL trusts, and nothing that counts is lost. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createSecureContext, createServer, type SecureContextOptions } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEtcdTls } from '../../../src/decision-log/etcd/tls-files.ts';
import { certificatesIn } from '../../../src/system/pem-certificates.ts';
import { secureOptions } from '../../../src/transport/tls/pem.ts';
import { type Issued, TlsAuthority } from '../../support/network/tls-authority.ts';

interface Authority {
  readonly ca: string;
  readonly issued: Issued;
}

let first: Authority;
let second: Authority;

async function made(): Promise<Authority> {
  const authority = await TlsAuthority.made();
  return { ca: authority.ca, issued: await authority.issue() };
}

beforeAll(async () => {
  [first, second] = [await made(), await made()];
});

/** In a real handshake. */
async function isTrusted(options: SecureContextOptions, { issued }: Authority): Promise<boolean> {
  const server = createServer({ ...issued }, (socket) => socket.end());
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const secureContext = createSecureContext(options);
  const socket = connect({ port, host: '127.0.0.1', secureContext });
  try {
    await once(socket, 'secureConnect');
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    return false;
  } finally {
    socket.destroy();
    server.close();
  }
}

async function trusted(options: SecureContextOptions): Promise<readonly boolean[]> {
  return [await isTrusted(options, first), await isTrusted(options, second)];
}

const commented = (pem: string, mark: string): string => pem.replace(/^(?=.)/gm, mark);
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
const legacy =
  '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB12\n\nMIIB\n-----END RSA PRIVATE KEY-----\n';
const [both, one] = [
  [true, true],
  [true, false],
];

type Bundle = readonly [what: string, made: (a: string, b: string) => string];

const taken: readonly (readonly [...Bundle, counts: readonly boolean[]])[] = [
  ['two', (a, b) => a + b, both],
  ['a byte order mark', (a, b) => `\uFEFF${a}${b}`, both],
  ['a byte order mark read as Latin 1', (a, b) => `\u00EF\u00BB\u00BF${a}${b}`, both],
  ['a byte order mark before each', (a, b) => `\uFEFF${a}x\n\uFEFF${b}`, both],
  ['line ends of Windows', (a, b) => (a + b).replace(/\n/g, '\r\n'), both],
  ['no newline at the end', (a, b) => a + b.trimEnd(), both],
  ['blanks at the end of lines', (a, b) => (a + b).replace(/\n/g, ' \t\n'), both],
  ['text and empty lines between', (a, b) => `Issuer: x\n\n${a}\n\nIssuer: y\n${b}z`, both],
  ['other blocks', (a, b) => `${parameters}${a}${legacy}${b}`, both],
  ['a word of one in a comment', (a, b) => `# -----BEGIN CERTIFICATE-----\n${a}${b}`, both],
  ['the second commented out', (a, b) => a + commented(b, '#'), one],
  ['another commented out before', (a, b) => commented(b, ' # ') + a, one],
];

const refused: readonly Bundle[] = [
  ['two glued', (a, b) => a.trimEnd() + b],
  ['a name before the first', (a, b) => `root: ${a}${b}`],
  ['a name before the second', (a, b) => `${a}root: ${b}`],
  ['one indented', (a, b) => `${a} ${b}`],
  ['text behind a begin', (a, b) => a.replace('E-----\n', 'E----- x\n') + b],
  ['text behind an end', (a, b) => `${a.trimEnd()} x\n${b}`],
  ['a comment within', (a, b) => a.replace('\n', '\n# root\n') + b],
  ['line ends of old Macs', (a, b) => (a + b).replace(/\n/g, '\r')],
  ['an end indented', (a, b) => a.replace('-----END', ' -----END') + b],
  ['one glued to another block', (a, b) => parameters.trimEnd() + a + b],
  ['another block that has no end', (a, b) => `-----BEGIN PRIVATE KEY-----\nMII\n${a}${b}`],
  ['another block that is broken', (a, b) => parameters.replace('gg', '!!') + a + b],
];

describe('a bundle of authorities', () => {
  it.each(taken)('with %s is taken: OpenSSL trusts what counts', async (_what, bundle, counts) => {
    const pem = bundle(first.ca, second.ca);
    expect(certificatesIn(pem)).toHaveLength(counts.filter(Boolean).length);
    expect(await trusted(secureOptions({ ca: { option: '--tls-ca', pem } }))).toEqual(counts);
  });

  it.each(refused)('with %s is refused: OpenSSL does not trust both', async (_what, bundle) => {
    const pem = bundle(first.ca, second.ca);
    expect(await trusted({ ca: pem })).not.toEqual(both);
    expect(() => secureOptions({ ca: { option: '--tls-ca', pem } })).toThrow(
      /^What is in --tls-ca cannot be used: .*certificate [12] in it is incomplete, or broken/,
    );
  });

  it('for etcd may have byte order marks', async () => {
    const { ca } = readEtcdTls({ ca: `\uFEFF${first.ca}x\n\uFEFF${second.ca}` });
    expect(await trusted({ ca })).toEqual(both);
  });
});
