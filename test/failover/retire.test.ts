/**
 * An instance that an operator retires, while it has commits to carry out in two shards with
 * leaders on two nodes: every node refuses it and every leader lets go of it, also one that leads
 * later and one that starts just then.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requestShard } from '../../src/core/request-shard.ts';
import { scoped } from '../../src/core/scope.ts';
import type { Txid } from '../../src/core/txid.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import type { NodeProcess } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const shards = 2;

describe.skipIf(programs === undefined)('a retired instance', () => {
  let cluster: EtcdCluster;

  clusterOfSuite(
    programs,
    {
      secured: true,
      identities: { participants: ['p', 'q'] },
      nodes: ['n1', 'n2'],
      participants: [],
      shards,
    },
    async (made) => {
      cluster = made;
      await eventually(
        async () => {
          const shares = await cluster.shares();
          return shares?.['n1'] === 1 && shares['n2'] === 1 ? true : null;
        },
        () => 'each node to lead one shard',
      );
    },
  );

  /** Commits one transaction in each shard, whose participant never comes to carry it out. */
  async function owed(name: string, sharedResource?: string) {
    const participant = await serveParticipant({
      name,
      urls: cluster.urls,
      ...(await cluster.tls(name)),
      dataDirectory: mkdtempSync(join(cluster.directory, 'owed-')),
      ...(sharedResource === undefined ? {} : { sharedResource }),
      prepare: async () => vote.commit(),
      commit: async () => {
        throw new Error('not now');
      },
      rollback: async () => undefined,
    });
    await participant.connected();
    const client = await cluster.client();
    const txids: Txid[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      const requestId = Array.from({ length: 64 }, (_, index) => index)
        .map((serial) => `${name}-${serial}`)
        .find((id) => requestShard(scoped('client', id), shards) === shard);
      if (requestId === undefined) throw new Error('No request id belongs to the shard.');
      const branches = [{ participant: name }];
      const outcome = await client.transact({ requestId, branches, timeoutMs: 20_000 });
      expect(outcome.outcome).toBe('committed');
      txids.push(outcome.txid as Txid);
    }
    const { instance } = participant;
    await participant.close({ timeoutMs: 0 });
    return { instance, txids };
  }

  async function retire(at: NodeProcess, what: object): Promise<void> {
    const operator = await at.asked();
    const reply = await operator.ask({ type: 'retire', id: 1, ...what } as never);
    expect(reply).toEqual({ type: 'retired', id: 1 });
    await operator.close();
  }

  /** What hello is answered with. */
  async function knock(
    node: NodeProcess,
    more: { readonly name: string } & Record<string, unknown>,
  ): Promise<string> {
    const peer = await RawPeer.open(node.url, await cluster.tls(more.name));
    peer.send({ type: 'hello', protocol: 1, roles: ['participant'], ...more } as never);
    const answer = await eventually(
      () => peer.received[0] ?? null,
      () => 'an answer',
    );
    await peer.close();
    return answer.type === 'error' ? answer.code : answer.type;
  }

  const settled = (txids: readonly Txid[]) =>
    eventually(
      async () => {
        const states: string[] = [];
        for (const txid of txids) {
          const leader = await cluster.leader({ shard: Number(txid[0]) });
          const operator = await cluster.node(leader.node).asked();
          const reply = await operator.ask({ type: 'status', id: 1, txid });
          states.push(reply.type === 'status' ? reply.state : reply.type);
          await operator.close();
        }
        return states.every((state) => state === 'COMMITTED') ? true : null;
      },
      () => `${txids.join()} to be done`,
    );

  it('owes nothing in any shard, and no node lets it in', async () => {
    const { instance, txids } = await owed('p');
    const starts = cluster.addNode();
    await retire(cluster.node('n1'), { participant: 'p', instance });
    const two = [cluster.node('n1'), cluster.node('n2')];
    const welcomes = two.map((node) => knock(node, { name: 'p', instance }));
    expect(new Set(await Promise.all(welcomes))).toEqual(new Set(['FORBIDDEN']));
    expect(await knock(cluster.node('n2'), { name: 'p', instance: 'another' })).toBe('welcome');
    await settled(txids);
    expect(await knock(await starts, { name: 'p', instance })).toBe('FORBIDDEN');
  });

  it('leaves what it shared to its siblings, under every leader, until the resource is retired', async () => {
    const { instance, txids } = await owed('q', 'database');
    await retire(cluster.node('n2'), { participant: 'q', instance });
    const leader = await cluster.led(0);
    await leader.kill();
    await Promise.all([cluster.led(0, leader), cluster.led(1, leader)]);
    const client = await cluster.client();
    for (const txid of txids) expect((await client.status(txid)).state).toBe('COMMITTING');
    const sibling = { name: 'q', instance: 'sibling', sharedResource: 'database' };
    const running = () => cluster.running[0] as NodeProcess;
    expect(await knock(running(), sibling)).toBe('welcome');
    await retire(running(), { participant: 'q', sharedResource: 'database' });
    expect(await knock(running(), sibling)).toBe('FORBIDDEN');
    await settled(txids);
  });
});
