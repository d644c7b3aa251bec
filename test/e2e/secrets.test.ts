/**
 * What no log may hold: secrets, payloads and results. They are planted wherever one can come in,
 * in words that are found nowhere else; then all that was written is searched for them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../src/client.ts';
import { logFormats } from '../../src/ports/logger.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { Child, eventually } from '../support/process/child.ts';

const token = 'planted-token-k3v9';
const wrong = 'planted-guess-q2m8';
const payload = 'planted-payload-x0d5';
const password = 'planted-password-a7b1';
/** What an application throws is its own text. Its participant logs it, and the node does not. */
const thrown = 'planted-in-an-error-c3d6';
const planted = [token, wrong, payload, password];

const [etcdPrograms] = await etcdsToTest();
let directory: string;
let audit: string;
let written: { readonly where: string; readonly lines: readonly string[] }[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
  audit = join(directory, 'audit.jsonl');
  written = [];
  for (const [name, secret] of Object.entries({ token, wrong, password })) {
    writeFileSync(join(directory, name), `${secret}\n`, { mode: 0o600 });
  }
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function found(): string[] {
  expect(written.length).toBeGreaterThan(0);
  return written.flatMap(({ where, lines }) =>
    lines
      .filter(
        (line) =>
          planted.some((secret) => line.includes(secret)) ||
          (where !== 'the service' && line.includes(thrown)),
      )
      .map((line) => `${where}: ${line}`),
  );
}

function keep(where: string, lines: readonly string[]): void {
  // Of one that wrote nothing nothing is proved.
  expect(lines.length, where).toBeGreaterThan(0);
  written.push({ where, lines });
}

async function command(...args: string[]): Promise<void> {
  const child = new Child('bin/verdict.mjs', { args });
  await child.exited;
  keep(`verdict ${args[0]}`, child.lines);
}

function service(node: NodeProcess, more: object = {}): Child {
  const settings = { urls: [node.url], token, dataDirectory: join(directory, 'service'), ...more };
  return new Child('test/support/participants/talkative-entry.ts', {
    args: [JSON.stringify(settings)],
    env: { DATABASE_URL: `postgresql://shop:${password}@127.0.0.1:9/shop` },
  });
}

/** In frames that are none, in places where it is not expected, and before a hello. */
async function malformed(node: NodeProcess): Promise<void> {
  const frames: (string | Buffer)[] = [
    `{"type":"hello","token":"${token}"`,
    `{"type":"hello","protocol":"${payload}","token":"${token}"}`,
    `{"type":"hello","protocol":1,"name":"x","instance":"x","roles":["${payload}"]}`,
    `{"type":"${payload}"}`,
    `{"type":"hello","protocol":1,"name":["${payload}"],"instance":"x","roles":["client"]}`,
    Buffer.from(`\xc1${payload}`, 'latin1'),
    Buffer.from(`\x81\xa5token\xd9\xff${token}`, 'latin1'),
    payload,
  ];
  for (const frame of frames) {
    const peer = await RawPeer.open(node.url);
    peer.sendFrame(frame);
    await eventually(
      () => (peer.isClosed || peer.received.length > 0 ? true : null),
      () => 'a word about it',
    );
    await peer.close();
  }
  const inside = await RawPeer.greeted(node.url, { name: 'y', roles: ['client'], token });
  inside.send(
    { type: 'begin', id: 1, timeoutMs: payload },
    { type: 'begin', id: 2, labels: { [`${payload}\u0000`]: payload } },
    { type: 'transact', id: 3, branches: [{ participant: 'p', payload, branch: `\n${payload}` }] },
    { type: 'transact', id: 4, branches: payload },
    { type: payload, id: 5, token },
    { type: 'error', code: 'INTERNAL', message: payload, retryable: false },
  );
  await eventually(
    () => (inside.count('error') >= 5 ? true : null),
    () => 'an answer to each',
  );
  await inside.close();
}

async function strangers(node: NodeProcess): Promise<void> {
  for (const shown of [`Bearer ${wrong}`, `Basic ${token}`, `Verdict ${wrong}`, wrong]) {
    await expect(RawPeer.open(node.url, { headers: { authorization: shown } })).rejects.toThrow();
  }
  await expect(RawPeer.open(node.url, { path: `/v1/${wrong}?token=${token}` })).rejects.toThrow();
  const hello = { type: 'hello', protocol: 1, name: 'x', instance: 'x-1', roles: ['operator'] };
  const peer = await RawPeer.open(node.url);
  peer.send({ ...hello, token: wrong });
  await peer.closed;
  await new Promise((resolve) => {
    const socket = new WebSocket(`ws://${node.url}/v1`, [wrong]);
    socket.once('error', resolve);
  });
  await expect(connect({ urls: [node.url], token: wrong })).rejects.toThrow();
}

async function transactions(node: NodeProcess): Promise<void> {
  const client = await connect({ urls: [node.url], token });
  const branch = (fails?: string) => ({
    participant: 'talkative',
    payload: { text: fails === 'prepare' ? thrown : payload, fails },
  });
  const done = await client.transact({ requestId: 'r1', branches: [branch()] });
  expect(done).toMatchObject({
    outcome: 'committed',
    results: { talkative: `result of ${payload}` },
  });
  // The same id for something else.
  await client
    .transact({ requestId: 'r1', branches: [{ ...branch(), payload: payload + payload }] })
    .catch(() => undefined);
  for (const fails of ['prepare', 'result']) {
    expect(await client.transact({ branches: [branch(fails)] })).toMatchObject({
      outcome: 'aborted',
    });
  }
  await client
    .transact({ branches: [{ participant: 'talkative', payload }] })
    .catch(() => undefined);
  await client.close();
}

describe.each(logFormats)('what a node writes at level debug (%s)', (format) => {
  it('holds no secret, no payload and no result, whatever happens to it', async () => {
    const node = await NodeProcess.make({
      data: join(directory, 'node'),
      options: quickOptions,
      tokenFile: join(directory, 'token'),
      more: ['--audit-file', audit, '--log-format', format],
    });
    // A pretty log has its ready line in another form.
    const started = node.start();
    await eventually(
      async () => ((await fetch(`http://${node.url}/readyz`).catch(() => null))?.ok ? true : null),
      () => node.output(),
    );
    let participant = service(node);
    await participant.line(/Serving/);
    await transactions(node);
    await strangers(node);
    await malformed(node);
    const right = ['--url', node.url, '--token-file', join(directory, 'token')];
    const bad = ['--url', node.url, '--token-file', join(directory, 'wrong'), '--timeout', '2000'];
    await command('status', ...right);
    await command('tx', 'list', ...bad);
    await participant.line(/No database/);
    await participant.kill();
    keep('the service', participant.lines);
    expect(participant.lines.join('\n')).toContain(thrown);
    participant = service(node, { token: wrong });
    await participant.line(/UNAUTHENTICATED|refused|token/i);
    await participant.stop().catch(() => participant.kill());
    keep('the service with a wrong token', participant.lines);
    node.child.signal('SIGTERM');
    await node.died();
    await started;
    keep('the node', node.child.lines);
    keep('the audit log', readFileSync(audit, 'utf8').split('\n'));
    expect(found()).toEqual([]);
  });
});

describe('what a node writes as it dies', () => {
  it.each(['before-decision', 'decision-durable', 'after-prepare'] as const)(
    'holds no payload (%s)',
    async (crashAt) => {
      const node = await NodeProcess.make({
        data: join(directory, 'node'),
        options: quickOptions,
        tokenFile: join(directory, 'token'),
        more: ['--audit-file', audit],
      });
      await node.start({ crashAt });
      const participant = service(node);
      await participant.line(/Serving/);
      const client = await connect({ urls: [node.url], token });
      const ended = client
        .transact({
          branches: [{ participant: 'talkative', payload: { text: payload } }],
          timeoutMs: 500,
        })
        .catch(() => undefined);
      await node.died();
      keep('the node that died', node.child.lines);
      await node.restart();
      await ended;
      await client.close();
      await participant.kill();
      await node.stop();
      keep('the node', node.child.lines);
      keep('the service', participant.lines);
      keep('the audit log', readFileSync(audit, 'utf8').split('\n'));
      expect(found()).toEqual([]);
    },
  );
});

describe.skipIf(etcdPrograms === undefined)('a node at etcd', () => {
  it('does not write its password, also where etcd does not take it', async () => {
    if (etcdPrograms === undefined) return;
    const etcd = await TestEtcd.start(etcdPrograms);
    const common = ['serve', '--data', join(directory, 'node'), '--listen', '127.0.0.1:0'];
    const account = ['--etcd-user', 'shop', '--etcd-password-file', join(directory, 'password')];
    const log = ['--log-format', 'json', '--log-level', 'debug', '--audit-file', audit];
    try {
      for (const endpoints of [etcd.endpoints.join(','), '127.0.0.1:9']) {
        const node = new Child('bin/verdict.mjs', {
          args: [...common, '--etcd', endpoints, '--cluster', 'shop', ...account, ...log],
        });
        await node.exited;
        keep(`the node at ${endpoints}`, node.lines);
      }
    } finally {
      await etcd.dispose();
    }
    keep('the audit log', readFileSync(audit, 'utf8').split('\n'));
    expect(found()).toEqual([]);
  });
});
