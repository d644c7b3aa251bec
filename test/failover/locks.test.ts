/**
 * A leader dies while a committed transaction's branch is not yet applied. Whoever leads next must
 * hold its locks before it grants any: or another transaction would read at that participant what
 * the commit has not changed yet.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { LocksReply } from '../../src/core/messages.ts';
import { requestShard } from '../../src/core/request-shard.ts';
import { scoped } from '../../src/core/scope.ts';
import { shardOf } from '../../src/core/txid.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { clusterOfSuite } from '../support/nodes/cluster-of-suite.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { pause } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const shards = 2;
const lockGroup = 'accounts';
const shard = requestShard(scoped('client', lockGroup), shards);
/** Longer than any test may take. */
const never = 120_000;

describe.skipIf(programs === undefined)('the locks of a shard', () => {
  let cluster: EtcdCluster;
  let client: Client;

  clusterOfSuite(programs, { secured: true, shards, participants: ['a', 'b'] }, async (made) => {
    cluster = made;
    client = await cluster.client();
  });

  const call = (participant: string) => ({ participant, payload: { tag: randomUUID() } });

  /**
   * As the shard's leader tells it; it may be another one by now, for nodes share the shards anew
   * when one comes back.
   */
  async function waitedFor(key: string): Promise<LocksReply['locks'][number]> {
    for (;;) {
      const operator = await cluster.node((await cluster.leader({ shard })).node).asked();
      const reply = await operator.ask({ type: 'locks', id: 1, group: lockGroup });
      await operator.close();
      const found = (reply as LocksReply).locks.find((lock) => lock.key === key);
      if (found !== undefined && found.waiting > 0) return found;
      await pause(10);
    }
  }

  /** No shard is about to move to a node with fewer: that, too, ends what is undecided. */
  async function balanced(): Promise<void> {
    for (;;) {
      const shares = Object.values((await cluster.shares()) ?? {});
      if (shares.length === 3 && Math.max(...shares) <= 1) return;
      await pause(50);
    }
  }

  /** Takes the locks in a transaction of its own, again under each new leader. */
  async function locked(keys: readonly string[], work: () => void): Promise<void> {
    const result = await client.run(
      async (tx) => {
        expect(shardOf(tx.txid)).toBe(shard);
        await tx.lock(keys, { waitMs: never });
        work();
      },
      { transaction: { lockGroup, timeoutMs: never }, timeoutMs: never, maxAttempts: 100 },
    );
    expect(result.outcome).toBe('committed');
  }

  it('are held by the next leader as long as a branch of the committed one is not done', async () => {
    for (const mode of ['exclusive', 'shared'] as const) {
      await balanced();
      const b = cluster.participants.get('b');
      if (b === undefined) throw new Error('There is no participant b.');
      await b.kill();
      await b.start({ crashAt: 'before-commit-applied' });
      await b.connected();
      const outcome = await client.transact({
        lockGroup,
        locks: [{ keys: ['x'], mode }, { keys: [`only-${mode}`] }],
        branches: [call('a'), call('b')],
        timeoutMs: never,
      });
      expect(outcome.outcome).toBe('committed');
      await b.died();
      const { node, epoch } = await cluster.leader({ shard });
      const undecided = await client.begin({ lockGroup, timeoutMs: never });
      await undecided.lock('y');
      await cluster.node(node).kill();
      await cluster.leader({ shard, after: epoch });
      // What was undecided under the dead leader holds nothing any more.
      await locked(['y'], () => undefined);
      await expect(undecided.lock('z')).rejects.toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
      expect(await undecided.commit()).toMatchObject({
        outcome: 'aborted',
        reason: { code: 'LEADER_CHANGED' },
      });
      let granted = false;
      const waits = locked(['x'], () => {
        granted = true;
      });
      expect(await waitedFor('x')).toMatchObject({
        holders: [{ txid: outcome.txid, mode }],
        waiters: [{ mode: 'exclusive' }],
      });
      expect(granted).toBe(false);
      await b.start();
      await waits;
      expect(granted).toBe(true);
      await cluster.startAll();
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('are those of groups that belong to it', async () => {
    const groups = Array.from({ length: 8 }, (_, index) => `group-${index}`);
    const all = await Promise.all(groups.map((group) => client.begin({ lockGroup: group })));
    expect(all.map(({ txid }) => shardOf(txid))).toEqual(
      groups.map((group) => requestShard(scoped('client', group), shards)),
    );
    // The same key of different groups is not the same lock.
    await Promise.all(all.map((tx) => tx.lock('k', { waitMs: 0 })));
    await Promise.all(all.map((tx) => tx.rollback()));
    const defaultShard = requestShard(scoped('client', 'default'), shards);
    for (let round = 0; round < 12; round += 1) {
      const tx = await client.begin();
      const locked = tx.lock('k', { waitMs: never });
      if (shardOf(tx.txid) === defaultShard) await locked;
      else await expect(locked).rejects.toMatchObject({ code: 'WRONG_STATE' });
      await tx.rollback();
    }
  });
});
