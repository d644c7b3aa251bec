import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { pause } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();
const all = { a: {}, b: {}, c: {} };

describe.skipIf(etcd === undefined)('clients and followers', () => {
  let cluster: PartitionCluster;
  let client: Client;

  beforeAll(async () => {
    if (etcd === undefined) return;
    cluster = await PartitionCluster.started({ etcd, secured: true });
    client = await cluster.client('client');
  });
  afterEach(async () => {
    await cluster.heal();
    await cluster.connectedToAll();
  });
  afterAll(() => cluster?.remove());

  async function sound(): Promise<void> {
    expect(await cluster.settled()).toEqual([]);
  }

  it.each(['by a reset', 'silently'] as const)(
    'a client cut off from the leader %s, which still leads, waits and goes on',
    async (how) => {
      const leader = await cluster.leader();
      const load = await cluster.load(client);
      const wire = cluster.wire('client', leader.node);
      wire.block();
      if (how === 'by a reset') {
        wire.refuse();
        wire.cut();
      }
      await pause(1_500);
      await cluster.heal();
      await load.moreOk(5);
      await load.stop();
      expect((await cluster.leader()).epoch).toBe(leader.epoch);
      await sound();
    },
  );

  it('a client cut off from the leader follows to the next one while the cut stands', async () => {
    const leader = await cluster.leader();
    const load = await cluster.load(client);
    cluster.wire('client', leader.node).block();
    cluster.wire(leader.node, 'etcd').block();
    await cluster.nextLeader(leader);
    await load.moreOk(5);
    await cluster.heal();
    await load.stop();
    await sound();
  });

  it('a client to whom the advertised addresses lead nowhere uses the given ones, and follows leaders by them', async () => {
    const outside = await cluster.client('outside', { unreachable: true });
    expect((await cluster.history.transact(outside, all)).ended).toBe('ok');
    const leader = await cluster.leader();
    const load = await cluster.load(outside);
    cluster.wire(leader.node, 'etcd').block();
    await cluster.nextLeader(leader);
    await load.moreOk(5);
    await cluster.heal();
    await load.stop();
    await sound();
  });

  it('a follower cut off from everything harms no one, and comes back as one', async () => {
    const leader = await cluster.leader();
    const follower = cluster.nodeNames.find((name) => name !== leader.node) ?? '';
    const load = await cluster.load(client);
    const wires = [
      ...cluster.wires([...cluster.participantNames, 'client', 'nodes'], [follower]),
      cluster.wire(follower, 'etcd'),
    ];
    for (const wire of wires) wire.block();
    // Long enough for its lease to run out, and for every connection to it to be found dead.
    await pause(3_500);
    await load.moreOk(5);
    await cluster.heal();
    await load.moreOk(5);
    await load.stop();
    expect((await cluster.leader()).epoch).toBe(leader.epoch);
    await sound();
  });

  it('a leader whose address refuses while it lives is deposed at once, and nothing is lost', async () => {
    const leader = await cluster.leader();
    const load = await cluster.load(client);
    // What the other nodes take for proof that its process is gone.
    const wire = cluster.wire('nodes', leader.node);
    wire.refuse();
    wire.cut();
    await cluster.nextLeader(leader);
    await load.moreOk(5);
    await cluster.heal();
    await load.stop();
    await sound();
  });
});
