/**
 * Two processes' coordinators on one etcd: one leads, the other reads, takes over, and finishes
 * what the first decided.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TransactionCoordinator } from '../../src/embedded.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { held, ScriptedParticipant } from '../support/library/embedded-participant.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { eventually } from '../support/process/child.ts';

describe.each(await etcdsToTest())('two coordinators on etcd $etcd', (programs) => {
  let etcd: TestEtcd;
  const directory = temporaryDirectory();
  const open: TransactionCoordinator[] = [];

  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
  });

  afterEach(async () => {
    for (const coordinator of open.splice(0)) await coordinator.close();
  });

  afterAll(async () => {
    await etcd.dispose();
    directory.remove();
  });

  function start(cluster: string, node: string, shards = 1): TransactionCoordinator {
    const { endpoints } = etcd;
    const coordinator = new TransactionCoordinator({
      log: {
        kind: 'etcd',
        endpoints,
        cluster,
        node,
        shards,
        directory: join(directory.path, cluster, node),
        leaseTtlMs: 2_000,
      },
      retryDelayMs: 1,
      maxRetryDelayMs: 50,
      drainMs: 200,
    });
    open.push(coordinator);
    return coordinator;
  }

  it('the second finishes what the first decided, and rolls back what it left undecided', async () => {
    const cluster = `test-${randomUUID()}`;
    const first = start(cluster, 'a');
    await first.ready();
    const second = start(cluster, 'b');
    const inventory = new ScriptedParticipant('inventory');
    const payment = new ScriptedParticipant('payment');
    // While the first leads there is nothing for the second to do.
    expect(await second.recover([inventory, payment])).toMatchObject({ unfinished: [] });

    const decided = await first.beginTransaction();
    await first.registerParticipant(decided, new ScriptedParticipant('inventory'));
    const stuck = new ScriptedParticipant('payment', { commit: [false] });
    await first.registerParticipant(decided, stuck);
    expect(await first.commitTransaction(decided)).toBe(true);
    expect(await second.getTransactionStatus(decided)).toMatchObject({ state: 'COMMITTING' });
    expect(await second.commitTransaction(decided)).toBe(true);
    expect(await second.rollbackTransaction(decided)).toBe(false);
    const undecided = await first.beginTransaction();
    await expect(second.getTransactionStatus(undecided)).rejects.toMatchObject({
      code: 'NOT_LEADER',
    });
    payment.doubts = [undecided];

    await first.close();
    await second.ready();
    await second.whenSettled(decided);
    expect(payment.of(decided)).toContain('commit');
    expect(payment.of(decided)).not.toContain('rollback');
    await eventually(
      () => (payment.of(undecided).includes('rollback') ? true : null),
      () => 'What was left undecided is not rolled back.',
    );
    expect(await second.commitTransaction(undecided)).toBe(false);
    const next = await second.beginTransaction();
    await second.registerParticipant(next, payment);
    expect(await second.commitTransaction(next)).toBe(true);
  });

  it('a leadership that is lost amid a transaction leaves no one in doubt', async () => {
    const rig = new EtcdRig(etcd.endpoints);
    const only = start(rig.cluster, 'a');
    const { answer, give } = held();
    const inventory = new ScriptedParticipant('inventory');
    const payment = new ScriptedParticipant('payment', { prepare: [answer] });
    const shipping = new ScriptedParticipant('shipping');
    const txid = await only.beginTransaction();
    for (const one of [inventory, payment]) await only.registerParticipant(txid, one);
    const pending = await only.beginTransaction();
    await only.registerParticipant(pending, shipping);
    const commit = only.commitTransaction(txid);
    await eventually(
      () => (inventory.of(txid).length + payment.of(txid).length === 2 ? true : null),
      () => 'No prepares.',
    );
    try {
      const watcher = await rig.open('watcher');
      await eventually(
        () => watcher.leaders()[0] ?? null,
        () => 'No one leads.',
      );
      const usurper = await rig.usurp(watcher, 0);
      // Nothing was handed to the log: no one can commit it any more.
      expect(await commit).toBe(false);
      give(true);
      for (const [one, of] of [
        [inventory, txid],
        [payment, txid],
        [shipping, pending],
      ] as const) {
        await eventually(
          () => (one.of(of).includes('rollback') ? true : null),
          () => `${one.name} is still in doubt.`,
        );
        expect(one.of(of)).not.toContain('commit');
        expect(one.overlapped).toBe(false);
      }
      await usurper.resign();
    } finally {
      await rig.dispose();
    }
    await only.ready();
    expect(await only.getTransactionResult(txid)).toMatchObject({ outcome: 'aborted' });
    const next = await only.beginTransaction();
    await only.registerParticipant(next, inventory);
    expect(await only.commitTransaction(next)).toBe(true);
  });

  it('both lead where there are two shards', async () => {
    const cluster = `test-${randomUUID()}`;
    const pair = [start(cluster, 'a', 2), start(cluster, 'b', 2)];
    const shards = await eventually(
      async () => {
        const txids = await Promise.all(pair.map((one) => one.beginTransaction().catch(() => '')));
        const led = txids.map((txid) => txid.split('.')[0] ?? '');
        return new Set(led).size === 2 && !led.includes('') ? led : null;
      },
      () => 'One of them leads everything.',
    );
    expect([...shards].sort()).toEqual(['0', '1']);
  });
});
