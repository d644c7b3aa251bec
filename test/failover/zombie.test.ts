/**
 * A leader that is stopped past its lease and wakes up when another one leads. What it had sent
 * before, and what it sends when it wakes, must find the door shut: at etcd by the compare (I6), at
 * participants by the epoch (I7). Proxies hold its messages back, so that they arrive when they do
 * the most harm.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { epochOf } from '../../src/core/txid.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const all = { a: {}, b: {}, c: {} };

describe.skipIf(programs === undefined)('a leader that is stopped past its lease', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  /** By node: before etcd, and before the node itself. */
  const toEtcd = new Map<string, TcpProxy>();
  const toNode = new Map<string, TcpProxy>();

  beforeAll(async () => {
    if (programs === undefined) return;
    etcd = await TestEtcd.start(programs);
    for (const name of ['n1', 'n2', 'n3']) {
      toEtcd.set(name, await TcpProxy.started(etcd.member.ports.client));
    }
    cluster = await EtcdCluster.started({
      etcd,
      // The proxies look for what they hold back.
      secured: 'never',
      // No one forces an abort meanwhile: the fence alone has to hold.
      participantSettings: { options: { patienceMs: 20_000 } },
      endpointsOf: (name) => [`http://${toEtcd.get(name)?.url}`],
      advertise: async (node) => {
        const proxy = await TcpProxy.started(node.port);
        toNode.set(node.name, proxy);
        return proxy.url;
      },
    });
  });

  afterAll(async () => {
    await cluster?.remove();
    await Promise.all([...toEtcd.values(), ...toNode.values()].map((proxy) => proxy.close()));
    await etcd?.dispose();
  });

  function proxyOf(proxies: ReadonlyMap<string, TcpProxy>, node: string): TcpProxy {
    const proxy = proxies.get(node);
    if (proxy === undefined) throw new Error(`There is no proxy for ${node}.`);
    return proxy;
  }

  async function untilHeld(proxy: TcpProxy, text: string): Promise<void> {
    await eventually(
      () => (proxy.holds(text) ? true : null),
      () => `${text} to be held back`,
    );
  }

  it('is refused by etcd when its decision arrives after another took over', async () => {
    const { node, epoch } = await cluster.leader();
    const leader = cluster.node(node);
    const proxy = proxyOf(toEtcd, node);
    const requestId = 'held-back';
    const client = await cluster.client();
    let writes = 0;
    proxy.seen = (direction, bytes, connection) => {
      if (direction === 'request' && bytes.includes('/decisions/')) writes = connection;
    };
    expect((await cluster.history.transact(client, all)).ended).toBe('ok');
    // The whole request, its head with the deadline included: etcd counts that from when it comes.
    proxy.rule = (direction, _bytes, connection) =>
      direction === 'request' && connection === writes ? 'hold' : 'pass';
    const call = cluster.history.transact(client, all, { requestId, callTimeoutMs: 25_000 });
    await untilHeld(proxy, requestId);
    leader.child.signal('SIGSTOP');
    const next = await cluster.leader({ after: epoch });
    expect(next.node).not.toBe(node);
    const other = await cluster.client();
    expect((await cluster.history.transact(other, all)).ended).toBe('ok');
    let answered = false;
    proxy.seen = (direction, _bytes, connection) => {
      if (direction === 'reply' && connection === writes) answered = true;
    };
    proxy.release();
    await eventually(
      () => (answered ? true : null),
      () => "etcd's answer to the decision that was held back",
    );
    await pause(200);
    leader.child.signal('SIGCONT');
    await leader.child.line(/The leadership is over/);
    const { ended, txid } = await call;
    // It ran again under the new leader, and only there.
    expect(ended).toBe('ok');
    expect(txid === null ? null : epochOf(txid) > epoch).toBe(true);
    expect(await cluster.settled()).toEqual([]);
  });

  it('is refused by a participant when its prepare arrives after another took over', async () => {
    const { node, epoch } = await cluster.leader();
    const leader = cluster.node(node);
    const proxy = proxyOf(toNode, node);
    const tag = 'late-prepare';
    proxy.rule = (direction, bytes) =>
      direction === 'reply' && bytes.includes('prepare') && bytes.includes(tag) ? 'hold' : 'pass';
    const client = await cluster.client();
    const call = cluster.history.transact(client, all, { tag, callTimeoutMs: 8_000 });
    await untilHeld(proxy, tag);
    const held = () =>
      [...cluster.participants.values()]
        .flatMap((participant) => participant.state().held)
        .filter((each) => each.tag === tag);
    // Stopped any sooner, the leader may not have sent all three.
    await eventually(
      () => (held().length === 2 ? true : null),
      () => 'the two other participants to prepare',
    );
    leader.child.signal('SIGSTOP');
    await cluster.leader({ after: epoch });
    // Every participant has the new epoch on disk with this one's vote.
    const other = await cluster.client();
    expect((await cluster.history.transact(other, all)).ended).toBe('ok');
    let answered = false;
    proxy.seen = (direction) => {
      if (direction === 'request') answered = true;
    };
    proxy.release();
    await eventually(
      () => (answered ? true : null),
      () => 'the answer to the prepare that was held back',
    );
    // Were it taken, the branch would be in the store before the vote leaves.
    await pause(300);
    const entries = held();
    leader.child.signal('SIGCONT');
    // The two that had their prepare in time, and rolled back; the third never began.
    expect(entries.map(({ prepared, applied }) => ({ prepared, applied }))).toEqual([
      { prepared: false, applied: 0 },
      { prepared: false, applied: 0 },
    ]);
    await leader.child.line(/The leadership is over/);
    expect((await call).ended).not.toBe('ok');
    expect(await cluster.settled()).toEqual([]);
  });

  it('changes nothing for anybody under load, however often it happens', async () => {
    const load = await cluster.load();
    for (let round = 0; round < 2; round += 1) {
      await load.moreOk(5);
      const { node, epoch } = await cluster.leader();
      const { child } = cluster.node(node);
      child.signal('SIGSTOP');
      await cluster.leader({ after: epoch });
      child.signal('SIGCONT');
      await load.moreOk(10);
    }
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });
});
