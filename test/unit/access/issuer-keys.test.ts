/** Keys of an issuer from a file and from a URL that may be away, slow, or anyone's. */
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

async function keyOf(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' };
  const sign = (lifeMs = 3_600_000): Promise<string> =>
    new SignJWT({ iss: issuer, aud: 'verdict', sub: 'payment' })
      .setExpirationTime(Math.floor((clock.wallMs() + lifeMs) / 1_000))
      .setProtectedHeader({ alg: 'ES256', kid })
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

describe('keys from a file', () => {
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
