import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AccessFile, readAccessFile } from '../../../src/access/access-file.ts';
import { Authenticator } from '../../../src/access/authenticator.ts';
import { JwtVerifier } from '../../../src/access/jwt.ts';
import type { Authentication, Credited, Shown } from '../../../src/ports/access.ts';
import { systemClock } from '../../../src/system/clock.ts';
import {
  challengeHeader,
  checkNodeProof,
  keyIdOf,
  newNonce,
  peerProof,
  proofHeader,
} from '../../../src/system/token-proof.ts';

const url = 'wss://a.example:7070/v1';
const token = 'a-token-of-the-payment-service';
const nothing: Shown = { address: '::1', certificate: null, authorization: null, private: true };
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-authenticator-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function withFile(identities: object[], more: object = {}): Authenticator {
  writeFileSync(join(directory, 'payment.token'), token, { mode: 0o600 });
  writeFileSync(join(directory, 'access.json'), JSON.stringify({ identities, ...more }));
  const file = readAccessFile(join(directory, 'access.json'));
  const jwt = file.issuers.length === 0 ? null : new JwtVerifier(file.issuers, systemClock);
  return new Authenticator({ token: null, file, jwt, url: () => url });
}

function shared(): Authenticator {
  return new Authenticator({ token, file: null, jwt: null, url: () => url });
}

function proofOf(answer: { readonly headers: Readonly<Record<string, string>> }): string {
  return answer.headers[proofHeader] ?? '';
}

const entry = (name: string, credential: object) => ({
  name,
  credentials: [credential],
  roles: ['client'],
});

function certificate(...names: string[]): Shown {
  return { ...nothing, certificate: { names, subject: 'CN=x', expiresAtMs: 5 } };
}

describe('certificates', () => {
  it('belong to the identity of their names, by the longest of several patterns', async () => {
    const access = withFile([
      entry('all', { uri: 'spiffe://shop/*' }),
      entry('payment', { uri: 'spiffe://shop/payment' }),
      entry('pays', { uri: 'spiffe://shop/pay*' }),
      entry('host', { dns: 'Stock.Example' }),
    ]);
    const identityOf = async (...names: string[]): Promise<unknown> => {
      const answer = await access.authenticate(certificate(...names));
      return answer.status === 'right' ? answer.who : answer.status;
    };
    expect(await identityOf('URI:spiffe://shop/payment')).toMatchObject({
      identity: 'payment',
      expiresAtMs: 5,
    });
    expect(await identityOf('URI:spiffe://shop/pay-1')).toMatchObject({ identity: 'pays' });
    expect(await identityOf('URI:spiffe://shop/stock')).toMatchObject({ identity: 'all' });
    expect(await identityOf('DNS:stock.example')).toMatchObject({ identity: 'host' });
    expect(await identityOf('URI:spiffe://other/payment')).toBe('wrong');
    expect(await identityOf()).toBe('wrong');
    // Whose should it be?
    expect(await identityOf('URI:spiffe://shop/payment', 'DNS:stock.example')).toBe('wrong');
  });

  it('have names of hosts in any case, with the dot of the root or without it', async () => {
    const access = withFile([
      entry('stock', { dns: 'Stock.Example.' }),
      entry('host', { dns: 'Host-*' }),
      entry('payment', { uri: 'spiffe://shop/payment' }),
    ]);
    const answerTo = async (...names: string[]): Promise<unknown> => {
      const answer = await access.authenticate(certificate(...names));
      return answer.status === 'right' ? answer.who.identity : answer.status;
    };
    expect(await answerTo('DNS:stock.example')).toBe('stock');
    expect(await answerTo('DNS:STOCK.example')).toBe('stock');
    expect(await answerTo('DNS:stock.example.')).toBe('stock');
    expect(await answerTo('DNS:HOST-7.example')).toBe('host');
    expect(await answerTo('DNS:Host-7.example', 'DNS:Stock.Example')).toBe('wrong');
    expect(await answerTo('URI:spiffe://Shop/payment')).toBe('wrong');
  });

  it('say that a peer belongs to the installation where there is no access file', async () => {
    expect(await shared().authenticate(certificate('URI:spiffe://shop/payment'))).toEqual({
      status: 'right',
      who: { identity: null, expiresAtMs: 5 },
    });
  });
});

describe('an identity', () => {
  const files = (credentials: object[], issuers: object[] = []): AccessFile => {
    writeFileSync(join(directory, 'payment.token'), token, { mode: 0o600 });
    const identities = [{ name: 'payment', credentials, roles: ['client'] }];
    writeFileSync(join(directory, 'access.json'), JSON.stringify({ identities, issuers }));
    return readAccessFile(join(directory, 'access.json'));
  };
  const uri = { uri: 'spiffe://shop/payment' };

  it('is had no longer by a credential that the file has lost', async () => {
    const file = files([uri, { tokenFile: 'payment.token' }]);
    const access = new Authenticator({ token: null, file, jwt: null, url: () => url });
    const byName = await access.authenticate(certificate('URI:spiffe://shop/payment'));
    const authorization = `Bearer ${token}`;
    const byToken = await access.authenticate({ ...nothing, authorization });
    if (byName.status !== 'right' || byToken.status !== 'right') throw new Error('refused');
    expect(access.rightsOf(byName.who)?.name).toBe('payment');
    expect(access.rightsOf(byToken.who)?.name).toBe('payment');
    access.replace(files([{ tokenFile: 'payment.token' }]), null);
    expect(access.rightsOf(byName.who)).toBeNull();
    expect(access.rightsOf(byToken.who)?.name).toBe('payment');
    access.replace(files([uri]), null);
    expect(access.rightsOf(byName.who)?.name).toBe('payment');
    expect(access.rightsOf(byToken.who)).toBeNull();
  });

  it('of a JWT ends with its entry', async () => {
    const issuer = 'https://id.example';
    const jwt = { verify: async () => ({ issuer, subject: 'pay', expiresAtMs: 5 }) };
    const issuers = [
      { issuer, audience: 'verdict', algorithms: ['ES256'], keys: { file: 'jwks.json' } },
    ];
    const file = files([{ issuer, subject: 'p*' }], issuers);
    const verifier = jwt as unknown as JwtVerifier;
    const access = new Authenticator({ token: null, file, jwt: verifier, url: () => url });
    const answer = await access.authenticate({ ...nothing, authorization: 'Bearer a.b.c' });
    if (answer.status !== 'right') throw new Error('refused');
    expect(access.rightsOf(answer.who)?.name).toBe('payment');
    access.replace(files([{ issuer, subject: 'other' }], issuers), verifier);
    expect(access.rightsOf(answer.who)).toBeNull();
  });

  describe('of a JWT', () => {
    const issuer = {
      issuer: 'https://id.example',
      audience: 'verdict',
      algorithms: ['ES256', 'RS256'],
      keys: { file: 'jwks.json' },
    };
    const other = { ...issuer, issuer: 'https://other.example' };
    const by = [{ issuer: issuer.issuer, subject: 'pay' }];

    it.each<[string, object[], boolean]>([
      ['ends with other keys', [{ ...issuer, keys: { file: 'others.json' } }], false],
      ['ends with another audience', [{ ...issuer, audience: 'verdict-2' }], false],
      ['ends with fewer algorithms', [{ ...issuer, algorithms: ['ES256'] }], false],
      ['stays with another issuer beside its own', [other, issuer], true],
      ['stays with another credential beside its own', [issuer], true],
    ])('%s', async (_what, issuers, stays) => {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const key = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
      writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [key] }));
      const file = files(by, [issuer]);
      const jwt = new JwtVerifier(file.issuers, systemClock);
      const access = new Authenticator({ token: null, file, jwt, url: () => url });
      const shown = await new SignJWT({ iss: issuer.issuer, aud: 'verdict', sub: 'pay' })
        .setExpirationTime('1h')
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(privateKey);
      const answer = await access.whoHas(shown, {
        private: true,
        share: { address: '', name: '' },
      });
      if (answer.status !== 'right') throw new Error(answer.why);
      expect(access.rightsOf(answer.who)?.name).toBe('payment');
      const next = files([...by, uri], issuers);
      access.replace(next, new JwtVerifier(next.issuers, systemClock, jwt));
      expect(access.rightsOf(answer.who)?.name ?? null).toBe(stays ? 'payment' : null);
    });
  });

  it('may have any name', async () => {
    const access = withFile([entry('several', uri), entry('b', { dns: 'b.example' })]);
    const answer = await access.authenticate(certificate('URI:spiffe://shop/payment'));
    expect(answer).toMatchObject({ status: 'right', who: { identity: 'several' } });
  });
});

describe('a challenge', () => {
  const nonce = newNonce();
  const authorization = challengeHeader({ keyId: keyIdOf(token), nonce });

  it('proves both sides, and the identity', async () => {
    const access = withFile([entry('payment', { tokenFile: 'payment.token' })]);
    const answer = await access.authenticate({ ...nothing, authorization });
    if (answer.status !== 'challenged') throw new Error(answer.status);
    expect(proofOf(answer)).not.toContain(token);
    for (const [dialled, address] of [
      ['given', ''],
      ['advertised', url],
    ] as const) {
      const nodeNonce = checkNodeProof(proofOf(answer), { token, nonce, address });
      expect(nodeNonce, dialled).not.toBeNull();
      const proof = peerProof(token, [nonce, nodeNonce ?? ''], address);
      expect(answer.check(proof)).toMatchObject({ identity: 'payment', expiresAtMs: null });
    }
  });

  it('is worth nothing to who passes it on from another address', async () => {
    const answer = await shared().authenticate({ ...nothing, authorization });
    if (answer.status !== 'challenged') throw new Error(answer.status);
    const thief = 'ws://thief.example:1/v1';
    // The peer that dialled the thief drops it, and had it not, the node would refuse its proof.
    expect(checkNodeProof(proofOf(answer), { token, nonce, address: thief })).toBeNull();
    const nodeNonce = checkNodeProof(proofOf(answer), { token, nonce, address: '' }) ?? '';
    expect(answer.check(peerProof(token, [nonce, nodeNonce], thief))).toBeNull();
  });

  it('is worth nothing with another token, another nonce, or the proof of the other side', async () => {
    const answer = await shared().authenticate({ ...nothing, authorization });
    if (answer.status !== 'challenged') throw new Error(answer.status);
    const known = { token, nonce, address: '' };
    expect(checkNodeProof(proofOf(answer), { ...known, token: 'another' })).toBeNull();
    expect(checkNodeProof(proofOf(answer), { ...known, nonce: newNonce() })).toBeNull();
    expect(checkNodeProof('', known)).toBeNull();
    const nodeNonce = checkNodeProof(proofOf(answer), known) ?? '';
    expect(answer.check(peerProof('another', [nonce, nodeNonce], ''))).toBeNull();
    expect(answer.check(peerProof(token, [newNonce(), nodeNonce], ''))).toBeNull();
    expect(answer.check(proofOf(answer).split('.')[1] ?? '')).toBeNull();
  });

  it('of a token that the node does not know is refused as it comes', async () => {
    const header = challengeHeader({ keyId: keyIdOf('another'), nonce });
    expect(await shared().authenticate({ ...nothing, authorization: header })).toMatchObject({
      status: 'wrong',
    });
  });
});

describe('a token as it is', () => {
  it('lets in, and with an access file only where it is encrypted', async () => {
    const authorization = `Bearer ${token}`;
    const inClear = { ...nothing, authorization, private: false };
    expect(await shared().authenticate(inClear)).toMatchObject({ status: 'right' });
    const access = withFile([entry('payment', { tokenFile: 'payment.token' })]);
    expect(await access.authenticate(inClear)).toMatchObject({ status: 'wrong' });
    expect(await access.authenticate({ ...inClear, private: true })).toMatchObject({
      who: { identity: 'payment' },
    });
    const wrong = { ...nothing, authorization: `Bearer ${token}x` };
    expect(await access.authenticate(wrong)).toMatchObject({ status: 'wrong' });
  });
});

describe('a JWT', () => {
  const issuer = 'https://id.example';
  const claims = { iss: issuer, aud: 'verdict', sub: 'payment' };

  async function rig() {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const key = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
    writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [key] }));
    const access = withFile([entry('payment', { issuer, subject: 'payment' })], {
      issuers: [
        { issuer, audience: 'verdict', algorithms: ['ES256'], keys: { file: 'jwks.json' } },
      ],
    });
    const sign = (payload: object, header: object = {}): Promise<string> =>
      new SignJWT({ ...payload })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
        .sign(privateKey);
    const ask = async (jwt: string) =>
      access.authenticate({ ...nothing, authorization: `Bearer ${jwt}` });
    return { sign, ask };
  }
  const inAnHour = (): number => Math.floor(Date.now() / 1_000) + 3_600;

  it('is of the identity of its subject, until it expires', async () => {
    const { sign, ask } = await rig();
    const exp = inAnHour();
    expect(await ask(await sign({ ...claims, exp }))).toMatchObject({
      status: 'right',
      who: { identity: 'payment', expiresAtMs: exp * 1_000 },
    });
  });

  it.each<[string, object, RegExp]>([
    ['is over', { exp: 1_000 }, /exp/],
    ['never ends', { exp: undefined }, /exp/],
    ['is for others', { aud: 'shop' }, /aud/],
    ['is by another issuer', { iss: 'https://evil.example' }, /issuer/],
    ['is of someone else', { sub: 'stock' }, /no identity/],
    ['is not valid yet', { nbf: 4_000_000_000 }, /nbf/],
  ])('that %s is refused', async (_what, other, why) => {
    const { sign, ask } = await rig();
    const answer = await ask(await sign({ ...claims, exp: inAnHour(), ...other }));
    expect(answer).toMatchObject({ status: 'wrong', why: expect.stringMatching(why) });
  });

  it('is refused with another key, without a signature, and with another algorithm', async () => {
    const { sign, ask } = await rig();
    const good = await sign({ ...claims, exp: inAnHour() });
    const stranger = await generateKeyPair('ES256');
    const forged = await new SignJWT({ ...claims, exp: inAnHour() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(stranger.privateKey);
    const [, payload] = good.split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    const key = new TextEncoder().encode('a'.repeat(32));
    const symmetric = await new SignJWT({ ...claims, exp: inAnHour() })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(key);
    for (const jwt of [forged, none, symmetric, 'a.b.c', '', 'x']) {
      expect(await ask(jwt)).toMatchObject({ status: 'wrong' });
    }
    expect(await ask(good)).toMatchObject({ status: 'right' });
  });
});

describe('JWTs in a hello, or to renew', () => {
  const issuer = 'https://id.example';
  const secret = 'key=s3cret-of-keys';
  const cleanUps: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of cleanUps.splice(0)) await end();
  });

  /** Its keys are sent only once `open` was called. */
  async function rig() {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const key = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
    const answers: ServerResponse[] = [];
    const asked = Promise.withResolvers<void>();
    const server = createServer((_request, response) => {
      answers.push(response);
      asked.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    const keys = { url: `${jwksUrl}?${secret}` };
    writeFileSync(
      join(directory, 'access.json'),
      JSON.stringify({
        identities: [entry('payment', { issuer, subject: 'payment' })],
        issuers: [{ issuer, audience: 'verdict', algorithms: ['ES256'], keys }],
      }),
    );
    const file = readAccessFile(join(directory, 'access.json'));
    const problems: string[] = [];
    const access = new Authenticator({
      token: null,
      file,
      jwt: new JwtVerifier(file.issuers, systemClock),
      url: () => url,
      unavailable: (problem) => problems.push(problem),
    });
    const jwt = await new SignJWT({ iss: issuer, aud: 'verdict', sub: 'payment' })
      .setExpirationTime('1h')
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(privateKey);
    const ask = async (token = jwt, address = 'identity a'): Promise<Credited> =>
      access.whoHas(token, { private: true, share: { address, name: '' } });
    const upgrade = async (): Promise<Authentication> =>
      access.authenticate({
        address: '',
        certificate: null,
        authorization: `Bearer ${jwt}`,
        private: true,
      });
    const answer = async (status: number, text: string): Promise<void> => {
      await asked.promise;
      for (const response of answers.splice(0)) response.writeHead(status).end(text);
    };
    const open = (): Promise<void> => answer(200, JSON.stringify({ keys: [key] }));
    return { ask, upgrade, answer, open, problems, jwksUrl };
  }

  it('are checked as many at once as leave some for others, who are not kept out by them', async () => {
    const { ask, upgrade, open } = await rig();
    const flood = Array.from({ length: 1_000 }, () => ask());
    const others = ['identity b', 'identity c', '10.0.0.7'].map((address) =>
      ask(undefined, address),
    );
    // Those of upgrades are the listener's to bound.
    const upgrades = Array.from({ length: 64 }, upgrade);
    await open();
    const answers = await Promise.all(flood);
    const right = answers.filter(({ status }) => status === 'right');
    expect(right.length).toBeGreaterThan(64);
    expect(right.length).toBeLessThan(104);
    for (const answer of answers.filter(({ status }) => status !== 'right')) {
      expect(answer).toMatchObject({
        status: 'wrong',
        passes: true,
        why: expect.stringMatching(/As many JWTs/),
      });
    }
    for (const answer of await Promise.all([...others, ...upgrades])) {
      expect(answer.status).toBe('right');
    }
    const again = Array.from({ length: right.length }, () => ask());
    for (const answer of await Promise.all(again)) expect(answer.status).toBe('right');
  });

  it('find room again behind those that were wrong', async () => {
    const { ask, open } = await rig();
    const wrong = Array.from({ length: 64 }, () => ask('no.jwt.at-all'));
    for (const answer of await Promise.all(wrong)) expect(answer).not.toHaveProperty('passes');
    const right = Array.from({ length: 64 }, () => ask());
    await open();
    for (const answer of await Promise.all(right))
      expect(answer).toMatchObject({ status: 'right' });
  });

  it('are told to come again where the keys are away; only the node is told from where', async () => {
    const { ask, answer, problems, jwksUrl } = await rig();
    const asked = ask();
    await answer(503, 'away');
    const told = await asked;
    expect(told).toMatchObject({ status: 'wrong', passes: true });
    expect(JSON.stringify(told)).not.toContain(jwksUrl);
    expect(problems).toEqual([expect.stringContaining(`${jwksUrl} cannot be read`)]);
    expect(problems.join()).not.toContain(secret);
  });
});
