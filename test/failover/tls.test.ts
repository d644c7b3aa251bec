/**
 * A cluster of nodes that speak TLS alone, each with a certificate of its own. A leader that is
 * killed is known to be gone by its refused address, as without TLS: a lease that would have to run
 * out is far longer than the test.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { TlsAuthority, type TlsFiles } from '../support/network/tls-authority.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const names = ['n1', 'n2', 'n3'] as const;
const isGone = /"The leader is gone: its connection broke and its address refuses new ones\."/;

describe.skipIf(programs === undefined)('nodes with TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'verdict-tls-'));
  const nodes: NodeProcess[] = [];
  let authority: TlsAuthority;
  let etcd: TestEtcd;
  let files: TlsFiles;
  let client: Client;
  let participant: ParticipantHandle;

  beforeAll(async () => {
    if (programs === undefined) return;
    authority = await TlsAuthority.made();
    etcd = await TestEtcd.start(programs);
    for (const name of names) {
      const own = authority.write(
        directory,
        name,
        await authority.issue({ names: ['IP:127.0.0.1', `URI:spiffe://x/node/${name}`] }),
      );
      const node = await NodeProcess.started({
        data: join(directory, name),
        node: name,
        options: quickOptions,
        logLevel: 'info',
        etcd: { endpoints: etcd.endpoints, cluster: 'tls', leaseTtlMs: 60_000 },
        more: [
          ...['--tls-cert', own.cert, '--tls-key', own.key, '--tls-client-ca', own.ca],
          ...['--tls-ca', own.ca, '--tls-node-names', 'spiffe://x/node/*'],
        ],
      });
      nodes.push(node);
    }
    files = authority.write(directory, 'p', await authority.issue({ names: ['URI:spiffe://x/p'] }));
    const tls = { ca: { file: files.ca }, cert: { file: files.cert }, key: { file: files.key } };
    // One address alone: the others are learned, and are wss:// too.
    const urls = [nodes[2]?.url ?? ''];
    participant = await serveParticipant({
      name: 'p',
      urls,
      tls,
      dataDirectory: join(directory, 'p'),
      prepare: () => vote.commit(),
      commit: () => undefined,
      rollback: () => undefined,
    });
    await participant.connected();
    client = await connect({ urls, tls, timeoutMs: 20_000 });
  });

  afterAll(async () => {
    await client?.close();
    await participant?.close({ timeoutMs: 10 });
    await Promise.all(nodes.filter(({ running }) => running).map((node) => node.kill()));
    await etcd?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  it('know at once that the leader was killed', async () => {
    const commit = async (): Promise<void> => {
      const branches = [{ participant: 'p' }];
      const done = await client.transact({ branches }, { timeoutMs: 30_000, retry: true });
      expect(done.outcome).toBe('committed');
    };
    await commit();
    const [first, second, third] = nodes as [NodeProcess, NodeProcess, NodeProcess];
    // Who was started first leads; the two others campaign behind it.
    await first.kill();
    await Promise.race([second.child.line(isGone), third.child.line(isGone)]);
    await commit();
    for (const node of nodes) {
      expect(node.alarms()).toEqual([]);
      expect(node.child.lines.filter((line) => line.includes('cannot speak to'))).toEqual([]);
    }
  });

  it('say where another one is not who it should be, once', async () => {
    const [, second] = nodes as [NodeProcess, NodeProcess];
    const own = authority.write(directory, 'n4', await authority.issue());
    const node = await NodeProcess.started({
      data: join(directory, 'n4'),
      node: 'n4',
      logLevel: 'info',
      etcd: { endpoints: etcd.endpoints, cluster: 'tls', leaseTtlMs: 60_000 },
      more: ['--tls-cert', own.cert, '--tls-key', own.key, '--tls-client-ca', own.ca],
    });
    nodes.push(node);
    const told = /cannot speak to another one/;
    expect(await second.child.line(told)).toContain('--tls-node-names');
    await pause(500);
    expect(second.child.lines.filter((line) => told.test(line))).toHaveLength(1);
  });
});
