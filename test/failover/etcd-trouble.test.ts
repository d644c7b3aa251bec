/** One etcd that is full, slow, or not what it was. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Etcd3 } from 'etcd3';
import { afterEach, describe, expect, it } from 'vitest';
import type { EtcdPrograms } from '../../cluster/etcd/find.ts';
import { etcdsToTest, TestEtcd, type TestEtcdOptions } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause, within } from '../support/process/child.ts';

const etcds = await etcdsToTest();
const [programs] = etcds;
const all = { a: {}, b: {}, c: {} };
const quotaBytes = 24 * 1024 * 1024;
const fatalExitCode = 70;
const diskDelayMs = 300;

describe.skipIf(programs === undefined)('an etcd that', () => {
  const opened: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });

  async function started(
    options: TestEtcdOptions = {},
    via: (etcd: TestEtcd) => Promise<string> = async ({ member }) => member.endpoint,
    more: { readonly etcd?: EtcdPrograms; readonly tickMs?: number } = {},
  ): Promise<{ etcd: TestEtcd; cluster: EtcdCluster }> {
    const of = more.etcd ?? programs;
    if (of === undefined) throw new Error('There is no etcd.');
    const etcd = await TestEtcd.start(of, options);
    opened.push({ close: () => etcd.dispose() });
    const endpoint = await via(etcd);
    const cluster = await EtcdCluster.started({
      etcd,
      endpointsOf: () => [endpoint],
      options: { tickMs: more.tickMs ?? 1_000 },
    });
    opened.push({ close: () => cluster.remove() });
    return { etcd, cluster };
  }

  it.each(etcds)(
    'is filled to NOSPACE decides nothing more, and goes on when there is room again: $etcd',
    async (of) => {
      // No tick meanwhile: the decisions find out by themselves.
      const { etcd, cluster } = await started({ quotaBytes }, undefined, {
        etcd: of,
        tickMs: 10 * 60_000,
      });
      const load = await cluster.load({ callTimeoutMs: 40_000 });
      await load.moreOk(10);
      const { node } = await cluster.leader();
      await fill(etcd);
      await eventually(
        () => (etcd.control('alarm', 'list').includes('NOSPACE') ? true : null),
        () => 'the alarm',
      );
      const decided = async (): Promise<number> =>
        (await cluster.changes.read()).filter(
          ({ type, area }) => type === 'put' && area === 'decisions',
        ).length;
      const before = await decided();
      // The fate of a refused write stays unknown, and the leadership is given up. A new one needs
      // a put too.
      await cluster.node(node).child.line(/The leadership is over/);
      await pause(2_000);
      expect(await decided()).toBe(before);
      // Deletions pass in a full etcd. The history goes with the compaction: it is read before.
      etcd.control('del', '--prefix', '/junk/');
      await cluster.changes.read();
      etcd.control('compact', String(cluster.changes.readTo));
      etcd.control('defrag');
      etcd.control('alarm', 'disarm');
      await load.moreOk(10);
      await load.stop();
      expect(await cluster.settled(), load.summary()).toEqual([]);
    },
  );

  it('has a slow disk makes everybody wait, and no more', async () => {
    const proxy: { slow: TcpProxy | null } = { slow: null };
    const { etcd, cluster } = await started({}, async ({ member }) => {
      if (hasStrace()) return member.endpoint;
      // Not the disk, but as slow: nothing comes back earlier.
      proxy.slow = await TcpProxy.started(member.ports.client);
      const { slow } = proxy;
      opened.push({ close: () => slow.close() });
      return `http://${slow.url}`;
    });
    const load = await cluster.load();
    await load.moreOk(10);
    const { epoch } = await cluster.leader();
    let tracer: ChildProcess | null = null;
    if (proxy.slow === null) tracer = await slowDisk(etcd.member.pid);
    else proxy.slow.replyDelayMs = diskDelayMs;
    await load.moreOk(8, 60_000);
    if (tracer === null && proxy.slow !== null) proxy.slow.replyDelayMs = 0;
    await detach(tracer);
    await load.moreOk(10);
    // Slowness is no failure: no one lost the lead over it.
    expect((await cluster.leader()).epoch).toBe(epoch);
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });

  it('is restored from an old snapshot is not believed: every node halts and says why', async () => {
    const { etcd, cluster } = await started();
    const load = await cluster.load({ callTimeoutMs: 5_000 });
    await load.moreOk(5);
    const snapshot = etcd.takeSnapshot('old.db');
    await load.moreOk(10);
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
    const newest = await etcd.restoreSnapshot(snapshot);
    for (const node of cluster.nodes.values()) {
      const exit = await node.died();
      expect(exit, node.output()).toEqual({ code: fatalExitCode, signal: null });
      expect(node.output()).toMatch(/Etcd was set back or replaced/);
    }
    // Nor is it when they are started again, though others, or leases that ran out, let it grow.
    await grow(etcd);
    for (const node of cluster.nodes.values()) {
      expect(await node.start(), node.output()).toBe(false);
      expect((await node.child.exited).code).not.toBe(0);
      expect(node.output()).toMatch(/Etcd was set back or replaced/);
    }
    // The newest data is brought back, and nothing is lost.
    await etcd.bringBack(newest);
    await cluster.startAll();
    const client = await cluster.client();
    expect((await cluster.history.transact(client, all)).ended).toBe('ok');
    const isHalt = (line: string): boolean => /set back|Fatal/.test(line);
    expect((await cluster.settled()).filter((line) => !isHalt(line))).toEqual([]);
  });
});

/** Above all that the nodes have in their files. */
async function grow(etcd: TestEtcd): Promise<void> {
  const client = new Etcd3({ hosts: [...etcd.endpoints] });
  try {
    for (let count = 0; count < 100; count += 1) await client.put('/other').value(count);
  } finally {
    client.close();
  }
}

/** Puts what no one needs until etcd has no more room for anybody. */
async function fill(etcd: TestEtcd): Promise<void> {
  const client = new Etcd3({ hosts: [...etcd.endpoints] });
  const value = Buffer.alloc(512 * 1024, 'x');
  try {
    for (let index = 0; index < 2 * (quotaBytes / value.length); index += 1) {
      await client.kv.put({ key: Buffer.from(`/junk/${index}`), value });
    }
  } catch (error) {
    if (String(error).includes('space exceeded')) return;
    throw error;
  } finally {
    client.close();
  }
  throw new Error('Etcd took more than its quota.');
}

function hasStrace(): boolean {
  return spawnSync('strace', ['-V'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** Every flush of that process takes longer from now on. */
async function slowDisk(pid: number): Promise<ChildProcess> {
  const inject = `inject=fdatasync:delay_enter=${diskDelayMs * 1_000}`;
  const tracer = spawn('strace', ['-f', '-p', String(pid), '-e', 'trace=fdatasync', '-e', inject], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const attached = once(tracer.stderr, 'data');
  await within(attached, 'strace to attach');
  tracer.stderr.resume();
  return tracer;
}

async function detach(tracer: ChildProcess | null): Promise<void> {
  if (tracer === null) return;
  const ended = once(tracer, 'exit');
  tracer.kill('SIGINT');
  await within(ended, 'strace to let go');
}
