/** Peers that show a JWT: let in, renewed, ended by expiry; and an issuer that is away. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import type { Jwt } from '../../src/peer/jwt.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { TlsAuthority } from '../support/network/tls-authority.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually as once } from '../support/process/child.ts';
import { runCli, startCli } from '../support/process/cli-process.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const issuers = { url: 'https://id.example', file: 'https://other.example' };

let authority: TlsAuthority;
let directory: string;
let node: NodeProcess;
let jwks: Server;
let jwksUrl: string;
let tls: { readonly ca: { readonly file: string } };
const keys: JWK[] = [];
let jwksIsAway = false;
let asked = 0;

const eventually = (is: () => boolean | Promise<boolean>): Promise<true> =>
  once(
    async () => ((await is()) ? true : null),
    () => String(is),
  );
const at = (name: string): string => join(directory, name);

async function signer(kid: string, issuer: string = issuers.url) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' };
  const sign = (sub: string, lifeS = 3_600, aud = 'verdict'): Promise<string> =>
    new SignJWT({ iss: issuer, aud, sub, jti: crypto.randomUUID() })
      .setExpirationTime(Math.floor(Date.now() / 1_000) + lifeS)
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey);
  return { jwk, sign };
}

let issuer: Awaited<ReturnType<typeof signer>>;

const peerOf = (name: string, role: string, by: string = issuers.url) => ({
  name,
  credentials: [{ issuer: by, subject: `svc-${name}` }],
  roles: [role],
  ...(role === 'client' ? { calls: ['*'], clients: ['shop', 'verdict-cli'] } : {}),
});

/** `audience`: that of the issuer whose keys have a URL. */
function writeAccess(audience = 'verdict'): void {
  const common = { audience: 'verdict', algorithms: ['ES256'] };
  writeFileSync(
    at('access.json'),
    JSON.stringify({
      identities: [
        peerOf('shop', 'client'),
        peerOf('pay', 'participant'),
        peerOf('stock', 'participant'),
        peerOf('ops', 'operator', issuers.file),
      ],
      issuers: [
        { ...common, issuer: issuers.url, audience, keys: { url: jwksUrl } },
        { ...common, issuer: issuers.file, keys: { file: 'jwks.json' } },
      ],
    }),
  );
}

function audited(event: string): Record<string, unknown>[] {
  return readFileSync(at('audit.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['event'] === event);
}

interface Served {
  readonly handle: ParticipantHandle;
  /** Prepares wait for it, once they are held. */
  hold(): { release(): void; readonly held: Promise<void> };
  readonly log: string[];
  readonly done: string[];
}

async function serve(name: string, jwt: Jwt): Promise<Served> {
  const log: string[] = [];
  const done: string[] = [];
  let gate: PromiseWithResolvers<void> | null = null;
  let reached: PromiseWithResolvers<void> | null = null;
  const note = (_fields: unknown, text = ''): unknown => log.push(text);
  const handle = await serveParticipant({
    name,
    urls: [node.url],
    tls,
    jwt,
    dataDirectory: at(name),
    logger: { ...silentLogger, info: note, warn: note, error: note },
    prepare: async () => {
      reached?.resolve();
      await gate?.promise;
      return vote.commit();
    },
    commit: ({ txid }) => {
      done.push(`commit ${txid}`);
    },
    rollback: ({ txid }) => {
      done.push(`rollback ${txid}`);
    },
  });
  await handle.connected();
  const hold = () => {
    gate = Promise.withResolvers();
    reached = Promise.withResolvers();
    return { release: gate.resolve, held: reached.promise };
  };
  return { handle, hold, log, done };
}

function client(jwt: Jwt): Promise<Client> {
  return connect({ urls: [node.url], name: 'shop', tls, jwt });
}

describe('a node with an access file that names issuers', () => {
  beforeAll(async () => {
    authority = await TlsAuthority.made();
    directory = mkdtempSync(join(tmpdir(), 'verdict-jwt-'));
    issuer = await signer('k1');
    keys.push(issuer.jwk);
    jwks = createServer((_request, response) => {
      asked += 1;
      // Away: it takes the request, and never answers.
      if (!jwksIsAway) response.end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => jwks.listen(0, '127.0.0.1', resolve));
    jwksUrl = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks`;
    writeFileSync(at('jwks.json'), JSON.stringify({ keys: [] }));
    writeAccess();
    const files = authority.write(directory, 'node', await authority.issue());
    tls = { ca: { file: files.ca } };
    node = await NodeProcess.started({
      data: at('data'),
      options: { ...quickOptions, transactionTimeoutMs: 30_000, participantWaitMs: 20_000 },
      more: [
        ...['--tls-cert', files.cert, '--tls-key', files.key],
        ...['--access-file', at('access.json'), '--audit-file', at('audit.jsonl')],
      ],
    });
  });
  afterAll(async () => {
    await node.kill();
    jwks.closeAllConnections();
    await new Promise((resolve) => jwks.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  });

  it('does transactions for them, and tells others what is wrong', async () => {
    const pay = await serve('pay', await issuer.sign('svc-pay'));
    const shop = await client(() => issuer.sign('svc-shop'));
    const branches = [{ participant: 'pay' }];
    expect(await shop.transact({ branches })).toMatchObject({ outcome: 'committed' });
    await shop.close();
    await pay.handle.close();
    const refused = (jwt: string) => expect(client(jwt)).rejects;
    await refused(await issuer.sign('svc-unknown')).toMatchObject({ code: 'UNAUTHENTICATED' });
    await refused(await issuer.sign('svc-pay')).toMatchObject({ code: 'FORBIDDEN' });
    await refused(await (await signer('k1')).sign('svc-shop')).toThrow(/signature/);
    const both = connect({ urls: [node.url], tls, token: 'secret', jwt: 'h.p.s' });
    await expect(both).rejects.toThrow(TypeError);
    const inClear = connect({ urls: [`ws://${node.url}`], jwt: await issuer.sign('svc-shop') });
    await expect(inClear).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('wss://'),
    });
  });

  it('lets commands in by a file, whose issuer may be added while it runs', async () => {
    const other = await signer('f1', issuers.file);
    writeFileSync(at('jwks.json'), JSON.stringify({ keys: [other.jwk] }));
    writeFileSync(at('ops.jwt'), `${await other.sign('svc-ops')}\n`, { mode: 0o600 });
    const flags = ['--url', node.url, '--tls-ca', tls.ca.file];
    const run = await runCli(['status', '--json', ...flags, '--jwt-file', at('ops.jwt')]);
    expect(run).toMatchObject({ exitCode: 0, errors: '' });
    const env = { VERDICT_JWT_FILE: at('ops.jwt') };
    const list = await startCli(['tx', 'list', ...flags], { env }).ended;
    expect(list).toMatchObject({ exitCode: 0, errors: '' });
    writeFileSync(at('shop.jwt'), await issuer.sign('svc-shop'), { mode: 0o600 });
    const played = await runCli(
      ['exec', '-', ...flags, '--jwt-file', at('shop.jwt')],
      'begin\nrollback\n',
    );
    expect(played).toMatchObject({ exitCode: 0 });
    writeFileSync(at('open.jwt'), await issuer.sign('svc-shop'));
    writeFileSync(at('none.jwt'), 'none', { mode: 0o600 });
    for (const [more, text] of [
      [['--jwt-file', at('ops.jwt'), '--token-file', at('ops.jwt')], 'Give the one'],
      [['--jwt-file', at('open.jwt')], 'chmod 600'],
      [['--jwt-file', at('none.jwt')], 'three parts'],
      [['--jwt-file', at('missing.jwt')], 'missing.jwt'],
    ] as const) {
      const failed = await runCli(['status', ...flags, ...more]);
      expect(failed.exitCode).not.toBe(0);
      expect(failed.errors).toContain(text);
    }
    const inClear = await runCli(['status', '--url', node.url, '--jwt-file', at('ops.jwt')]);
    expect(inClear.exitCode).not.toBe(0);
    expect(inClear.errors).toContain('wss://');
  });

  it('keeps the connections of peers that show fresh ones, with all that is in flight', async () => {
    let shown = 0;
    const short = (sub: string) => () => {
      if (sub === 'svc-pay') shown += 1;
      return issuer.sign(sub, 4);
    };
    const pay = await serve('pay', short('svc-pay'));
    const shop = await client(short('svc-shop'));
    const { release, held } = pay.hold();
    const transaction = shop.transact({ branches: [{ participant: 'pay' }] });
    await held;
    const before = shown;
    await eventually(() => shown >= before + 3);
    release();
    const { outcome, txid } = await transaction;
    expect(outcome).toBe('committed');
    await eventually(() => pay.done.length > 0);
    expect(pay.done).toEqual([`commit ${txid}`]);
    expect(pay.log).not.toContain('lost a node');
    await shop.close();
    await pay.handle.close();
    expect(node.output()).not.toContain('has expired');
  });

  it('ends the connection where none comes in time; nothing is lost, and it comes back', async () => {
    let isAway = false;
    const jwt = (): Promise<string> => {
      if (isAway) throw new Error('the issuer is away');
      return issuer.sign('svc-pay', 3);
    };
    const pay = await serve('pay', jwt);
    const stock = await serve('stock', () => issuer.sign('svc-stock'));
    const shop = await client(() => issuer.sign('svc-shop'));
    const { release, held } = pay.hold();
    const branches = [{ participant: 'pay' }, { participant: 'stock' }];
    const transaction = shop.transact({ branches });
    await held;
    isAway = true;
    await eventually(() => pay.log.includes('lost a node'));
    expect(pay.log.join('\n')).toContain('the issuer is away');
    release();
    isAway = false;
    const { outcome, txid } = await transaction;
    expect(outcome).toBe('committed');
    for (const { done } of [pay, stock]) {
      await eventually(() => done.length > 0);
      expect(done).toEqual([`commit ${txid}`]);
    }
    // That of a client, too: with the fixed one it does not come back.
    const fixed = await client(await issuer.sign('svc-shop', 4));
    const isServed = async (): Promise<boolean> => {
      const open = await fixed.begin({ timeoutMs: 1_000 });
      await open.rollback();
      return true;
    };
    await eventually(async () => !(await isServed().catch(() => false)));
    await expect(fixed.begin({}, { timeoutMs: 1_000 * slownessFactor })).rejects.toThrow('expired');
    await fixed.close();
    await shop.close();
    await pay.handle.close();
    await stock.handle.close();
  });

  it('ends connections whose issuer has another audience now, and takes those for it', async () => {
    const shop = await client(await issuer.sign('svc-shop'));
    const { connection } = audited('connection-accepted').at(-1) ?? {};
    writeAccess('verdict-2');
    await eventually(() =>
      audited('connection-ended').some((line) => line['connection'] === connection),
    );
    await expect(shop.begin({}, { timeoutMs: 1_000 * slownessFactor })).rejects.toThrow('aud');
    await shop.close();
    const newer = await client(await issuer.sign('svc-shop', 3_600, 'verdict-2'));
    await (await newer.begin()).rollback();
    writeAccess();
    await eventually(() => audited('configuration-changed').length === 2);
    await newer.close();
  });

  it('goes on with the keys that it knows while the issuer does not answer', async () => {
    jwksIsAway = true;
    const before = asked;
    const newer = await signer('k2');
    // Beyond the cool-down an unknown key makes the node ask; within it, not.
    const jwt = (): Promise<string> => newer.sign('svc-shop');
    const unknown = expect(
      connect({ urls: [node.url], tls, jwt, timeoutMs: 500 }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(?:TIMEOUT|UNAUTHENTICATED)$/) });
    const pay = await serve('pay', () => issuer.sign('svc-pay'));
    const shop = await client(() => issuer.sign('svc-shop'));
    await unknown;
    expect(await shop.transact({ branches: [{ participant: 'pay' }] })).toMatchObject({
      outcome: 'committed',
    });
    expect(asked - before).toBeLessThanOrEqual(1);
    await shop.close();
    await pay.handle.close();
    expect(node.running).toBe(true);
    expect(node.alarms()).toEqual([]);
  });
});
