/**
 * Every command that the documents give to start a node for other machines asks its peers who they
 * are: a stranger hears that it is refused, and nothing of the cluster.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { request as requestSecurely } from 'node:https';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { type Certificates, certifyShop } from '../../cluster/secure/installation.ts';
import { subprotocol } from '../../src/wire/address.ts';
import { Child } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const nodeName = 'the-name-of-the-node';
/** Of this machine in its network, where there is one. */
const own = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

let directory: string;
let certificates: Certificates;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-strangers-'));
  certificates = await certifyShop({
    directory: join(directory, 'certs'),
    nodes: ['a'],
    hosts: own === undefined ? [] : [own],
  });
  writeFileSync(join(directory, 'token'), `${'t'.repeat(40)}\n`, { mode: 0o600 });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

interface Documented {
  readonly where: string;
  readonly command: string;
}

/** Of `verdict serve`, where it listens for others. */
async function documented(): Promise<readonly Documented[]> {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const files = [
    'README.md',
    ...docs.filter((file) => file.endsWith('.md')).map((f) => `docs/${f}`),
  ];
  const pages = files.map((where) => ({ where, page: readFileSync(join(root, where), 'utf8') }));
  const { out } = await runCli(['serve', '--help']);
  const all = [...pages, { where: 'serve --help', page: out }].flatMap(({ where, page }) =>
    [...page.replaceAll(/\\\n\s*/g, '').matchAll(/(?<=verdict )serve .*/g)].map(([command]) => ({
      where,
      command,
    })),
  );
  const compose = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
  const [, list = ''] = /^ {2}command:\n((?: {4}- .*\n)+)/m.exec(compose) ?? [];
  const command = list
    .replaceAll(/^ {4}- /gm, '')
    .trim()
    .replaceAll('\n', ' ');
  return [...all, { where: 'docker-compose.yml', command }].filter(({ command: each }) =>
    /--(?:operator-)?listen[= ](?!127\.|\[::1\]|localhost)/.test(each),
  );
}

/** The same on this machine: its files, its address. At the door the log makes no difference. */
function onThisMachine(command: string, port: number): readonly string[] {
  const host = own ?? '0.0.0.0';
  const { cert, key, ca } = certificates.node('a');
  const values: Readonly<Record<string, string>> = {
    '--listen': `${host}:${port}`,
    '--operator-listen': `${host}:0`,
    '--data': join(directory, `data-${port}`),
    '--node': nodeName,
    '--token-file': join(directory, 'token'),
    '--tls-cert': cert,
    '--tls-key': key,
    '--tls-client-ca': ca,
    '--tls-ca': ca,
    '--access-file': certificates.accessFile,
    '--audit-file': join(directory, `audit-${port}`),
  };
  const options = command
    .replaceAll(/ --(?:etcd[a-z-]*|cluster|shards)[= ]\S+/g, '')
    .split(/\s+(?=--)/)
    .slice(1)
    .map((option) => option.trim().split(/[= ]/));
  const given = options.flatMap(([name = '', value]) => {
    return [name, values[name] ?? value].filter((each) => each !== undefined);
  });
  const missing = ['--data', '--node'].filter((name) => !given.includes(name));
  return ['serve', ...given, ...missing.flatMap((name) => [name, values[name] ?? ''])];
}

/** All that someone hears who has nothing but the address: by HTTP, then as each kind of peer. */
async function heardAt(url: string): Promise<{ readonly health: string[]; readonly told: string }> {
  const health: string[] = [];
  for (const path of ['/healthz', '/readyz']) health.push(await get(`${url}${path}`));
  let told = '';
  for (const path of ['/', '/v1', '/metrics', '/status']) told += await get(`${url}${path}`);
  for (const role of ['client', 'participant', 'operator', 'node']) told += await dial(url, role);
  return { health, told };
}

function get(url: string): Promise<string> {
  const ask = url.startsWith('https:') ? requestSecurely : request;
  return new Promise((resolve, reject) => {
    const asked = ask(url, { rejectUnauthorized: false, agent: false }, (response) => {
      text(response).then((body) => {
        resolve(url.endsWith('z') ? body.trim() : body + JSON.stringify(response.headers));
      }, reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

function dial(url: string, role: string): Promise<string> {
  return new Promise((resolve) => {
    let told = '';
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1`, [subprotocol], {
      rejectUnauthorized: false,
    });
    socket.on('upgrade', ({ headers }) => {
      told += JSON.stringify(headers);
    });
    socket.on('unexpected-response', (_request, response) => {
      text(response).then((body) => resolve(`${JSON.stringify(response.headers)}${body}`), resolve);
    });
    socket.on('open', () => {
      const hello = { type: 'hello', protocol: 1, name: 'payment', instance: 'i-1', roles: [role] };
      socket.send(pack(hello));
      socket.send(pack({ type: 'status', id: 1 }));
      // Whoever was let in is not closed by the node.
      setTimeout(() => socket.close(), 1_000).unref();
    });
    socket.on('message', (data: Buffer) => {
      told += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => resolve(`${told}${code}${reason}`));
  });
}

async function running<T>(args: readonly string[], use: () => Promise<T>): Promise<T> {
  const child = new Child('bin/verdict.mjs', { args: [...args, '--log-format', 'json'] });
  try {
    const line = await child.line(/"msg":"Ready\."/);
    expect(line, child.lines.join('\n')).not.toBeNull();
    return await use();
  } finally {
    await child.kill();
  }
}

const telling = new RegExp(`${nodeName}|welcome|shard|leader|cluster|epoch|txid`, 'i');

describe('a stranger', () => {
  it('hears nothing of a node that the documents start for other machines', async () => {
    const commands = await documented();
    const places = new Set(commands.map(({ where }) => where));
    for (const where of ['docs/OPERATING.md', 'serve --help', 'docker-compose.yml']) {
      expect([...places]).toContain(where);
    }
    for (const { where, command } of commands) {
      const port = await freePort();
      const scheme = command.includes('--tls-cert') ? 'https' : 'http';
      const { health, told } = await running(onThisMachine(command, port), () =>
        heardAt(`${scheme}://${own ?? '127.0.0.1'}:${port}`),
      );
      const what = `${where}: verdict ${command}`;
      expect(health, what).toEqual(['{"ok":true}', '{"ready":true}']);
      expect(told, what).toMatch(/UNAUTHENTICATED|certificate/);
      expect(told, what).not.toMatch(telling);
    }
  });

  it('would have heard it of one that is open', async () => {
    const port = await freePort();
    const args = onThisMachine('serve --listen 127.0.0.1:7070', port);
    const at = args.map((each) => (each.endsWith(`:${port}`) ? `127.0.0.1:${port}` : each));
    const { health, told } = await running(at, () => heardAt(`http://127.0.0.1:${port}`));
    expect(health[1]).toContain('shards');
    expect(told).toMatch(telling);
    expect(told).toContain(nodeName);
  });

  it('finds no node where the image or a command is started without more', async () => {
    const dockerfile = readFileSync(join(root, 'cluster/Dockerfile'), 'utf8');
    const command = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as string[];
    expect(command).toContain('serve');
    const data = join(directory, 'refused');
    for (const args of [
      command.map((each) => (each === '/data' ? data : each)),
      ['serve', '--data', data, '--operator-listen', '0.0.0.0:0'],
      ['dev', '--listen', '0.0.0.0:0'],
    ]) {
      const { exitCode, errors } = await runCli(args);
      expect(exitCode, args.join(' ')).toBe(2);
      expect(errors).toMatch(/On 0\.0\.0\.0 other machines could reach this node/);
    }
  });
});
