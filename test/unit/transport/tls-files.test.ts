/** When a node takes up new certificates, and what it says of their end; and names in them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { namesIn } from '../../../src/transport/tls/names.ts';
import {
  type AcceptorTls,
  ServerCredentials,
  type ServerPem,
} from '../../../src/transport/tls/server-credentials.ts';
import { type Issued, TlsAuthority } from '../../support/network/tls-authority.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const dayMs = 86_400_000;
let authority: TlsAuthority;
let long: Issued;
let other: Issued;

interface SetUp {
  readonly clock: ManualClock;
  readonly said: string[];
  readonly used: unknown[];
  readonly credentials: ServerCredentials;
  pem: () => ServerPem;
  reads: number;
  reread: () => void;
}

function setUp(pem: ServerPem, more: Partial<AcceptorTls> = {}): SetUp {
  const clock = new ManualClock();
  // Real certificates have real dates.
  Object.defineProperty(clock, 'wallMs', { value: () => Date.now() + clock.monotonicMs() });
  const said: string[] = [];
  const used: unknown[] = [];
  const tls: AcceptorTls = {
    read: () => {
      rig.reads += 1;
      return rig.pem();
    },
    clientAuth: 'none',
    onReread: (reread) => {
      rig.reread = reread;
    },
    log: (level, text) => said.push(`${level}: ${text}`),
    ...more,
  };
  const credentials = new ServerCredentials(tls, clock);
  const rig: SetUp = {
    ...{ clock, said, used, credentials, reads: 0 },
    pem: () => pem,
    reread: () => undefined,
  };
  credentials.first();
  credentials.watch((options) => used.push(options.cert));
  return rig;
}

describe('the certificate of a node', () => {
  beforeAll(async () => {
    authority = await TlsAuthority.made();
    long = await authority.issue();
    other = await authority.issue();
  });

  it('is taken up within seconds of its change, or at once when told, and only then', async () => {
    const rig = setUp(long);
    await rig.clock.advance(60_000);
    expect(rig.used).toEqual([]);
    rig.pem = () => other;
    await rig.clock.advance(5_000);
    expect(rig.used).toEqual([other.cert]);
    rig.pem = () => long;
    rig.reread();
    expect(rig.used).toEqual([other.cert, long.cert]);
    expect(rig.said).toEqual(Array(2).fill('info: The new TLS certificate is in use.'));
    rig.credentials.close();
    rig.pem = () => other;
    rig.reread();
    const { reads } = rig;
    await rig.clock.advance(60_000);
    expect(rig.reads).toBe(reads);
    expect(rig.used).toHaveLength(2);
  });

  it('stays while the new one is broken, which is said once for each fault', async () => {
    const rig = setUp(long);
    for (const pem of [
      (): ServerPem => ({ cert: other.cert, key: long.key }),
      (): ServerPem => ({ cert: '', key: long.key }),
      (): ServerPem => {
        throw new Error('It is not there.');
      },
    ]) {
      rig.pem = pem;
      await rig.clock.advance(60_000);
    }
    expect(rig.used).toEqual([]);
    expect(rig.said).toHaveLength(3);
    for (const text of rig.said) expect(text).toMatch(/^error: .*the ones before stay in use/);
    rig.pem = () => long;
    await rig.clock.advance(5_000);
    rig.pem = () => ({ cert: '', key: long.key });
    await rig.clock.advance(5_000);
    expect(rig.said).toHaveLength(4);
    rig.pem = () => other;
    await rig.clock.advance(5_000);
    expect(rig.used).toEqual([other.cert]);
  });

  it('stays, and the authorities with it, while one of them is broken', async () => {
    const second = (await TlsAuthority.made('second')).ca;
    const rig = setUp({ ...long, clientCa: authority.ca + second }, { clientAuth: 'required' });
    for (const broken of [
      second.slice(0, 200),
      second.slice(0, -20),
      second.replace('MII', '!!!'),
      `${second.slice(0, 200)}\n${second}`,
    ]) {
      rig.pem = () => ({ ...other, clientCa: authority.ca + broken });
      await rig.clock.advance(5_000);
      expect(rig.used).toEqual([]);
      expect(rig.said.at(-1)).toMatch(/^error: .*--tls-client-ca cannot be used: certificate 2 in/);
    }
    rig.pem = () => ({ ...other, clientCa: authority.ca });
    await rig.clock.advance(5_000);
    expect(rig.used).toEqual([other.cert]);
  });

  it('is warned of from 14 days before its end, each day, and is an error past it', async () => {
    const rig = setUp(long);
    await rig.clock.advance(15 * dayMs);
    expect(rig.said).toEqual([]);
    await rig.clock.advance(4 * dayMs);
    expect(rig.said.length).toBeGreaterThanOrEqual(3);
    expect(rig.said.length).toBeLessThanOrEqual(4);
    for (const text of rig.said) expect(text).toMatch(/^warn: .* ends at .*--tls-cert/);
    rig.said.length = 0;
    rig.clock.jump(14 * dayMs);
    await rig.clock.advance(5_000);
    expect(rig.said).toEqual([expect.stringMatching(/^error: .* ended at .* peers refuse it/)]);
    const { clock } = rig;
    rig.credentials.close();
    expect(clock.monotonicMs()).toBeGreaterThan(30 * dayMs);
  });
});

describe('names', () => {
  it.each([
    [undefined, []],
    ['', []],
    ['DNS:a', ['DNS:a']],
    ['DNS:a, IP Address:::1, URI:spiffe://x/y', ['DNS:a', 'IP:::1', 'URI:spiffe://x/y']],
    ['DNS:"a, DNS:b"', null],
    ['URI:http://a/\\u0000', null],
    ['URI:x,y', null],
    ['DNS:a, b', null],
    ['DNS:ü', null],
  ])('of %j are %j', (text, names) => {
    expect(namesIn(text)).toEqual(names);
  });
});
