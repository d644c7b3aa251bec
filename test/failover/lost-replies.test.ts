/**
 * Etcd applies a write, and its reply never arrives: a proxy lets the request pass, swallows what
 * comes back, and cuts a little later. The node may say neither "committed" nor "aborted" before it
 * knows, and nothing may happen twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const all = { a: {}, b: {}, c: {} };
const names = ['n1', 'n2', 'n3'];

/** Every write of a leader has its key's value beside it, as its fence. */
const isDecision = (bytes: Buffer): boolean =>
  bytes.includes('/decisions/') && bytes.includes('instance');
const isMove = (bytes: Buffer): boolean =>
  bytes.includes('/finished/') && bytes.includes('tick') && !isDecision(bytes);
const isTick = (bytes: Buffer): boolean => bytes.includes('/clock') && bytes.includes('nonce');
const isTakeover = (bytes: Buffer): boolean =>
  bytes.includes('/meta') && bytes.includes('/floor') && bytes.includes('nonce');

describe.skipIf(programs === undefined)('the lost reply to', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  let client: Client;
  const proxies = new Map<string, TcpProxy>();

  beforeAll(async () => {
    if (programs === undefined) return;
    etcd = await TestEtcd.start(programs);
    for (const name of names) {
      proxies.set(name, await TcpProxy.started(etcd.member.ports.client));
    }
    cluster = await EtcdCluster.started({
      etcd,
      secured: true,
      options: { tickMs: 500 },
      endpointsOf: (name) => [`http://${proxies.get(name)?.url}`],
    });
    client = await cluster.client();
  });

  afterAll(async () => {
    await cluster?.remove();
    await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    await etcd?.dispose();
  });

  /**
   * Loses the reply to the first request that matches, at whichever of the nodes sends it; resolves
   * when one did.
   */
  function lose(
    nodes: readonly string[],
    matches: (bytes: Buffer) => boolean,
  ): { readonly happened: Promise<unknown> } {
    let lost = 0;
    for (const node of nodes) {
      const proxy = proxies.get(node) as TcpProxy;
      proxy.rule = (direction, bytes) => {
        if (direction !== 'request' || !matches(bytes)) return 'pass';
        lost += 1;
        setTimeout(() => proxy.cutDeaf(), 300);
        return 'lose-replies';
      };
    }
    return {
      happened: eventually(
        () => (lost > 0 ? true : null),
        () => 'a request whose reply is to be lost',
      ),
    };
  }

  it.each([
    ['a decision', isDecision],
    ['a move to finished/', isMove],
    ['a tick', isTick],
  ])('%s changes no outcome and stops no one', async (_what, matches) => {
    for (let round = 0; round < 3; round += 1) {
      const { node, epoch } = await cluster.leader();
      const { happened } = lose([node], matches);
      const requestId = `lost-${matches.name}-${round}`;
      const calls = [
        cluster.history.transact(client, all, { requestId }),
        cluster.history.transact(client, all),
        cluster.history.interactive(client, all),
      ];
      await happened;
      const ended = await Promise.all(calls);
      expect(ended.map((call) => call.ended)).toEqual(['ok', 'ok', 'ok']);
      // The same leader, under the same epoch: what is not known is read, and no reason to give up.
      expect((await cluster.leader()).epoch).toBe(epoch);
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('a takeover leaves the shard with a leader', async () => {
    const { node, epoch } = await cluster.leader();
    const { happened } = lose(
      names.filter((name) => name !== node),
      isTakeover,
    );
    await cluster.node(node).kill();
    await happened;
    await cluster.leader({ after: epoch });
    expect((await cluster.history.transact(client, all)).ended).toBe('ok');
    await cluster.startAll();
    for (const proxy of proxies.values()) proxy.rule = null;
    expect(await cluster.settled()).toEqual([]);
  });

  it('everything, again and again, under load', async () => {
    const load = await cluster.load();
    const { node } = await cluster.leader();
    const proxy = proxies.get(node) as TcpProxy;
    for (let round = 0; round < 6; round += 1) {
      proxy.rule = (direction) => (direction === 'request' ? 'lose-replies' : 'pass');
      await pause(250);
      proxy.cutDeaf();
      await load.moreOk(5);
    }
    proxy.rule = null;
    proxy.cutDeaf();
    await load.stop();
    expect(await cluster.settled(), load.summary()).toEqual([]);
  });
});
