import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { LeaderInfo } from '../../src/core/messages.ts';
import { epochOf } from '../../src/core/txid.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import {
  doubtOfFirst,
  doubtsBetween,
  firstInDoubt,
  healAndMeasure,
  printDoubts,
} from '../support/participants/doubts.ts';
import { eventually, pause } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();

describe.skipIf(etcd === undefined)('participants, cut off from the leader alone', () => {
  let cluster: PartitionCluster;
  let client: Client;
  let leader: LeaderInfo;

  beforeAll(async () => {
    if (etcd === undefined) return;
    cluster = await PartitionCluster.started({ etcd, secured: true });
    client = await cluster.client('client');
  });
  beforeEach(async () => {
    leader = await cluster.leader();
    await cluster.connectedToAll();
  });
  afterEach(() => cluster.heal());
  afterAll(() => cluster?.remove());

  async function healed(name: string): Promise<void> {
    await healAndMeasure(cluster, name);
    expect(await cluster.settled()).toEqual([]);
  }

  it.each(['by a reset', 'silently'] as const)(
    'all of them %s: each doubt ends through a follower while the cut stands, and the leader follows the forced abort',
    async (how) => {
      const call = await firstInDoubt(cluster, client, 1_500);
      const cutAtMs = Date.now();
      for (const wire of cluster.wires(cluster.participantNames, [leader.node])) {
        wire.block();
        if (how === 'silently') continue;
        wire.refuse();
        wire.cut();
      }
      const doubt = await doubtOfFirst(cluster, cutAtMs);
      expect(doubt.outcome).toBe('abort');
      printDoubts(`cut off from the leader ${how}, during the cut`, [doubt.doubtMs]);
      const ended = await call.ended;
      expect(ended.txid).toBe(doubt.txid);
      expect(ended.ended).toBe('fail');
      await healed(`cut off from the leader ${how}`);
    },
  );

  it('one that cannot hear the leader: a commit that is decided without it is learnt from a follower while the cut stands', async () => {
    // Decided about when the patience of a ends, which asks the leader in vain, and before it turns
    // to a follower.
    const call = await firstInDoubt(cluster, client, 320);
    const cutAtMs = Date.now();
    cluster.wire('a', leader.node).block('backward');
    const doubt = await doubtOfFirst(cluster, cutAtMs);
    expect(doubt.outcome).toBe('commit');
    const ended = await call.ended;
    expect(ended).toMatchObject({ txid: doubt.txid, ended: 'ok' });
    printDoubts('deaf to the leader, during the cut', [doubt.doubtMs]);
    await healed('deaf to the leader');
  });

  it('one that the leader cannot hear: it is told the commit, and acknowledges when the cut is over', async () => {
    const call = await firstInDoubt(cluster, client, 200);
    const cutAtMs = Date.now();
    cluster.wire('a', leader.node).block('forward');
    const doubt = await doubtOfFirst(cluster, cutAtMs);
    expect(doubt.outcome).toBe('commit');
    expect(await call.ended).toMatchObject({ txid: doubt.txid, ended: 'ok' });
    await healed('mute to the leader');
  });

  it('under load: nothing commits without them, and everything commits again afterwards', async () => {
    const load = await cluster.load(client);
    const fromMs = Date.now();
    for (const wire of cluster.wires(cluster.participantNames, [leader.node])) {
      wire.refuse();
      wire.cut();
    }
    // Under this leader: on a machine that is slow, another may lead meanwhile, which hears them.
    const committed = (): number =>
      load.calls.filter(
        ({ ended, txid }) => ended === 'ok' && txid !== null && epochOf(txid) === leader.epoch,
      ).length;
    // What had its votes is decided by then.
    await pause(1_000);
    const before = committed();
    await pause(1_500);
    const after = committed();
    const during = doubtsBetween(cluster, { fromMs, toMs: Date.now() });
    printDoubts(
      'cut off from the leader under load, during the cut',
      during.map(({ doubtMs }) => doubtMs),
    );
    await cluster.heal();
    await load.moreOk(5);
    await load.stop();
    expect(after).toBe(before);
    await healed('cut off from the leader under load');
  });

  it('from every node: no one decides for them, and each doubt ends when the cut does', async () => {
    const calls = Array.from({ length: 40 }, () =>
      cluster.history.transact(client, { a: {}, b: {}, c: { delayMs: 1_500 } }),
    );
    await eventually(
      () => (cluster.participant('a').state().journalOpen.length === calls.length ? true : null),
      () => 'a to vote on all of them',
    );
    const fromMs = Date.now();
    for (const wire of cluster.wires(cluster.participantNames, cluster.nodeNames)) {
      wire.refuse();
      wire.cut();
    }
    await pause(2_000);
    expect(doubtsBetween(cluster, { fromMs, toMs: Date.now() })).toEqual([]);
    await healed('cut off from every node');
    await Promise.all(calls);
  });

  it('whose connections are half-open, from either end: found by heart-beats, and made anew', async () => {
    const load = await cluster.load(client);
    for (const believer of ['dialler', 'target'] as const) {
      for (const wire of cluster.wires(cluster.participantNames, [leader.node]))
        wire.halfOpen(believer);
      await load.moreOk(5);
      await cluster.connectedToAll();
      await load.moreOk(5);
    }
    await load.stop();
    await healed('half-open connections');
  });
});
