/** Certificates for etcd that are renewed while a node, or a participant's reader, runs. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { EtcdCredentials } from '../../src/decision-log/etcd/tls-files.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { etcdOfTest } from '../support/etcd/etcd-of-test.ts';
import {
  commitOf,
  never,
  realClock,
  realRandom,
  temporaryDirectory,
  txidAt,
} from '../support/logs/stores.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { TlsAuthority } from '../support/network/tls-authority.ts';

const etcds = await etcdsToTest();
const written = { type: 'written' };

/** Those of etcd, and those of its clients, by an authority that no one knew before. */
async function writeAll(directory: string) {
  const authority = await TlsAuthority.made();
  const server = authority.write(directory, 'server', await authority.issue());
  const client = authority.write(directory, 'client', await authority.issue());
  const tls = { ca: { file: client.ca }, cert: { file: client.cert }, key: { file: client.key } };
  return { server, client, tls };
}

describe.skipIf(etcds.length === 0).each(etcds)('certificates for etcd at $etcd', (programs) => {
  it('are renewed: what is open stays, what connects shows the new ones, and the leader leads on', async (test) => {
    const { expect, onTestFinished } = test;
    const directory = temporaryDirectory();
    onTestFinished(() => directory.remove());
    const { server, tls } = await writeAll(directory.path);
    const { etcd, rig } = await etcdOfTest(test, programs, { tls: server });
    const proxy = await TcpProxy.started(etcd.member.ports.client);
    onTestFinished(() => proxy.close());
    const endpoints = [`https://${proxy.url}`];
    const log = await rig.open('alpha', { tls, endpoints, leaseTtlMs: 60_000 });
    const leadership = await log.campaign(0, { signal: never });
    const ports = { clock: realClock, random: realRandom };
    const { cluster } = rig;
    const reader = await openEtcdReader({ endpoints, cluster, tls, ...ports });
    onTestFinished(() => reader.close());
    let sequence = 0;
    const decide = async () => {
      sequence += 1;
      const txid = txidAt(leadership.epoch, sequence);
      expect(await leadership.decide(commitOf(txid))).toEqual(written);
    };
    await decide();
    const opened = proxy.accepted;
    await writeAll(directory.path);
    await decide();
    expect(proxy.accepted).toBe(opened);
    // Etcd knows nothing but the new authority: whoever shows the old certificate stays outside.
    await etcd.restart();
    for (let count = 0; count < 3; count += 1) await decide();
    expect(leadership.isCertain()).toBe(true);
    expect(await reader.raiseGeneration()).toBe(1);
    expect(proxy.accepted).toBeGreaterThan(opened);
  });
});

describe('files of certificates for etcd', () => {
  it('are taken when they belong together, and until then those before are', async ({
    expect,
    onTestFinished,
  }) => {
    const directory = temporaryDirectory();
    onTestFinished(() => directory.remove());
    const { client, tls } = await writeAll(directory.path);
    const problems: string[] = [];
    const credentials = new EtcdCredentials(tls, ({ message }) => problems.push(message));
    const first = credentials.read();
    expect(credentials.read()).toBe(first);
    copyFileSync(client.key, join(directory.path, 'before.key'));
    await writeAll(directory.path);
    copyFileSync(client.key, join(directory.path, 'next.key'));
    copyFileSync(join(directory.path, 'before.key'), client.key);
    expect(credentials.read()).toBe(first);
    expect(credentials.read()).toBe(first);
    expect(problems).toEqual([
      expect.stringMatching(/cannot be used: .*key values mismatch.*Give a key and the cert/),
    ]);
    copyFileSync(join(directory.path, 'next.key'), client.key);
    const next = credentials.read();
    expect(next).not.toBe(first);
    const whole = readFileSync(client.ca, 'utf8');
    for (const text of ['', whole + whole.slice(0, 200), whole + whole.replace('MII', '!!!')]) {
      writeFileSync(client.ca, text);
      expect(credentials.read()).toBe(next);
    }
    expect(problems).toHaveLength(4);
  });
});
