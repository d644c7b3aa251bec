/**
 * Three members of etcd under three nodes: members and nodes fail, alone and together, and come
 * back.
 */
import { describe, expect, it } from 'vitest';
import type { RecordedCall } from '../support/clients/history.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import type { EtcdMember } from '../support/etcd/etcd-member.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();

/** Aborts that the load asks for itself. */
const planned: ReadonlySet<string> = new Set(['VOTED_ABORT', 'ROLLED_BACK']);

describe.skipIf(programs === undefined)('three members of etcd, three nodes, under load', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;

  clusterOfSuite(programs, { members: 3, secured: true }, (...given) => {
    [cluster, etcd] = given;
  });

  function etcdLeader(): Promise<EtcdMember> {
    return eventually(
      async () => {
        for (const member of etcd.members) if (await member.leads()) return member;
        return null;
      },
      () => 'a leader of etcd',
    );
  }

  it('go on when the leader of etcd is killed', async () => {
    const load = await cluster.load();
    await load.moreOk(10);
    const killed = await etcdLeader();
    await killed.kill();
    await load.moreOk(10);
    await killed.start();
    await load.moreOk(5);
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });

  it('go on when the leader of etcd and the leading node are killed together', async () => {
    const load = await cluster.load();
    await load.moreOk(10);
    const member = await etcdLeader();
    const { node, epoch } = await cluster.leader();
    await Promise.all([member.kill(), cluster.node(node).kill()]);
    await cluster.leader({ after: epoch });
    await load.moreOk(10);
    await Promise.all([member.start(), cluster.start(node)]);
    await load.moreOk(5);
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });

  it('decide nothing without a quorum of etcd, lose nothing, and go on when it is back', async () => {
    const load = await cluster.load({ callTimeoutMs: 30_000 });
    await load.moreOk(10);
    const [first, second] = etcd.members.slice(1) as [EtcdMember, EtcdMember];
    await Promise.all([first.kill(), second.kill()]);
    // Longer than the lease and than the patience with a write: every leadership is given up.
    await pause(1_500);
    const settledOk = load.calls.filter(({ ended }) => ended === 'ok').length;
    await pause(6_000);
    expect(load.calls.filter(({ ended }) => ended === 'ok')).toHaveLength(settledOk);
    first.launch();
    second.launch();
    await Promise.all([first.ready(), second.ready()]);
    await load.moreOk(10);
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });

  it('are restarted one node after the other, and callers see nothing but retryable errors', async () => {
    const load = await cluster.load();
    await load.moreOk(10);
    for (const [name, node] of cluster.nodes) {
      await node.stop();
      await load.moreOk(10);
      await cluster.start(name);
      await load.moreOk(5);
    }
    await load.stop();
    expect(load.calls.filter(isAskingForMore), load.summary()).toEqual([]);
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });
});

/** An end that a caller could not simply answer by trying again. */
function isAskingForMore({ ended, code, retryable }: RecordedCall): boolean {
  return ended !== 'ok' && !(code !== null && planned.has(code)) && !retryable;
}
