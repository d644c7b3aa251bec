/**
 * The SDKs on a cluster of real nodes over a real etcd: whatever becomes of the leader, the
 * application goes on.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { requestShard } from '../../src/core/request-shard.ts';
import { scoped } from '../../src/core/scope.ts';
import { shardOf } from '../../src/core/txid.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { EtcdCluster, type EtcdClusterSettings } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const both = { a: {}, b: {} };
let etcd: TestEtcd;
let cluster: EtcdCluster;

async function started(settings: Omit<EtcdClusterSettings, 'etcd'> = {}): Promise<EtcdCluster> {
  if (programs === undefined) throw new Error('There is no etcd.');
  etcd = await TestEtcd.start(programs);
  cluster = await EtcdCluster.started({ etcd, participants: ['a', 'b'], ...settings });
  return cluster;
}

afterEach(async () => {
  await cluster.remove();
  await etcd.dispose();
});

describe.skipIf(programs === undefined)('clients of a cluster', () => {
  it('never run a request twice, and see nothing but retryable aborts, while leaders are killed', async () => {
    const { history } = await started();
    const client = await cluster.client({ urls: cluster.urls.slice(0, 1) });
    const idOnly = await cluster.client();
    let over = false;
    const worker = async (number: number): Promise<void> => {
      for (let turn = 0; !over; turn += 1) {
        const requestId = `w${number}-${turn}`;
        const call = await history.transact(number % 2 === 0 ? client : idOnly, both, {
          requestId,
        });
        // The same again from elsewhere: the same transaction, or none.
        if (turn % 5 === 0) await history.transact(idOnly, both, { requestId, tag: call.tag });
      }
    };
    const workers = [0, 1, 2, 3].map(worker);
    const before: string[] = [];
    try {
      for (let round = 0; round < 4; round += 1) {
        await pause(300 + 137 * round);
        const leader = await cluster.led();
        before.push(leader.name);
        await leader.kill();
        await cluster.led(0, leader);
        await leader.start();
      }
      await pause(300);
    } finally {
      // On a client that is closed they would run forever, and hide what went wrong.
      over = true;
    }
    await Promise.all(workers);
    const calls = history.calls;
    expect(calls.filter(({ ended }) => ended === 'ok').length).toBeGreaterThan(20);
    expect(calls.filter(({ ended }) => ended === 'info' || ended === 'refused')).toEqual([]);
    expect(calls.filter(({ ended, retryable }) => ended === 'fail' && !retryable)).toEqual([]);
    expect(new Set(before).size).toBeGreaterThan(1);
    expect(await cluster.settled()).toEqual([]);
  });

  it('leave a leader that is stopped as soon as another one leads, and it cannot do harm when it goes on', async () => {
    const { history } = await started();
    const client = await cluster.client();
    expect(await history.transact(client, both)).toMatchObject({ ended: 'ok' });
    const leader = await cluster.led();
    const sent = [0, 1, 2].map((number) =>
      history.transact(client, { a: { delayMs: 500 }, b: {} }, { requestId: `frozen-${number}` }),
    );
    await pause(100);
    leader.child.signal('SIGSTOP');
    const later = [0, 1, 2].map((number) =>
      // Heart-beats alone would take from 10 to 15 seconds.
      history.transact(client, both, { requestId: `later-${number}`, callTimeoutMs: 9_000 }),
    );
    for (const call of await Promise.all(later)) expect(call).toMatchObject({ ended: 'ok' });
    for (const call of await Promise.all(sent)) expect(['ok', 'fail']).toContain(call.ended);
    expect(await cluster.led()).not.toBe(leader);
    leader.child.signal('SIGCONT');
    for (let number = 0; number < 5; number += 1) await history.transact(client, both);
    expect(await cluster.settled()).toEqual([]);
  });

  it('keep the addresses they were given where the advertised ones lead nowhere', async () => {
    // As from outside a container network: what nodes tell of each other cannot be dialled from
    // here.
    await started({ nodes: ['n1'] });
    await cluster.addNode({ advertise: 'ws://127.0.0.1:2' });
    await cluster.addNode({ advertise: 'ws://127.0.0.1:3' });
    const first = cluster.node('n1');
    for (const name of ['a', 'b']) {
      await cluster.participant(name).stop();
      await cluster.addParticipant(name);
    }
    const client = await cluster.client();
    expect(await cluster.history.transact(client, both)).toMatchObject({ ended: 'ok' });
    await first.kill();
    const next = await cluster.led(0, first);
    const call = await cluster.history.transact(client, both, { requestId: 'after' });
    expect([next.name, call.ended]).toEqual([expect.stringMatching(/n[23]/), 'ok']);
    expect(await cluster.settled()).toEqual([]);
  });
});

describe.skipIf(programs === undefined)('several shards', () => {
  it('share the load, and a request id goes to its own, whoever leads it', async () => {
    const { history } = await started({ shards: 4 });
    const client = await cluster.client();
    await eventually(
      async () => even(await cluster.shares()),
      () => 'the shards to be shared out',
    );
    for (let number = 0; number < 12; number += 1) {
      const requestId = `order-${number}`;
      const call = await history.transact(client, both, { requestId });
      if (call.txid === null) throw new Error(`no txid: ${call.code}`);
      expect([shardOf(call.txid), call.ended]).toEqual([
        requestShard(scoped('client', requestId), 4),
        'ok',
      ]);
    }
    const without = await Promise.all(
      Array.from({ length: 60 }, () => history.transact(client, both)),
    );
    const begun = await Promise.all(
      Array.from({ length: 60 }, () => history.interactive(client, both)),
    );
    for (const calls of [without, begun]) {
      const shards = new Set(calls.map(({ txid }) => (txid === null ? -1 : shardOf(txid))));
      expect(shards.size).toBe(4);
      expect(calls.filter(({ ended }) => ended !== 'ok')).toEqual([]);
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('name the right leader in NOT_LEADER', async () => {
    await started({ shards: 4 });
    for (let shard = 0; shard < 4; shard += 1) {
      const leader = await cluster.led(shard);
      const other = cluster.running.find((node) => node !== leader);
      const requestId = idIn(shard, 4);
      const peer = await RawPeer.greeted(String(other?.url), { name: 'raw', roles: ['client'] });
      const branches = [{ participant: 'a', payload: {} }];
      const reply = await peer.ask({ type: 'transact', id: 1, requestId, branches });
      expect(reply).toMatchObject({
        type: 'error',
        code: 'NOT_LEADER',
        leader: { shard, node: leader.name, url: `ws://${leader.url}` },
      });
      await peer.close();
    }
  });

  it('are taken over when a node leaves and shared out anew when one joins, under load', async () => {
    const { history } = await started({ shards: 4, nodes: ['n1', 'n2'] });
    const client = await cluster.client();
    let over = false;
    const worker = async (number: number): Promise<void> => {
      for (let turn = 0; !over; turn += 1) {
        await history.transact(client, both, { requestId: `s${number}-${turn}` });
        await pause(5);
      }
    };
    const workers = [0, 1, 2].map(worker);
    const shared = (what: string) =>
      eventually(
        async () => even(await cluster.shares()),
        () => `the shards to be shared out ${what}`,
      );
    try {
      await shared('at the start');
      await cluster.addNode();
      await shared('after a join');
      const second = cluster.node('n2');
      await second.stop();
      await shared('after a planned stop');
      await second.start();
      await shared('after its return');
      await second.kill();
      await shared('after a kill');
    } finally {
      over = true;
    }
    await Promise.all(workers);
    const bad = history.calls.filter(
      ({ ended, retryable }) =>
        ended === 'info' || ended === 'refused' || (ended === 'fail' && !retryable),
    );
    expect(bad).toEqual([]);
    expect(await cluster.settled()).toEqual([]);
  });
});

function even(shares: Record<string, number> | null): true | null {
  if (shares === null) return null;
  const counts = Object.values(shares);
  return Math.max(...counts) - Math.min(...counts) < 2 ? true : null;
}

function idIn(shard: number, shards: number): string {
  for (let number = 0; ; number += 1) {
    if (requestShard(scoped('raw', `id-${number}`), shards) === shard) return `id-${number}`;
  }
}
