import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { healAndMeasure, printDoubts } from '../support/participants/doubts.ts';
import type { DoubtOver } from '../support/participants/participant-process.ts';
import { eventually, pause } from '../support/process/child.ts';

const [etcd] = await etcdsToTest();

describe.skipIf(etcd === undefined)(
  'participants, cut off from every node but not from etcd',
  () => {
    let cluster: PartitionCluster;
    let client: Client;

    beforeAll(async () => {
      if (etcd === undefined) return;
      cluster = await PartitionCluster.started({
        etcd,
        secured: true,
        participantSettings: (name, place) => ({
          // Of the others no one may write: they wait for a record, or for the leadership to end.
          decisionLog: { etcd: { ...place, resolve: name === 'c' } },
        }),
      });
      client = await cluster.client('client');
    });
    afterEach(async () => {
      await cluster.heal();
      await cluster.connectedToAll();
    });
    afterAll(() => cluster?.remove());

    function cutOff(...participants: readonly string[]): void {
      for (const wire of cluster.wires(participants, cluster.nodeNames)) {
        wire.refuse();
        wire.cut();
      }
    }

    async function inDoubt(name: string): Promise<void> {
      await eventually(
        () => (cluster.participant(name).state().journalOpen.length > 0 ? true : null),
        () => `${name} to vote`,
      );
      await pause(30);
    }

    async function doubtOf(name: string, sinceMs: number): Promise<DoubtOver> {
      return eventually(
        () =>
          cluster
            .participant(name)
            .doubts()
            .find(({ endedAtMs }) => endedAtMs >= sinceMs) ?? null,
        () =>
          `the doubt of ${name} to end:\n${cluster.participant(name).child.lines.slice(-8).join('\n')}`,
      );
    }

    async function healed(name: string): Promise<void> {
      await healAndMeasure(cluster, name);
      expect(await cluster.settled()).toEqual([]);
    }

    it('a commit is read from etcd while the cut stands', async () => {
      const call = cluster.history.transact(client, { a: {}, b: { delayMs: 600 } });
      await inDoubt('a');
      const sinceMs = Date.now();
      cutOff('a');
      const doubt = await doubtOf('a', sinceMs);
      expect(doubt.outcome).toBe('commit');
      expect(await call).toMatchObject({ txid: doubt.txid, ended: 'ok' });
      printDoubts('cut off from all nodes, commit read from etcd', [doubt.doubtMs]);
      await healed('cut off from all nodes, commit');
    });

    it('one that may force ends the doubt by an abort, and the leader follows', async () => {
      const call = cluster.history.transact(client, { c: {}, b: { delayMs: 2_500 } });
      await inDoubt('c');
      const sinceMs = Date.now();
      cutOff('c');
      const doubt = await doubtOf('c', sinceMs);
      expect(doubt.outcome).toBe('abort');
      expect(await call).toMatchObject({ txid: doubt.txid, ended: 'fail' });
      printDoubts('cut off from all nodes, abort forced in etcd', [doubt.doubtMs]);
      await healed('cut off from all nodes, forced');
    });

    it('one that may only read presumes the abort once the leadership is over', async () => {
      const call = cluster.history.transact(client, { a: {}, b: { delayMs: 3_900 } });
      await inDoubt('a');
      const sinceMs = Date.now();
      const leader = await cluster.leader();
      cutOff('a', 'b', 'c');
      cluster.wire(leader.node, 'etcd').block();
      const doubt = await doubtOf('a', sinceMs);
      expect(doubt.outcome).toBe('abort');
      await cluster.nextLeader(leader);
      printDoubts('cut off from all nodes, abort presumed', [doubt.doubtMs]);
      await healed('cut off from all nodes, presumed');
      expect((await call).ended).not.toBe('ok');
    });
  },
);
