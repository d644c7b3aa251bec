/** Decisions with no coordinator alive: participants and the operator read etcd themselves. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CrashPoint } from '../../src/coordinator/crash-points.ts';
import type { Txid } from '../../src/core/txid.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster, type EtcdClusterSettings } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const [programs] = await etcdsToTest();
const both = { a: {}, b: {} };
let etcd: TestEtcd;
let cluster: EtcdCluster;

interface Settings extends Pick<EtcdClusterSettings, 'participants' | 'leaseTtlMs'> {
  /** Whether participants may read the decision log themselves, and force an abort in it. */
  readonly direct?: { readonly resolve: boolean };
}

async function started({ direct, ...settings }: Settings): Promise<EtcdCluster> {
  if (programs === undefined) throw new Error('There is no etcd.');
  etcd = await TestEtcd.start(programs);
  const { endpoints } = etcd;
  cluster = await EtcdCluster.started({
    etcd,
    nodes: ['n1'],
    participants: ['a', 'b'],
    participantSettings: async (_, { name }) =>
      direct === undefined
        ? {}
        : { decisionLog: { etcd: { endpoints, cluster: name, ...direct } } },
    ...settings,
  });
  return cluster;
}

afterEach(async () => {
  await cluster.remove();
  await etcd.dispose();
});

function decision(txid: Txid, ...more: readonly string[]): ReturnType<typeof runCli> {
  const { endpoints, cluster: name } = cluster.place;
  const place = ['--etcd', endpoints.join(','), '--cluster', name];
  return runCli(['decision', txid, ...place, '--json', ...more]);
}

/**
 * What each participant made of the one transaction: how often it applied it; null while it is in
 * doubt.
 */
function outcomes(): readonly (number | null)[] {
  return [...cluster.participants.values()].map((participant) => {
    const [held] = participant.state().held;
    return held === undefined || held.prepared ? null : held.applied;
  });
}

/** Runs one transaction into the death of the only node, and returns its txid. */
async function dieAt(point: CrashPoint): Promise<Txid> {
  const node = cluster.node('n1');
  const client = await cluster.client();
  cluster.crashAt(node.name, point);
  const call = cluster.history.transact(client, both, { requestId: 'one', callTimeoutMs: 2_000 });
  await node.died();
  expect((await call).ended).toBe('info');
  const held = await eventually(
    () => cluster.participant('a').state().held[0] ?? null,
    () => 'a to have prepared',
  );
  return held.txid;
}

/** A transaction of which `a` is prepared and `b` is not yet. */
async function halfPrepared() {
  const node = cluster.node('n1');
  const client = await cluster.client();
  // Longer than it stands still: a leader that gave it up by itself finds what was forced only when
  // it looks through decisions/.
  const patient = { timeoutMs: 60_000, callTimeoutMs: 60_000 };
  const slow = cluster.history.transact(
    client,
    { a: {}, b: { delayMs: 1_000 } },
    { requestId: 'slow', ...patient },
  );
  const { txid } = await eventually(
    () => cluster.participant('a').state().held[0] ?? null,
    () => 'a to have prepared',
  );
  return { node, slow, txid };
}

describe.skipIf(programs === undefined)('with every coordinator dead', () => {
  it('a recorded commit is found in etcd and carried out', async () => {
    await started({ direct: { resolve: false } });
    const txid = await dieAt('decision-durable');
    await eventually(
      () => (outcomes().every((applied) => applied === 1) ? true : null),
      () => `both to commit: ${outcomes()}`,
    );
    const { exitCode, out } = await decision(txid);
    expect([exitCode, JSON.parse(out)]).toEqual([
      0,
      expect.objectContaining({ txid, decision: 'commit', source: 'recorded' }),
    ]);
  });

  it('what was not decided is aborted when the lease has run out, and not before', async () => {
    await started({ direct: { resolve: false }, leaseTtlMs: 5_000 });
    const txid = await dieAt('before-decision');
    const early = await decision(txid);
    // Read first, for the lease may run out between: what was in doubt then was undecided before.
    if (outcomes().includes(null)) {
      expect([early.exitCode, JSON.parse(early.out).decision]).toEqual([4, 'undecided']);
    }
    await eventually(
      () => (outcomes().every((applied) => applied === 0) ? true : null),
      () => `both to roll back: ${outcomes()}`,
    );
    const { exitCode, out } = await decision(txid);
    expect([exitCode, JSON.parse(out)]).toEqual([
      0,
      { txid, decision: 'abort', source: 'presumed', leader: null, issued: true },
    ]);
  });

  it('and without access to etcd, the doubt stays until a node is back', async () => {
    await started({});
    await dieAt('decision-durable');
    await pause(1_500);
    expect(outcomes()).toEqual([null, null]);
    await cluster.startAll();
    expect(await cluster.settled()).toEqual([]);
    expect(outcomes()).toEqual([1, 1]);
  });
});

describe.skipIf(programs === undefined)('while a leader that stands still has its lease', () => {
  it('a participant that may force ends its doubt, and the leader obeys when it goes on', async () => {
    await started({ direct: { resolve: true }, leaseTtlMs: 30_000 });
    const { node, slow, txid } = await halfPrepared();
    node.child.signal('SIGSTOP');
    await eventually(
      () => (outcomes()[0] === 0 ? true : null),
      () => `a to roll back: ${outcomes()}`,
    );
    expect(JSON.parse((await decision(txid)).out)).toMatchObject({
      decision: 'abort',
      source: 'recorded',
    });
    node.child.signal('SIGCONT');
    expect(await slow).toMatchObject({ ended: 'fail' });
    expect(await cluster.settled()).toEqual([]);
  });

  it('the operator may force it: asked for a yes first, told what stands afterwards', async () => {
    await started({ leaseTtlMs: 30_000 });
    const { node, slow, txid } = await halfPrepared();
    node.child.signal('SIGSTOP');
    expect(await decision(txid)).toMatchObject({ exitCode: 4 });
    const unasked = await decision(txid, '--resolve');
    expect([unasked.exitCode, unasked.errors]).toEqual([2, expect.stringContaining('--yes')]);
    const forced = await decision(txid, '--resolve', '--yes');
    expect([forced.exitCode, JSON.parse(forced.out)]).toEqual([
      0,
      expect.objectContaining({ decision: 'abort', source: 'forced' }),
    ]);
    node.child.signal('SIGCONT');
    expect(await slow).toMatchObject({ ended: 'fail' });
    expect(await cluster.settled()).toEqual([]);
  });

  it('a forced abort that etcd does not answer may stand: so it says, and what to do', async () => {
    await started({ leaseTtlMs: 30_000 });
    const { node, slow, txid } = await halfPrepared();
    node.child.signal('SIGSTOP');
    const proxy = await TcpProxy.started(etcd.member.ports.client);
    try {
      // In what it writes alone.
      proxy.loseRepliesFrom('branches');
      const args = ['--etcd', `http://${proxy.url}`, '--cluster', cluster.place.cluster];
      const forced = await runCli(['decision', txid, ...args, '--resolve', '--yes']);
      expect(forced.exitCode).toBe(4);
      expect(forced.errors).toMatch(/may be recorded.*run this again/i);
    } finally {
      await proxy.close();
    }
    expect(JSON.parse((await decision(txid)).out)).toMatchObject({
      decision: 'abort',
      source: 'recorded',
    });
    node.child.signal('SIGCONT');
    expect(await slow).toMatchObject({ ended: 'fail' });
  });

  it('what is no txid of the cluster, and an etcd that is not there, are told apart', async () => {
    await started({ participants: [] });
    const foreign = '9.0000000000000000z.000000001.aaaaaaaaaaaaa' as Txid;
    expect((await decision(foreign)).exitCode).toBe(4);
    await etcd.member.kill();
    expect((await decision(foreign)).exitCode).toBe(5);
  });
});
