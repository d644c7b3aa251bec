/** Certificates of `verdict dev-ca`, judged by Node's TLS and by its own reading of them. */

import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Credential, issue, makeAuthority } from '../../../src/cli/dev-ca/certificate.ts';
import { addressBytes, hostForm } from '../../../src/cli/dev-ca/host.ts';
import {
  selfSigned,
  type TestAuthority,
  testAuthority,
} from '../../support/network/certificates.ts';
import { handshake, type Seen } from '../../support/network/handshake.ts';

let authority: TestAuthority;
let other: TestAuthority;
beforeAll(async () => {
  [authority, other] = await Promise.all([testAuthority(), testAuthority()]);
});

const shake = (
  node: Credential,
  identity: Credential | null,
  options: ConnectionOptions = {},
): Promise<Seen> => handshake(authority.ca, node, identity, options);

describe('a handshake', () => {
  it('of a node and an identity of one authority tells each who the other is', async () => {
    const [node, identity] = [await authority.node(), await authority.identity('payment')];
    const seen = await shake(node, identity);
    expect(seen).toEqual({ client: null, server: 'URI:spiffe://verdict.local/payment' });
  });

  it('of two nodes works both ways: a node is a client of the others', async () => {
    const { client, server } = await shake(await authority.node('a'), await authority.node('b'));
    expect(client).toBeNull();
    expect(server).toContain('URI:spiffe://verdict.local/node/b, DNS:verdict-node.internal');
  });

  it.each(['localhost', 'verdict-node.internal'])('is good for the name %s', async (servername) => {
    const identity = await authority.identity('payment');
    const seen = await shake(await authority.node(), identity, { servername });
    expect(seen.client).toBeNull();
  });

  it.each<[string, () => Promise<Credential>, string]>([
    ['expired', () => authority.node('a', { life: 'expired' }), 'CERT_HAS_EXPIRED'],
    ['not yet valid', () => authority.node('a', { life: 'future' }), 'CERT_NOT_YET_VALID'],
    [
      'of another host',
      () => authority.node('a', { hosts: ['DNS:a.example', 'IP:10.0.0.1'] }),
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    ['of another authority', () => other.node(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [
      'of an authority of another name',
      async () => (await testAuthority('other')).node(),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    ['self-signed', () => selfSigned(), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [
      'an identity, which is no server',
      () => authority.identity('a', { hosts: ['IP:127.0.0.1'] }),
      'INVALID_PURPOSE',
    ],
  ])('with a node that is %s is ended by the client', async (_what, make, code) => {
    const seen = await shake(await make(), await authority.identity('payment'));
    expect(seen.client).toBe(code);
  });

  it.each<[string, () => Promise<Credential | null>, string]>([
    ['without a certificate', async () => null, 'UNABLE_TO_GET_ISSUER_CERT'],
    ['expired', () => authority.identity('payment', { life: 'expired' }), 'CERT_HAS_EXPIRED'],
    ['of another authority', () => other.identity('payment'), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [
      'for servers alone',
      () => authority.identity('payment', { usages: ['serverAuth'] }),
      'INVALID_PURPOSE',
    ],
  ])('with a client that is %s is ended by the server', async (_what, make, code) => {
    const seen = await shake(await authority.node(), await make());
    expect(seen).toEqual({ client: 'closed', server: code });
  });
});

describe('a certificate', () => {
  it('is for the hosts that it names, and no others', async () => {
    const { certificate } = await authority.node('a', {
      hosts: ['DNS:a.example', 'IP:10.0.0.1', 'IP:2001:db8::1', 'IP:::ffff:1.2.3.4'],
    });
    const x509 = new X509Certificate(certificate);
    expect(x509.checkHost('a.example')).toBe('a.example');
    expect(x509.checkHost('verdict-node.internal')).toBe('verdict-node.internal');
    expect(x509.checkHost('b.example')).toBeUndefined();
    // The common name of a node is no host.
    expect(x509.checkHost('a')).toBeUndefined();
    for (const ip of ['10.0.0.1', '2001:db8::1', '2001:0DB8:0:0::1', '::ffff:102:304']) {
      expect(x509.checkIP(ip)).toBe(ip);
    }
    expect(x509.checkIP('127.0.0.1')).toBeUndefined();
  });

  it('is of the authority, and is none itself', async () => {
    const ca = new X509Certificate(authority.ca);
    const x509 = new X509Certificate((await authority.node()).certificate);
    expect(x509.checkIssued(ca)).toBe(true);
    expect(x509.verify(ca.publicKey)).toBe(true);
    expect(x509.verify(new X509Certificate(other.ca).publicKey)).toBe(false);
    expect([ca.ca, x509.ca]).toEqual([true, false]);
  });

  it('says by itself that it is of the third version, and for signatures of no certificates', async () => {
    const hex = new X509Certificate((await authority.node()).certificate).raw.toString('hex');
    // Explicit tag 0, INTEGER 2.
    expect(hex).toContain('a003020102');
    // Basic constraints, critical: an empty SEQUENCE. Key usage, critical: the first bit alone.
    expect(hex).toContain('0603551d130101ff04023000');
    expect(hex).toContain('0603551d0f0101ff040403020780');
  });

  it('of an identity cannot issue others', async () => {
    const identity = await authority.identity('payment');
    const forged = await issue(identity, {
      commonName: 'alice',
      notBeforeMs: Date.now() - 1_000,
      notAfterMs: Date.now() + 60_000,
      names: ['URI:spiffe://verdict.local/alice'],
      usages: ['clientAuth'],
    });
    const chain = { ...forged, certificate: forged.certificate + identity.certificate };
    const seen = await shake(await authority.node(), chain);
    // Node's word for an issuer that is no authority.
    expect(seen).toEqual({ client: 'closed', server: 'UNSPECIFIED' });
  });

  it('has a key of its own on P-256, as PKCS 8, unless it is given one', async () => {
    const [first, second] = [await authority.node(), await authority.node()];
    expect(first.key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(first.key).not.toBe(second.key);
    const key = createPrivateKey(first.key);
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    const again = await authority.node('a', { key: first.key });
    expect(again.key).toBe(first.key);
    const x509 = new X509Certificate(again.certificate);
    expect(x509.checkPrivateKey(key)).toBe(true);
    expect(x509.publicKey.equals(createPublicKey(key))).toBe(true);
    expect(x509.serialNumber).not.toBe(new X509Certificate(first.certificate).serialNumber);
  });

  it('keeps odd names whole, for those that read them to be tried on', async () => {
    const { certificate } = await authority.identity('x', {
      names: ['URI:spiffe://verdict.local/a, URI:b', 'DNS:a\u0000.evil', 'DNS:*.example'],
    });
    const names = new X509Certificate(certificate).subjectAltName;
    expect(names).toBe(
      'URI:"spiffe://verdict.local/a\\u002c URI:b", DNS:"a\\u0000.evil", DNS:*.example',
    );
    const none = await authority.identity('x', { names: [] });
    expect(new X509Certificate(none.certificate).subjectAltName).toBeUndefined();
  });

  it('ends when it was said to, past 2049 too', async () => {
    const request = { commonName: 'far', notBeforeMs: Date.UTC(2049, 11, 31, 23, 59, 59) };
    const { certificate } = await makeAuthority({ ...request, notAfterMs: Date.UTC(2050, 0, 1) });
    const { validFromDate, validToDate } = new X509Certificate(certificate);
    expect(validFromDate.getTime()).toBe(request.notBeforeMs);
    expect(validToDate.getTime()).toBe(Date.UTC(2050, 0, 1));
  });
});

describe('hostForm', () => {
  it.each([
    ['a.example', 'a.example'],
    ['A.Example', 'a.example'],
    ['node_1', 'node_1'],
    ['10.0.0.1', '10.0.0.1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['fe80::1%eth0', null],
    ['[::1]', null],
    ['a.example:7070', null],
    ['10.0.0.256', null],
    ['', null],
    ['a..b', null],
    ['-a', null],
    ['*.example', null],
    ['../x', null],
    ['a b', null],
    [`${'a'.repeat(64)}.example`, null],
    [`${'a.'.repeat(127)}aa`, null],
  ])('%j: %j', (text, form) => {
    expect(hostForm(text)).toBe(form);
  });

  it('is the same in bytes', () => {
    expect([...addressBytes('10.0.0.1')]).toEqual([10, 0, 0, 1]);
    expect([...addressBytes('1:2:3:4:5:6:7:8')].filter((_, at) => at % 2 === 1)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    expect(Buffer.from(addressBytes('::')).toString('hex')).toBe('0'.repeat(32));
    expect(Buffer.from(addressBytes('fe80::ab:1')).toString('hex')).toBe(
      'fe800000000000000000000000ab0001',
    );
  });
});
