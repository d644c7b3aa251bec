/** A node with TLS: SDKs and commands that dial it, probes, and certificates that are renewed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import type { TlsOptions } from '../../src/ports/tls.ts';
import { Security } from '../support/network/security.ts';
import { type Issued, TlsAuthority, type TlsFiles } from '../support/network/tls-authority.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli, startCli } from '../support/process/cli-process.ts';

let authority: TlsAuthority;
let stranger: TlsAuthority;
let directory: string;
let node: NodeProcess;
let files: TlsFiles;
let mine: TlsFiles;
let tls: TlsOptions;
let issued: Issued;

const at = (name: string): string => join(directory, name);
const arguments_ = ({ ca, cert, key }: TlsFiles): string[] => [
  ...['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', ca, '--tls-ca', ca],
];

function participant(name: string, more: object): Promise<ParticipantHandle> {
  return serveParticipant({
    name,
    urls: [node.url],
    dataDirectory: at(name),
    prepare: () => vote.commit(),
    commit: () => undefined,
    rollback: () => undefined,
    ...more,
  });
}

/** The serial number of the certificate that the node shows now. */
function serial(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: node.port, ca: authority.ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    }).on('error', reject);
  });
}

describe('a node with TLS', () => {
  beforeAll(async () => {
    authority = await TlsAuthority.made();
    stranger = await TlsAuthority.made();
    directory = mkdtempSync(join(tmpdir(), 'verdict-tls-'));
    issued = await authority.issue({ days: 10 });
    files = authority.write(directory, 'node', issued);
    mine = authority.write(
      directory,
      'mine',
      await authority.issue({ names: ['URI:spiffe://x/me'] }),
    );
    tls = { ca: { file: mine.ca }, cert: { file: mine.cert }, key: { file: mine.key } };
    node = await NodeProcess.started({
      data: at('data'),
      options: quickOptions,
      more: arguments_(files),
    });
  });
  afterAll(async () => {
    await node.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  it('does transactions for peers with a certificate, and tells others what to give', async () => {
    const a = await participant('a', { tls });
    await a.connected();
    const client = await connect({ urls: [node.url], tls });
    const done = await client.transact({ branches: [{ participant: 'a' }] });
    expect(done.outcome).toBe('committed');
    await client.close();
    await a.close();
    const without = { ca: authority.ca };
    await expect(connect({ urls: [node.url], tls: without })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('--tls-cert'),
    });
    const failure = (more: object) => connect({ urls: [node.url], timeoutMs: 500, ...more });
    await expect(failure({ tls: { ...tls, ca: stranger.ca } })).rejects.toThrow('--tls-ca');
    await expect(failure({})).rejects.toThrow('wss://');
    await expect(failure({ tls: { ...tls, nodeNames: ['*.example'] } })).rejects.toThrow(
      '--tls-node-names',
    );
    expect(node.alarms()).toEqual([]);
  });

  it('is found by commands, which say what they lack', async () => {
    const { ca, cert, key } = mine;
    const full = ['--tls-ca', ca, '--tls-cert', cert, '--tls-key', key];
    for (const argv of [
      ['status', '--json'],
      ['tx', 'list', '--json'],
    ]) {
      const run = await runCli([...argv, '--url', node.url, ...full]);
      expect(run).toMatchObject({ exitCode: 0, errors: '' });
    }
    const env = { VERDICT_TLS_CA: ca, VERDICT_TLS_CERT: cert, VERDICT_TLS_KEY: key };
    const byEnv = await startCli(['status', '--url', node.url], { env }).ended;
    expect(byEnv).toMatchObject({ exitCode: 0, errors: '' });
    expect(byEnv.out).toContain(`wss://${node.url}`);
    const lines = JSON.stringify({ branches: [{ participant: 'nobody' }] });
    const submitted = await runCli(['submit', '-', '--url', node.url, ...full], `${lines}\n`);
    expect(submitted.out + submitted.errors).toContain('aborted');
    const played = await runCli(['exec', '-', '--url', node.url, ...full], 'begin\nrollback\n');
    expect(played).toMatchObject({ exitCode: 0 });
    for (const [more, text] of [
      [[], 'wss://'],
      [['--tls-ca', ca], '--tls-cert'],
      [['--tls-ca', at('nothing')], '--tls-ca'],
      [['--tls-ca', cert, '--tls-cert', cert, '--tls-key', key], '--tls-ca'],
      [['--tls-ca', ca, '--tls-cert', cert, '--tls-key', files.key], 'does not belong'],
    ] as const) {
      const run = await runCli(['status', '--url', node.url, ...more]);
      expect(run.exitCode).not.toBe(0);
      expect(run.errors).toContain(text);
    }
    // Node's own list, and what its user adds to it.
    const extra = { NODE_EXTRA_CA_CERTS: ca };
    const trusted = await startCli(['status', '--url', `wss://${node.url}`], { env: extra }).ended;
    expect(trusted.errors).toContain('--tls-cert');
    expect(trusted.errors).not.toContain('--tls-ca');
    for (const [argv, text] of [
      [['status', '--url', `ws://${node.url}`, '--tls-ca', ca], 'Write wss://'],
      [['status', '--tls-cert', cert], '--tls-key'],
      [['status', '--tls-ca', ca, '--tls-node-names', 'a,,b'], '--tls-node-names'],
    ] as const) {
      const run = await runCli([...argv]);
      expect(run).toMatchObject({ exitCode: 2, errors: expect.stringContaining(text) });
    }
  });

  it('is healthy to a probe without a certificate', async () => {
    const status = await new Promise((resolve, reject) => {
      get(`https://${node.url}/readyz`, { ca: authority.ca }, ({ statusCode }) => {
        resolve(statusCode);
      }).on('error', reject);
    });
    expect(status).toBe(200);
  });

  it('takes up a new certificate on SIGHUP, or by itself; a broken one changes nothing', async () => {
    expect(node.child.lines.join('\n')).toMatch(
      /"warn".*The TLS certificate ends at|"level":40.*The TLS certificate ends at/,
    );
    const before = await serial();
    const client = await connect({ urls: [node.url], tls });
    authority.write(directory, 'node', { ...issued, key: mine.key });
    node.child.signal('SIGHUP');
    await node.child.line(/cannot be used; the ones before stay in use/);
    authority.write(directory, 'node', { ...issued, cert: 'garbage' });
    node.child.signal('SIGHUP');
    await node.child.line(/no certificate in --tls-cert/);
    expect(await serial()).toBe(before);
    authority.write(directory, 'node', await authority.issue());
    node.child.signal('SIGHUP');
    await node.child.line(/The new TLS certificate is in use/);
    const second = await serial();
    expect(second).not.toBe(before);
    authority.write(directory, 'node', await authority.issue());
    await eventually(
      async () => ((await serial()) === second ? null : true),
      () => 'the node to see the new certificate',
    );
    // Whoever was connected still is, and dials with files of its own that are new.
    expect(await client.begin()).toMatchObject({});
    authority.write(
      directory,
      'mine',
      await authority.issue({ names: ['URI:spiffe://x/renewed'] }),
    );
    await client.close();
    const again = await connect({ urls: [node.url], tls });
    await again.close();
    expect(node.running).toBe(true);
  });

  it('with an access file ends where it cannot listen', async () => {
    const path = mkdtempSync(at('access-'));
    const security = await Security.made(path, { participants: ['a'], clients: ['client'] });
    const own = ['serve', '--data', join(path, 'data'), ...(await security.node('n1'))];
    const free = '127.0.0.1:0';
    for (const argv of [
      ['--listen', node.url],
      ['--listen', free, '--operator-listen', node.url],
    ]) {
      const run = await runCli([...own, ...argv]);
      expect(run).toMatchObject({ exitCode: 1, errors: expect.stringContaining('is in use') });
    }
  });

  it('does not start on what it could not serve with', async () => {
    const { ca, cert, key } = authority.write(directory, 'other', await authority.issue());
    const serve = (...argv: readonly string[]) =>
      runCli(['serve', '--data', at('never'), '--listen', '127.0.0.1:0', ...argv]);
    for (const [argv, text] of [
      [['--tls-cert', cert], '--tls-key'],
      [['--tls-key', key], '--tls-cert'],
      [['--tls-client-ca', ca], '--tls-cert'],
      [['--tls-client-auth', 'required'], '--tls-client-ca'],
      [
        [
          '--tls-cert',
          cert,
          '--tls-key',
          key,
          '--tls-client-ca',
          ca,
          '--tls-client-auth',
          'optional',
        ],
        '--token-file',
      ],
      [['--tls-cert', cert, '--tls-key', key, '--advertise', 'ws://a:1'], 'wss://'],
      [['--tls-cert', cert, '--tls-key', mine.key], 'does not belong to the certificate'],
      [['--tls-cert', at('nothing'), '--tls-key', key], '--tls-cert'],
      [['--tls-cert', cert, '--tls-key', at('nothing')], '--tls-key'],
      [['--tls-cert', cert, '--tls-key', cert], 'no key in --tls-key'],
      [['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', key], '--tls-client-ca'],
    ] as const) {
      const run = await serve(...argv);
      expect(run.exitCode).not.toBe(0);
      expect(run.errors).toContain(text);
      expect(run.errors).not.toContain('    at ');
    }
  });
});
