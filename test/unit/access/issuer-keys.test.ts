/** Keys of an issuer from a file and from a URL that may be away, slow, or anyone's. */
import { generateKeyPairSync, type KeyObject, sign as signed } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeysUnavailableError } from '../../../src/access/issuer-keys.ts';
import { JwtVerifier } from '../../../src/access/jwt.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const issuer = 'https://id.example';
const cleanUps: (() => unknown)[] = [];
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});
afterEach(async () => {
  for (const end of cleanUps.splice(0).reverse()) await end();
});

/** `kid` undefined: neither the key nor the JWT names one. */
async function keyOf(kid?: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const named = kid === undefined ? {} : { kid };
  const jwk = { ...(await exportJWK(publicKey)), ...named, alg: 'ES256' };
  const sign = (lifeMs = 3_600_000, claims: object = {}): Promise<string> =>
    new SignJWT({ iss: issuer, aud: 'verdict', sub: 'payment', ...claims })
      .setExpirationTime(Math.floor((clock.wallMs() + lifeMs) / 1_000))
      .setProtectedHeader({ alg: 'ES256', ...named })
      .sign(privateKey);
  return { jwk, sign };
}

async function serve(handle: RequestListener): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
}

function entry(keys: { file: string } | { url: string }) {
  return { issuer, audience: 'verdict', algorithms: ['ES256'], keys };
}

describe('keys from a URL', () => {
  it('are asked for once, and again for one that is not known, after the cool-down', async () => {
    const [first, second] = [await keyOf('k1'), await keyOf('k2')];
    const keys = [first.jwk];
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys }));
    });
    const jwt = new JwtVerifier([entry({ url })], clock);
    const all = [await first.sign(), await first.sign(), await first.sign()];
    await Promise.all(all.map((text) => jwt.verify(text)));
    expect(asked).toBe(1);
    keys.push(second.jwk);
    await expect(jwt.verify(await second.sign())).rejects.toThrow('no applicable key');
    expect(asked).toBe(1);
    await clock.advance(30_000);
    await expect(jwt.verify(await second.sign())).resolves.toMatchObject({ subject: 'payment' });
    expect(asked).toBe(2);
    for (let count = 0; count < 20; count += 1) {
      await expect(jwt.verify(await (await keyOf('made-up')).sign())).rejects.toThrow();
    }
    expect(asked).toBe(2);
  });

  it.each([1, 2])(
    'are asked for again, after the cool-down, where none of %i without an id fits',
    async (count) => {
      const known = await Promise.all(Array.from({ length: count }, () => keyOf()));
      const next = await keyOf();
      const keys = known.map(({ jwk }) => jwk);
      let asked = 0;
      const url = await serve((_request, response) => {
        asked += 1;
        response.end(JSON.stringify({ keys }));
      });
      const jwt = new JwtVerifier([entry({ url })], clock);
      for (const { sign } of known) await jwt.verify(await sign());
      keys.push(next.jwk);
      await expect(jwt.verify(await next.sign())).rejects.toThrow('signature verification failed');
      expect(asked).toBe(1);
      await clock.advance(30_000);
      await expect(jwt.verify(await next.sign(60_000, { aud: 'x' }))).rejects.toThrow('"aud"');
      expect(asked).toBe(2);
      await clock.advance(30_000);
      const all = [await next.sign(), await next.sign(), await known[0]?.sign()];
      await Promise.all(all.map((text) => jwt.verify(text ?? '')));
      expect(asked).toBe(2);
      for (let others = 0; others < 20; others += 1) {
        await expect(jwt.verify(await (await keyOf()).sign())).rejects.toThrow();
      }
      expect(asked).toBe(3);
      // Nor is what is wrong with others than the key a reason to ask.
      await clock.advance(30_000);
      await expect(jwt.verify(await next.sign(-60_000))).rejects.toThrow('"exp"');
      expect(asked).toBe(3);
    },
  );

  it('of which one may just have been added take whoever comes while they are asked for', async () => {
    const [first, second] = [await keyOf(), await keyOf()];
    const keys = [first.jwk];
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys }));
    });
    const jwt = new JwtVerifier([entry({ url })], clock);
    await jwt.verify(await first.sign());
    keys.push(second.jwk);
    await clock.advance(30_000);
    const all = [await second.sign(), await second.sign(), await second.sign()];
    await Promise.all(all.map((text) => jwt.verify(text)));
    expect(asked).toBe(2);
  });

  it('let in no one to a time that there is not', async () => {
    const key = await keyOf('k1');
    const url = await serve((_request, response) => {
      response.end(JSON.stringify({ keys: [key.jwk] }));
    });
    const jwt = new JwtVerifier([entry({ url })], clock);
    await expect(jwt.verify(await key.sign(8e15))).resolves.toMatchObject({ subject: 'payment' });
    await expect(jwt.verify(await key.sign(1e300))).rejects.toThrow(/"exp"/);
  });

  it('that are known go on to work while it is away, and are not waited for', async () => {
    const key = await keyOf('k1');
    let isAway = false;
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      // Away: no answer comes, ever.
      if (!isAway) response.end(JSON.stringify({ keys: [key.jwk] }));
    });
    const jwt = new JwtVerifier([entry({ url })], clock);
    await jwt.verify(await key.sign());
    isAway = true;
    await clock.advance(1_000_000);
    // The first after a time without any waits a moment, for keys may have been taken out.
    const first = jwt.verify(await key.sign());
    while (asked < 2) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1_000);
    await expect(first).resolves.toMatchObject({ subject: 'payment' });
    await expect(jwt.verify(await key.sign())).resolves.toMatchObject({ subject: 'payment' });
    // An unknown one waits for what is under way, and no longer than it may take.
    const unknown = jwt.verify(await (await keyOf('k2')).sign());
    const refused = expect(unknown).rejects.toThrow(KeysUnavailableError);
    while (asked < 2) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(5_000);
    await refused;
    await expect(jwt.verify(await key.sign())).resolves.toMatchObject({ subject: 'payment' });
    // Nor are they lost with another part of the access file.
    const after = new JwtVerifier(
      [{ ...entry({ url }), algorithms: ['ES256', 'RS256'] }],
      clock,
      jwt,
    );
    await expect(after.verify(await key.sign())).resolves.toMatchObject({ subject: 'payment' });
    const elsewhere = entry({ url: `${url}?other` });
    const other = new JwtVerifier([elsewhere], clock, jwt).verify(await key.sign());
    const away = expect(other).rejects.toThrow(KeysUnavailableError);
    while (asked < 3) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(5_000);
    await away;
  });

  it('that are taken out are not taken any more', async () => {
    const [first, second] = [await keyOf('k1'), await keyOf('k2')];
    let keys = [first.jwk, second.jwk];
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys }));
    });
    const jwt = new JwtVerifier([entry({ url })], clock);
    await jwt.verify(await first.sign());
    keys = [second.jwk];
    await clock.advance(300_001);
    await expect(jwt.verify(await first.sign())).rejects.toThrow();
    await jwt.verify(await second.sign());
    while (asked < 2) await new Promise((resolve) => setImmediate(resolve));
    await expect
      .poll(async () =>
        jwt.verify(await first.sign()).then(
          () => 'taken',
          () => 'refused',
        ),
      )
      .toBe('refused');
  });

  it.each<[string, RequestListener]>([
    ['an error', (_request, response) => response.writeHead(500).end()],
    ['no JSON', (_request, response) => response.end('<html>')],
    ['no keys', (_request, response) => response.end('{}')],
    [
      'the way to another',
      (_request, response) => response.writeHead(302, { location: '/x' }).end(),
    ],
    ['more than it may', (_request, response) => response.end(' '.repeat(2_000_000))],
    ['nothing', (request) => request.socket.destroy()],
  ])(
    'which answers %s are told to be out of reach, and are asked for seldom',
    async (_what, handle) => {
      let asked = 0;
      const url = await serve((request, response) => {
        asked += 1;
        handle(request, response);
      });
      const jwt = new JwtVerifier([entry({ url })], clock);
      const key = await keyOf('k1');
      for (let count = 0; count < 5; count += 1) {
        await expect(jwt.verify(await key.sign())).rejects.toThrow(KeysUnavailableError);
      }
      expect(asked).toBe(1);
      await clock.advance(2_000);
      await expect(jwt.verify(await key.sign())).rejects.toThrow(KeysUnavailableError);
      expect(asked).toBe(2);
    },
  );
});

describe('what is told of keys that cannot be read', () => {
  const user = 'user-of-keys';
  const password = 'p4ssw0rd-of-keys';
  const query = 'key=s3cret-of-keys';

  async function told(url: string): Promise<string> {
    const verified = new JwtVerifier([entry({ url })], clock).verify(
      await (await keyOf('k')).sign(),
    );
    const problem = verified.then(() => null).catch((error: unknown) => error);
    expect(await problem).toBeInstanceOf(KeysUnavailableError);
    return String(await problem);
  }

  /** Its place and what is wrong are said, and nothing that lets someone else read it. */
  async function expectNoSecret(served: string, url: string, why: RegExp): Promise<void> {
    const text = await told(url);
    expect(text).toContain(`at ${served} cannot be read`);
    expect(text).toMatch(why);
    for (const secret of [user, password, query]) expect(text).not.toContain(secret);
  }

  it.each<[string, RequestListener, RegExp]>([
    ['an error', (_request, response) => response.writeHead(500).end(), /it answers 500/],
    ['no JSON', (_request, response) => response.end(query), /SyntaxError/],
    [
      'the way to another',
      ({ url = '' }, response) => response.writeHead(302, { location: `${url}&on` }).end(),
      /redirect/,
    ],
    ['nothing', (request) => request.socket.destroy(), /SocketError/],
  ])('has no query of its URL, where that answers %s', async (_what, handle, why) => {
    const served = await serve(handle);
    await expectNoSecret(served, `${served}?${query}`, why);
  });

  it('has no user and no password of its URL, with which nothing is asked for', async () => {
    let asked = 0;
    const served = await serve((_request, response) => {
      asked += 1;
      response.end('{}');
    });
    const url = `${served.replace('//', `//${user}:${password}@`)}?${query}`;
    await expectNoSecret(served, url, /the request failed/);
    expect(asked).toBe(0);
  });
});

describe('keys from a file', () => {
  const inFile = (...keys: object[]): JwtVerifier => {
    const directory = mkdtempSync(join(tmpdir(), 'verdict-keys-'));
    cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys }));
    return new JwtVerifier([entry({ file })], clock);
  };

  it.each([[undefined], ['same']])(
    'are tried in turn where several have the id %s',
    async (kid) => {
      const [old, next, other] = [await keyOf(kid), await keyOf(kid), await keyOf(kid)];
      const jwt = inFile(old.jwk, next.jwk);
      await expect(jwt.verify(await old.sign())).resolves.toMatchObject({ subject: 'payment' });
      await expect(jwt.verify(await next.sign())).resolves.toMatchObject({ subject: 'payment' });
      await expect(jwt.verify(await other.sign())).rejects.toThrow('signature verification failed');
      await expect(jwt.verify(await next.sign(-60_000))).rejects.toThrow('"exp"');
      await expect(jwt.verify(await next.sign(60_000, { aud: 'x' }))).rejects.toThrow('"aud"');
    },
  );

  it.each([
    ['first', [1_024, 2_048]],
    ['last', [2_048, 1_024]],
  ])('of which one is too short, the %s, do not keep the other from its turn', async (_at, all) => {
    const made = all.map((modulusLength) => generateKeyPairSync('rsa', { modulusLength }));
    const jwks = made.map(({ publicKey }) => publicKey.export({ format: 'jwk' }));
    const directory = mkdtempSync(join(tmpdir(), 'verdict-keys-'));
    cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys: jwks }));
    const jwt = new JwtVerifier([{ ...entry({ file }), algorithms: ['RS256'] }], clock);
    const sign = (key: KeyObject, lifeS = 60): string => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const exp = Math.floor(clock.wallMs() / 1_000) + lifeS;
      const claims = { iss: issuer, aud: 'verdict', sub: 'payment', exp };
      const text = `${part({ alg: 'RS256' })}.${part(claims)}`;
      return `${text}.${signed('sha256', Buffer.from(text), key).toString('base64url')}`;
    };
    for (const [at, { privateKey }] of made.entries()) {
      const verified = expect(jwt.verify(sign(privateKey)));
      if (all[at] === 2_048) await verified.resolves.toMatchObject({ subject: 'payment' });
      else await verified.rejects.toThrow('signature verification failed');
      if (all[at] === 2_048) {
        await expect(jwt.verify(sign(privateKey, -60))).rejects.toThrow('"exp"');
      }
    }
  });

  it.each([7, null, ['payment'], { payment: true }])('let no one in as %j', async (sub) => {
    const key = await keyOf('k1');
    const token = await key.sign(60_000, { sub });
    await expect(inFile(key.jwk).verify(token)).rejects.toThrow('its subject is no text');
  });

  it('go on to work while it is broken, and are read again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'verdict-keys-'));
    cleanUps.push(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'jwks.json');
    const [first, second] = [await keyOf('k1'), await keyOf('k2')];
    writeFileSync(file, JSON.stringify({ keys: [first.jwk] }));
    const jwt = new JwtVerifier([entry({ file })], clock);
    await jwt.verify(await first.sign());
    writeFileSync(file, 'broken');
    await clock.advance(30_000);
    await expect(jwt.verify(await second.sign())).rejects.toThrow(file);
    await expect(jwt.verify(await first.sign())).resolves.toMatchObject({ issuer });
    writeFileSync(file, JSON.stringify({ keys: [first.jwk, second.jwk] }));
    await clock.advance(2_000);
    await expect(jwt.verify(await second.sign())).resolves.toMatchObject({ issuer });
  });

  it('do not help a JWT that has expired, by the clock of the node', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'verdict-keys-'));
    cleanUps.push(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'jwks.json');
    const key = await keyOf('k1');
    writeFileSync(file, JSON.stringify({ keys: [key.jwk] }));
    const jwt = new JwtVerifier([entry({ file })], clock);
    const text = await key.sign(10_000);
    await jwt.verify(text);
    await clock.advance(10_000);
    await expect(jwt.verify(text)).rejects.toThrow('exp');
  });
});
