/**
 * The leader of a cluster dies by kill -9 at every named point; another node leads on, and
 * everything ends as it must, before the dead one comes back. A point that is never reached fails
 * its test.
 */
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { type CrashPoint, crashPoints } from '../../src/coordinator/crash-points.ts';
import { openEtcdLog } from '../../src/decision-log/etcd/etcd-log.ts';
import type { RecordedCall } from '../support/clients/history.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import { never, realClock, realRandom } from '../support/logs/stores.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import type { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

const [programs] = await etcdsToTest();

/** Passed while a node takes over, before it serves anybody. */
const atTakeover: ReadonlySet<CrashPoint> = new Set([
  'leadership-taken',
  'recovery-read',
  'recovery-resumed',
]);

const all = { a: {}, b: {}, c: {} };
const tickMs = 100;
/** Longer than a failover takes on a busy machine: what is sent again past it is refused. */
const requestWindowMs = 20_000;

describe.skipIf(programs === undefined)('a leader killed at', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  let clients: Client[];
  let serial = 0;

  clusterOfSuite(
    programs,
    { secured: true, requestWindowMs, options: { tickMs, maxFinished: 1 } },
    async (...given) => {
      [cluster, etcd] = given;
      clients = [await cluster.client(), await cluster.client()];
    },
  );

  /**
   * Something of everything: commits with and without request id, an abort, one interactive, one
   * rolled back, reads.
   */
  function load(): Promise<RecordedCall>[] {
    const { history } = cluster;
    serial += 1;
    const [client, other] = clients as [Client, Client];
    return [
      history.transact(client, all),
      history.transact(other, all, { requestId: `request-${serial}` }),
      history.transact(client, { a: {}, b: { vote: 'abort' }, c: {} }),
      history.transact(other, { a: {}, b: { vote: 'readonly' } }),
      history.interactive(client, all),
      history.interactive(other, all, { rollback: true }),
    ];
  }

  /** Loads the cluster until that node is dead; true if it died. */
  async function loadUntilDeath(
    node: NodeProcess,
    calls: Promise<RecordedCall>[],
  ): Promise<boolean> {
    for (let round = 0; round < 20 && node.running; round += 1) {
      const begun = load();
      calls.push(...begun);
      await Promise.race([Promise.all(begun), node.child.exited]);
    }
    // Some points are passed a little after the answers.
    await eventually(
      () => (node.running ? null : true),
      () => `${node.name} to die`,
    ).catch(() => undefined);
    return !node.running;
  }

  /**
   * Makes every finished record old: collection goes by ticks, and a minute of them is the least.
   */
  async function age(): Promise<void> {
    await Promise.all(cluster.running.map((node) => node.stop()));
    const log = await openEtcdLog({
      endpoints: etcd.endpoints,
      cluster: cluster.name,
      node: 'ager',
      url: 'ws://127.0.0.1',
      stateDirectory: `${cluster.directory}/ager`,
      clock: realClock,
      random: realRandom,
    });
    const leadership = await log.campaign(0, { signal: never });
    await leadership.tick(requestWindowMs + 60_000 + 10 * tickMs);
    await log.close();
    await cluster.startAll();
  }

  it.each(crashPoints)('%s', async (point) => {
    if (point === 'after-collect') await age();
    const { node: leading } = await cluster.leader();
    const calls: Promise<RecordedCall>[] = [];
    const dying = cluster.running.filter(
      ({ name }) => atTakeover.has(point) === (name !== leading),
    );
    if (atTakeover.has(point)) {
      // Decisions that wait to be carried out, for the recovery to find.
      cluster.participant('c').child.signal('SIGSTOP');
      const begun = cluster.history.transact(clients[0] as Client, { a: {}, b: {} });
      calls.push(begun, cluster.history.transact(clients[1] as Client, { a: {} }), ...load());
      await begun;
      for (const { name } of dying) cluster.crashAt(name, point);
      await cluster.node(leading).kill();
      // Whoever takes over dies of it, and so does the one after.
      for (const node of dying) expect((await node.died()).signal).toBe('SIGKILL');
      cluster.participant('c').child.signal('SIGCONT');
      await cluster.startAll();
    } else {
      const [leader] = dying as [NodeProcess];
      cluster.crashAt(leader.name, point);
      expect(await loadUntilDeath(leader, calls), `${point} was never reached`).toBe(true);
      expect((await leader.died()).signal).toBe('SIGKILL');
    }
    // With an id: one without, sent to the dead leader before its connection is seen to be gone,
    // may honestly end unknown.
    // And tried again: a new leader that is paused may be taken for dead, which aborts its work.
    const after = await cluster.history.transact(clients[0] as Client, all, {
      requestId: `after ${point}`,
      retry: true,
    });
    expect(after).toMatchObject({ ended: 'ok' });
    const ended = await Promise.all(calls);
    expect(ended.length).toBeGreaterThan(0);
    expect(await cluster.settled()).toEqual([]);
    await cluster.startAll();
  });

  it('leaves a load behind that was what it claims to be', () => {
    const ended = new Set(cluster.history.calls.map((call) => call.ended));
    expect(ended).toContain('ok');
    expect(ended).toContain('fail');
  });
});
