/**
 * What etcd may do to a log: lose replies, die, fill up. That it comes back older:
 * etcd-set-back.test.ts. What outlasts a log: etcd-patience.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochParts, makePosition, positionOf, type Txid } from '../../src/core/txid.ts';
import type { Leadership } from '../../src/ports/decision-log.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import { etcdOfSuite, etcdOfTest } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { fill, makeRoom, quotaBytes } from '../support/etcd/full-etcd.ts';
import { commitOf, decideAll, never, txidAt } from '../support/logs/stores.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';

const etcds = await etcdsToTest();
const waitMs = { timeout: 30_000 };
const written = { type: 'written' };
/** Long enough that no lease ends meanwhile. */
const patient = { leaseTtlMs: 20_000 };

describe.skipIf(etcds.length === 0).each(etcds)('faults of etcd at $etcd', (programs) => {
  async function expectOnePutEach(rig: EtcdRig, txids: readonly Txid[]): Promise<void> {
    const puts = await rig.putsOf(rig.keys.shard(0).decisions);
    for (const txid of txids) {
      const key = rig.keys.shard(0).decision(txid);
      expect(puts.get(key.toString()), txid).toBe(1);
    }
  }

  describe('a lost reply', () => {
    let etcd: TestEtcd;
    let rig: EtcdRig;
    let proxy: TcpProxy;
    let leadership: Leadership;
    const txid = (sequence: number) => txidAt(leadership.epoch, sequence);
    // Declared first, so that the logs are closed before it.
    afterEach(() => proxy.close());
    etcdOfSuite(programs, (...given) => {
      [rig, etcd] = given;
    });
    beforeEach(async () => {
      proxy = await TcpProxy.started(etcd.member.ports.client);
    });

    async function open() {
      const log = await rig.open('alpha', { endpoints: [`http://${proxy.url}`], ...patient });
      leadership = await log.campaign(0, { signal: never });
      return log;
    }

    /**
     * Does it with the replies lost, until `applied` says that etcd has it; then lets replies
     * through.
     */
    async function withoutReplies<T>(
      work: () => Promise<T>,
      applied: () => Promise<unknown>,
      /** In the write: what is read before it is answered. */
      marker?: string,
    ): Promise<T> {
      if (marker === undefined) proxy.loseReplies();
      else proxy.loseRepliesFrom(marker);
      const done = work();
      done.catch(() => undefined);
      await expect.poll(applied, waitMs).toBeTruthy();
      await expect.poll(() => proxy.lostBytes, waitMs).toBeGreaterThan(0);
      proxy.heal();
      proxy.cut();
      return done;
    }

    it('to decisions: they count as written, and each was put once', async () => {
      await open();
      const txids = Array.from({ length: 20 }, (_, index) => txid(index + 1));
      const results = await withoutReplies(
        () => Promise.all(txids.map((id) => leadership.decide(commitOf(id, { requestId: id })))),
        () => rig.look(rig.keys.shard(0).decision(txid(1))),
      );
      expect(results.every(({ type }) => type === 'written')).toBe(true);
      expect(leadership.requestCount()).toBe(20);
      await expectOnePutEach(rig, txids);
    });

    it('to a decision that met a duplicate: its door is shut before the duplicate is told', async () => {
      const log = await open();
      await leadership.decide(commitOf(txid(1), { requestId: 'r' }));
      const handled = await etcd.member.metric('grpc_server_handled_total', 'grpc_method="Txn"');
      const result = await withoutReplies(
        () => leadership.decide(commitOf(txid(2), { requestId: 'r' })),
        async () =>
          (await etcd.member.metric('grpc_server_handled_total', 'grpc_method="Txn"')) > handled,
      );
      expect(result).toMatchObject({ type: 'duplicate', entry: { txid: txid(1) } });
      expect((await log.read(txid(2))).record?.outcome).toBe('abort');
    });

    it('to finish, tick and collect: each happens once', async () => {
      const log = await open();
      const shard = rig.keys.shard(0);
      await decideAll(leadership, [commitOf(txid(1), { requestId: 'r' }), commitOf(txid(2))]);
      await withoutReplies(
        () => leadership.finish([txid(1)]),
        () => rig.look(shard.finishedRecord(txid(1))),
        `finished/${txid(1)}`,
      );
      expect((await log.read(txid(1))).record).toMatchObject({ finished: true });
      const tick = await withoutReplies(
        () => leadership.tick(1),
        () => rig.look(shard.clock),
      );
      expect(tick).toBe(1);
      expect(await leadership.tick(1)).toBe(2);
      const collected = await withoutReplies(
        () =>
          leadership.collect({
            below: makePosition(leadership.epoch, 2),
            retentionMs: 1,
            retentionMsMin: 1,
            maxRecords: 100,
            keepsRequest: () => false,
            limit: 10,
          }),
        async () => (await rig.look(shard.finishedRecord(txid(1)))) === null,
        `finished/${txid(1)}`,
      );
      expect(collected).toEqual({ collected: 1, floor: positionOf(txid(1)), more: false });
      expect(leadership.requestCount()).toBe(0);
    });

    it('to a forced abort', async () => {
      const log = await open();
      const resolved = await withoutReplies(
        () => log.resolve(txid(1)),
        () => rig.look(rig.keys.shard(0).decision(txid(1))),
        'branches',
      );
      expect(resolved.record?.outcome).toBe('abort');
      expect(await leadership.decide(commitOf(txid(1)))).toEqual({ type: 'aborted' });
      await expectOnePutEach(rig, [txid(1)]);
    });

    it('to a binding, and to a rebind: each is its own answer', async () => {
      const claim = { participant: 'p', instance: 'i' };
      const log = await open();
      const bound = await withoutReplies(
        () => log.bind(claim, 'first'),
        () => rig.look(rig.keys.boundOne(claim)),
        // In its value: its key is read first.
        'identity',
      );
      expect(bound).toBe('first');
      expect(await log.bind(claim, 'second')).toBe('first');
      await withoutReplies(
        () => log.rebind(claim, 'third'),
        () => rig.look(rig.keys.reboundOne(claim)),
        'rebound/',
      );
      expect(await log.holderOf(claim)).toBe('third');
      expect(await log.bind(claim, 'first')).toBe('third');
    });

    it('to the takeover itself: the nonce says who leads', async () => {
      const log = await rig.open('alpha', { endpoints: [`http://${proxy.url}`], ...patient });
      const won = await withoutReplies(
        () => log.campaign(0, { signal: never }),
        () => rig.look(rig.keys.shard(0).leader),
      );
      const key = await rig.look(rig.keys.shard(0).leader);
      expect(epochParts(won.epoch).revision).toBe(BigInt(key?.mod_revision ?? 0));
      // Taken once: its first transaction stands.
      expect(key?.version).toBe('1');
      expect(await won.tick(1)).toBe(1);
    });
  });

  it('killed and started again in the midst of decisions, it has each of them once', async (test) => {
    const { etcd, rig } = await etcdOfTest(test, programs);
    const log = await rig.open('alpha', patient);
    const leadership = await log.campaign(0, { signal: never });
    const txids: Txid[] = [];
    let over = false;
    const decideOn = async () => {
      while (!over) {
        const txid = txidAt(leadership.epoch, txids.length + 1);
        txids.push(txid);
        expect(await leadership.decide(commitOf(txid))).toEqual(written);
      }
    };
    const deciding = Promise.all(Array.from({ length: 8 }, decideOn));
    deciding.catch(() => undefined);
    for (let round = 0; round < 3; round += 1) {
      const before = txids.length;
      await expect.poll(() => txids.length, waitMs).toBeGreaterThan(before + 50);
      await etcd.restart();
    }
    over = true;
    await deciding;
    await expectOnePutEach(rig, txids);
  });

  describe('full', () => {
    it('what it refuses is done, once, when there is room again', async (test) => {
      const { rig } = await etcdOfTest(test, programs, { quotaBytes });
      const log = await rig.open('alpha', patient);
      const leadership = await log.campaign(0, { signal: never });
      await fill(rig.raw);
      const tick = leadership.tick(1);
      const txids = Array.from({ length: 30 }, (_, index) => txidAt(leadership.epoch, index + 1));
      const decided = decideAll(
        leadership,
        txids.map((id) => commitOf(id)),
      );
      // The fence, and what only shrinks the store, pass: had the decisions, they would be there
      // too.
      for (let reads = 0; reads < 5; reads += 1) await log.read(txidAt(leadership.epoch, 99));
      for (const id of txids) expect(await rig.look(rig.keys.shard(0).decision(id))).toBeNull();
      expect(await rig.look(rig.keys.shard(0).clock)).toBeNull();
      await makeRoom(rig.raw);
      expect(await decided).toEqual(txids.map(() => ({ type: 'written' })));
      expect(await tick).toBe(1);
      for (const id of txids) {
        expect((await rig.look(rig.keys.shard(0).decision(id)))?.version).toBe('1');
      }
      expect(leadership.lost.aborted).toBe(false);
    });

    it('it still lets records move to finished/: there are no more of them than there were decisions', async (test) => {
      const { rig } = await etcdOfTest(test, programs, { quotaBytes });
      const log = await rig.open('alpha', patient);
      const leadership = await log.campaign(0, { signal: never });
      const txid = txidAt(leadership.epoch, 1);
      expect(await leadership.decide(commitOf(txid))).toEqual(written);
      await fill(rig.raw);
      await leadership.finish([txid]);
      expect(await rig.look(rig.keys.shard(0).finishedRecord(txid))).not.toBeNull();
    });
  });
});
