import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AccessFile, readAccessFile } from '../../../src/access/access-file.ts';
import { type AccessChange, openAccess } from '../../../src/access/open-access.ts';
import { PeerAddresses } from '../../../src/transport/websocket/peer-address.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-access-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const payment = {
  name: 'payment',
  credentials: [{ uri: 'spiffe://shop/payment' }],
  roles: ['participant'],
};

function read(content: unknown): AccessFile {
  const file = join(directory, 'access.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readAccessFile(file);
}

function readWith(more: object, second: object[] = []): AccessFile {
  return read({ identities: [{ ...payment, ...more }, ...second] });
}

function secretFile(name: string, text: string, mode = 0o600): string {
  writeFileSync(join(directory, name), text, { mode });
  return name;
}

const withKeys = (url: string): object => ({
  identities: [payment],
  issuers: [{ issuer: 'i', audience: 'a', algorithms: ['ES256'], keys: { url } }],
});

describe('openAccess', () => {
  it('shows operators the file without what may be secret in the address of keys', () => {
    const accessFile = join(directory, 'access.json');
    const url = 'https://keys.example/jwks?key=s3cret';
    read(withKeys(url));
    const events = { changed: () => undefined, broken: () => undefined };
    const opened = openAccess({
      ...{ token: null, accessFile, clock: new ManualClock(), url: () => '' },
      events: { ...events, keysUnavailable: () => undefined },
    });
    const shown = JSON.stringify(opened.describe());
    opened.close();
    expect(shown).toContain('"url":"https://keys.example/jwks"');
    expect(shown).not.toMatch(/s3cret/);
  });

  it('takes an identity out whose file of a token went with its entry', async () => {
    const accessFile = join(directory, 'access.json');
    const tokenFile = secretFile('guest.token', 'a-token-that-no-one-guesses');
    const guest = { name: 'guest', credentials: [{ tokenFile }], roles: ['client'] };
    readWith({}, [guest]);
    const clock = new ManualClock();
    const changes: AccessChange[] = [];
    const problems: string[] = [];
    const opened = openAccess({
      ...{ token: null, accessFile, clock, url: () => '' },
      events: {
        changed: (change) => changes.push(change),
        broken: (problem) => problems.push(problem),
        keysUnavailable: () => undefined,
      },
    });
    opened.look();
    // Its entry is still there: that is wrong, and told once.
    rmSync(join(directory, tokenFile));
    await clock.advance(4_000);
    expect(problems).toEqual([expect.stringContaining('The token cannot be read')]);
    expect(changes).toEqual([]);
    readWith({});
    await clock.advance(2_000);
    opened.close();
    expect(changes).toMatchObject([{ removed: ['guest'] }]);
  });
});

describe('readAccessFile', () => {
  it('gives an identity its own name to serve under, and nothing else', () => {
    const [entry] = readWith({}).identities;
    expect(entry?.rights.participants.match('payment')).toBe(true);
    expect(entry?.rights.participants.match('payments')).toBe(false);
    expect(entry?.rights.clients.match('payment')).toBe(true);
    expect(entry?.rights.calls.match('payment')).toBe(false);
    expect(entry?.rights.labels.match('order')).toBe(false);
    expect(entry?.rights.lockGroups.match('shared/stock')).toBe(false);
    expect(entry?.rights.sees).toBe('own');
    expect(entry?.credentials.names).toEqual(['URI:spiffe://shop/payment']);
  });

  it('takes names in place of its own', () => {
    const [entry] = readWith({ participants: ['pay-*', 'refund'] }).identities;
    const { participants } = entry?.rights ?? {};
    expect(
      ['payment', 'pay-1', 'refund', 'refunds'].map((name) => participants?.match(name)),
    ).toEqual([false, true, true, false]);
  });

  it('tells of broken JSON without what stands there', () => {
    const url = 'https://keys.example/?key=p4ss';
    for (const text of [`{"url": "${url}" x}`, `{"url": "${url}`, `{"url": ${url}}`]) {
      expect(() => read(text)).toThrow(/cannot be read: .*JSON/);
      expect(() => read(text)).not.toThrow(/p4ss|keys\.example|https/);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /cannot be read: .*JSON/],
    ['no object', 7, /it: must be Object, not 7/],
    [
      'an unknown field',
      { identities: [payment], identity: 1 },
      /identity: there is no such field/,
    ],
    ['no identity', { identities: [] }, /identities: is empty/],
    [
      'a misspelt field',
      { identities: [{ ...payment, role: [] }] },
      /identities\.0\.role: there is no such field/,
    ],
    [
      'an unknown role',
      { identities: [{ ...payment, roles: ['admin'] }] },
      /roles\.0: must be .*"operator"/,
    ],
    ['no role', { identities: [{ ...payment, roles: [] }] }, /roles: is empty/],
    ['no credential', { identities: [{ ...payment, credentials: [] }] }, /no one could be this/],
    [
      'an odd credential',
      { identities: [{ ...payment, credentials: [{ cn: 'x' }] }] },
      /must be one of \{"uri"/,
    ],
    ['keys over http from elsewhere', withKeys('http://id.example/k'), /without a user/],
    ['keys with a password', withKeys('https://u:p@id.example/k'), /without a user/],
    [
      'a proxy that is no subnet',
      { identities: [payment], trustedProxies: ['10.0.0.0/33'] },
      /trustedProxies\.0: must be an address/,
    ],
    [
      'a * within',
      { identities: [{ ...payment, calls: ['a*b'] }] },
      /calls\.0: may hold a \* only as/,
    ],
    [
      'a control character',
      { identities: [{ ...payment, name: 'a\nb' }] },
      /name: must be a name of 1 to 128/,
    ],
    [
      'a quota below 0',
      { identities: [{ ...payment, quotas: { locks: -1 } }] },
      /quotas\.locks: must be 0 or more/,
    ],
    [
      'a quota of half',
      { identities: [{ ...payment, quotas: { locks: 0.5 } }] },
      /must be a whole number/,
    ],
    [
      'a symmetric algorithm',
      {
        identities: [payment],
        issuers: [{ issuer: 'i', audience: 'a', algorithms: ['HS256'], keys: { file: 'f' } }],
      },
      /must be an asymmetric algorithm/,
    ],
    [
      'an issuer that is not there',
      {
        identities: [{ ...payment, credentials: [{ issuer: 'https://id.example', subject: 'p' }] }],
      },
      /issuer https:\/\/id\.example, which is not under "issuers"/,
    ],
    ['one name twice', { identities: [payment, payment] }, /name payment stands there twice/],
    [
      'one credential twice',
      { identities: [payment, { ...payment, name: 'b' }] },
      /credential URI:spiffe:\/\/shop\/payment stands there twice/,
    ],
  ])('refuses %s, and says where it is', (_what, content, text) => {
    expect(() => read(content)).toThrow(text);
  });

  it('reads tokens from files beside it', () => {
    const tokenFile = secretFile('payment.token', `${'t'.repeat(32)}\n`);
    const [entry] = readWith({ credentials: [{ tokenFile }] }).identities;
    expect(entry?.credentials.tokens).toEqual(['t'.repeat(32)]);
  });

  it('refuses a token that could be guessed, one that others can read, and one of two identities', () => {
    const short = secretFile('short', 'secret');
    expect(() => readWith({ credentials: [{ tokenFile: short }] })).toThrow(/of 20 at least/);
    const open = secretFile('open', 't'.repeat(32), 0o644);
    expect(() => readWith({ credentials: [{ tokenFile: open }] })).toThrow(/chmod 600/);
    const good = secretFile('good', 't'.repeat(32));
    const credentials = [{ tokenFile: good }];
    const both = (): AccessFile =>
      readWith({ credentials }, [{ ...payment, name: 'b', credentials }]);
    expect(both).toThrow(/The token stands there twice/);
    expect(both).not.toThrow('tttt');
  });

  it.each(['10.0.0.01', 'fd00:::1', 'abcd:', '1:2:3:4:5:6:7:8:9', '10.0.0.0/8/8', '10.0.0.0/'])(
    'refuses %j as a proxy, as the listener would',
    (proxy) => {
      const content = { identities: [payment], trustedProxies: [proxy] };
      expect(() => read(content)).toThrow(/trustedProxies\.0: must be an address/);
      expect(() => new PeerAddresses([proxy])).toThrow(/is no address and no subnet/);
    },
  );

  it('tells of what is no JSON without what stands there, also where it has changed', async () => {
    const accessFile = join(directory, 'access.json');
    read({ identities: [payment] });
    const clock = new ManualClock();
    const told: string[] = [];
    const nothing = (): void => undefined;
    const opened = openAccess({
      ...{ token: null, accessFile, clock, url: () => '' },
      events: { changed: nothing, broken: (why) => told.push(why), keysUnavailable: nothing },
    });
    for (const text of ['hunter2\n', 'hunter2-6f1c0f9a4b7d4e2a\n', '{"a":hunter2}']) {
      expect(() => read(text)).toThrow(/access\.json cannot be read: .*is not valid JSON/);
      await clock.advance(2_000);
    }
    opened.close();
    // Once: to whoever may not read it the three are alike.
    expect(told).toEqual([expect.stringMatching(/: Unexpected token 'h' is not valid JSON\.$/)]);
  });

  it('says everything that is wrong at once', () => {
    expect(() => readWith({ roles: ['x'], calls: [''] })).toThrow(/roles\.0: .*calls\.0: /);
  });
});
