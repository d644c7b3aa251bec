/** What etcd may do to a log: lose replies, die, fill up, come back older. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochParts, makePosition, positionOf, type Txid } from '../../src/core/txid.ts';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { patienceMs } from '../../src/decision-log/etcd/store.ts';
import {
  DecisionLogError,
  type Leadership,
  LeadershipLostError,
} from '../../src/ports/decision-log.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd.ts';
import { EtcdRig } from '../support/etcd-rig.ts';
import { commitOf, never, txidAt } from '../support/stores.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const etcds = await etcdsToTest();
const waitMs = { timeout: 30_000 };
const written = [{ kind: 'written' }];
/** Long enough that no lease ends meanwhile. */
const patient = { leaseTtlMs: 20_000 };

describe.skipIf(etcds.length === 0).each(etcds)('faults of etcd at $etcd', (programs) => {
  let etcd: TestEtcd;
  let rig: EtcdRig;
  afterEach(async () => {
    await rig.dispose();
    await etcd.dispose();
  });

  async function expectOnePutEach(txids: readonly Txid[]): Promise<void> {
    const puts = await rig.putsOf(rig.keys.shard(0).decisions);
    for (const txid of txids) {
      const key = rig.keys.shard(0).decision(txid);
      expect(puts.get(key.toString()), txid).toBe(1);
    }
  }

  describe('a lost reply', () => {
    let proxy: TcpProxy;
    let leadership: Leadership;
    const txid = (sequence: number) => txidAt(leadership.epoch, sequence);
    beforeEach(async () => {
      etcd = await TestEtcd.start(programs);
      rig = new EtcdRig(etcd.endpoints);
      proxy = await TcpProxy.started(etcd.member.ports.client);
    });
    afterEach(() => proxy.close());

    async function open() {
      const log = await rig.open('alpha', { endpoints: [`http://${proxy.url}`], ...patient });
      leadership = await log.campaign(0, { signal: never });
      return log;
    }

    /** Does it with the replies lost, until `applied` says that etcd has it; then lets replies through. */
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
        () => Promise.all(txids.map((id) => leadership.decide([commitOf(id, { requestId: id })]))),
        () => rig.look(rig.keys.shard(0).decision(txid(1))),
      );
      expect(results.flat().every(({ kind }) => kind === 'written')).toBe(true);
      expect(leadership.requestCount()).toBe(20);
      await expectOnePutEach(txids);
    });

    it('to a decision that met a duplicate: its door is shut before the duplicate is told', async () => {
      const log = await open();
      await leadership.decide([commitOf(txid(1), { requestId: 'r' })]);
      const handled = await etcd.member.metric('grpc_server_handled_total', 'grpc_method="Txn"');
      const result = await withoutReplies(
        () => leadership.decide([commitOf(txid(2), { requestId: 'r' })]),
        async () =>
          (await etcd.member.metric('grpc_server_handled_total', 'grpc_method="Txn"')) > handled,
      );
      expect(result).toMatchObject([{ kind: 'duplicate', entry: { txid: txid(1) } }]);
      expect((await log.read(txid(2))).record?.outcome).toBe('abort');
    });

    it('to finish, tick and collect: each happens once', async () => {
      const log = await open();
      const shard = rig.keys.shard(0);
      await leadership.decide([commitOf(txid(1), { requestId: 'r' }), commitOf(txid(2))]);
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
            recordsMax: 100,
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
      expect(await leadership.decide([commitOf(txid(1))])).toEqual([{ kind: 'aborted' }]);
      await expectOnePutEach([txid(1)]);
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

    it('to what is read right after the takeover, for longer than the patience: it is taken again', async () => {
      const log = await rig.open('alpha', { endpoints: [`http://${proxy.url}`], ...patient });
      proxy.loseRepliesFrom('shards/0/clock');
      const campaign = log.campaign(0, { signal: never });
      campaign.catch(() => undefined);
      const { leader } = rig.keys.shard(0);
      await expect.poll(() => rig.look(leader), waitMs).not.toBeNull();
      await sleep(patienceMs + 1_000);
      proxy.heal();
      proxy.cut();
      const won = await campaign;
      expect(await won.tick(1)).toBe(1);
      expect(log.leaders()[0]).toMatchObject({ node: 'alpha', epoch: won.epoch });
    });

    it('for longer than the patience ends the leadership, says nothing, and leaves what landed', async () => {
      const log = await open();
      proxy.loseReplies();
      await expect(leadership.decide([commitOf(txid(1))])).rejects.toThrow(LeadershipLostError);
      expect(leadership.lost.aborted).toBe(true);
      proxy.heal();
      proxy.cut();
      const next = await log.campaign(0, { signal: never });
      expect(next.epoch > leadership.epoch).toBe(true);
      expect((await log.read(txid(1))).record?.outcome).toBe('commit');
      await expectOnePutEach([txid(1)]);
    });
  });

  it('killed and started again in the midst of decisions, it has each of them once', async () => {
    etcd = await TestEtcd.start(programs);
    rig = new EtcdRig(etcd.endpoints);
    const log = await rig.open('alpha', patient);
    const leadership = await log.campaign(0, { signal: never });
    const txids: Txid[] = [];
    let over = false;
    const decideOn = async () => {
      while (!over) {
        const txid = txidAt(leadership.epoch, txids.length + 1);
        txids.push(txid);
        expect(await leadership.decide([commitOf(txid)])).toEqual(written);
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
    await expectOnePutEach(txids);
  });

  it('silent, it need not tell a leader to stop: the lease has ended by its own clock', async () => {
    etcd = await TestEtcd.start(programs);
    rig = new EtcdRig(etcd.endpoints);
    const log = await rig.open('alpha', { leaseTtlMs: 2_000 });
    const leadership = await log.campaign(0, { signal: never });
    expect(leadership.isCertain()).toBe(true);
    etcd.member.pause();
    await expect.poll(() => leadership.lost.aborted, waitMs).toBe(true);
    expect(leadership.isCertain()).toBe(false);
    etcd.member.resume();
    const next = await log.campaign(0, { signal: never });
    expect(next.epoch > leadership.epoch).toBe(true);
    expect(next.isCertain()).toBe(true);
    expect(await next.tick(1)).toBe(1);
  });

  it('of three members loses its leader, and decisions go on at the others', async () => {
    etcd = await TestEtcd.start(programs, { members: 3 });
    rig = new EtcdRig(etcd.endpoints);
    const log = await rig.open('alpha', patient);
    const leadership = await log.campaign(0, { signal: never });
    let sequence = 0;
    const decide = async () => {
      sequence += 1;
      expect(await leadership.decide([commitOf(txidAt(leadership.epoch, sequence))])).toEqual(
        written,
      );
    };
    for (let count = 0; count < 20; count += 1) await decide();
    for (const member of etcd.members) {
      if ((await member.metric('etcd_server_is_leader')) !== 1) continue;
      await member.kill();
      for (let count = 0; count < 20; count += 1) await decide();
      await member.start();
      break;
    }
    for (let count = 0; count < 20; count += 1) await decide();
    expect(leadership.isCertain()).toBe(true);
    await expectOnePutEach(
      Array.from({ length: sequence }, (_, index) => txidAt(leadership.epoch, index + 1)),
    );
  });

  it('of three members stands with one: nothing is decided, and with two again all goes on', async () => {
    etcd = await TestEtcd.start(programs, { members: 3 });
    rig = new EtcdRig(etcd.endpoints);
    const log = await rig.open('alpha');
    const leadership = await log.campaign(0, { signal: never });
    const [first, second] = etcd.members;
    await first?.kill();
    await second?.kill();
    const cut = txidAt(leadership.epoch, 1);
    await expect(leadership.decide([commitOf(cut)])).rejects.toThrow(LeadershipLostError);
    expect(leadership.isCertain()).toBe(false);
    await expect(log.read(cut)).rejects.toThrow(DecisionLogError);
    first?.launch();
    second?.launch();
    await first?.ready();
    await second?.ready();
    const next = await log.campaign(0, { signal: never });
    expect(await next.decide([commitOf(txidAt(next.epoch, 1))])).toEqual(written);
  });

  describe('full', () => {
    const filler = Buffer.from('/filler');
    beforeEach(async () => {
      etcd = await TestEtcd.start(programs, { quotaBytes: 16 * 1024 * 1024 });
      rig = new EtcdRig(etcd.endpoints);
    });

    async function fill(): Promise<void> {
      const value = Buffer.alloc(1024 * 1024);
      for (let index = 0; ; index += 1) {
        try {
          await rig.raw.kv.put({ key: Buffer.from(`${filler}${index}`), value });
        } catch (error) {
          expect(String(error)).toContain('database space exceeded');
          break;
        }
      }
      // Small writes pass until the alarm, which is a write of etcd's own, has been applied.
      const alarms = async () => (await rig.raw.maintenance.alarm({ action: 'Get' })).alarms.length;
      await expect.poll(alarms, waitMs).toBe(1);
    }

    async function makeRoom(): Promise<void> {
      const { header } = await rig.raw.kv.deleteRange({
        key: filler,
        range_end: Buffer.from('/fillerz'),
      });
      await rig.raw.kv.compact({ revision: header.revision, physical: true });
      await rig.raw.maintenance.defragment();
      const { alarms } = await rig.raw.maintenance.alarm({ action: 'Get' });
      for (const { memberID } of alarms) {
        await rig.raw.maintenance.alarm({ action: 'Deactivate', alarm: 'Nospace', memberID });
      }
    }

    it('what it refuses is done, once, when there is room again', async () => {
      const log = await rig.open('alpha', patient);
      const leadership = await log.campaign(0, { signal: never });
      await fill();
      const tick = leadership.tick(1);
      const txids = Array.from({ length: 30 }, (_, index) => txidAt(leadership.epoch, index + 1));
      const decided = leadership.decide(txids.map((id) => commitOf(id)));
      // The fence, and what only shrinks the store, pass: had the decisions, they would be there too.
      for (let reads = 0; reads < 5; reads += 1) await log.read(txidAt(leadership.epoch, 99));
      for (const id of txids) expect(await rig.look(rig.keys.shard(0).decision(id))).toBeNull();
      expect(await rig.look(rig.keys.shard(0).clock)).toBeNull();
      await makeRoom();
      expect(await decided).toEqual(txids.map(() => ({ kind: 'written' })));
      expect(await tick).toBe(1);
      for (const id of txids) {
        expect((await rig.look(rig.keys.shard(0).decision(id)))?.version).toBe('1');
      }
      expect(leadership.lost.aborted).toBe(false);
    });

    it('it still lets records move to finished/: there are no more of them than there were decisions', async () => {
      const log = await rig.open('alpha', patient);
      const leadership = await log.campaign(0, { signal: never });
      const txid = txidAt(leadership.epoch, 1);
      expect(await leadership.decide([commitOf(txid)])).toEqual(written);
      await fill();
      await leadership.finish([txid]);
      expect(await rig.look(rig.keys.shard(0).finishedRecord(txid))).not.toBeNull();
    });

    it.each([1, 30])(
      'decisions (%i) find out that it is, and end the leadership; none stands',
      async (count) => {
        const log = await rig.open('alpha', patient);
        const leadership = await log.campaign(0, { signal: never });
        await fill();
        const txids = Array.from({ length: count }, (_, index) =>
          txidAt(leadership.epoch, index + 1),
        );
        const txid = txids[0] as Txid;
        const decided = leadership.decide(txids.map((id) => commitOf(id)));
        await expect(decided).rejects.toThrow(LeadershipLostError);
        for (const id of txids) expect((await log.read(id)).record).toBeNull();
        await makeRoom();
        const next = await log.campaign(0, { signal: never });
        // Nothing of the earlier leadership comes after all.
        expect(await next.decide([commitOf(txidAt(next.epoch, 1))])).toEqual(written);
        expect((await log.read(txid)).record).toBeNull();
      },
    );

    it('for long, the leadership is given up though puts are refused; with room, it is taken again', async () => {
      const log = await rig.open('alpha', patient);
      const leadership = await log.campaign(0, { signal: never });
      await fill();
      await expect(leadership.tick(1)).rejects.toThrow(LeadershipLostError);
      await expect.poll(() => rig.look(rig.keys.shard(0).leader), waitMs).toBeNull();
      const campaign = log.campaign(0, { signal: never });
      await makeRoom();
      const next = await campaign;
      expect(next.epoch > leadership.epoch).toBe(true);
      expect(await next.decide([commitOf(txidAt(next.epoch, 1))])).toEqual(written);
      expect(await next.tick(1)).toBe(1);
    });
  });

  describe.skipIf(programs.etcdctl === null)('restored from an older snapshot', () => {
    it('it halts the nodes that run and those that start, until an operator raises the generation', async () => {
      etcd = await TestEtcd.start(programs);
      rig = new EtcdRig(etcd.endpoints);
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      await leadership.decide([commitOf(txidAt(leadership.epoch, 1))]);
      const snapshot = etcd.takeSnapshot('old.db');
      await leadership.decide([commitOf(txidAt(leadership.epoch, 2))]);
      for (let count = 0; count < 10; count += 1) await leadership.tick(1);

      await etcd.restoreSnapshot(snapshot);
      await expect.poll(() => rig.fatal.length, waitMs).toBe(1);
      expect(String(rig.fatal[0])).toMatch(/set back.*revision.*raise the generation/s);
      // It must not call the second one aborted.
      await expect(log.read(txidAt(leadership.epoch, 2))).rejects.toThrow('set back');
      expect(leadership.lost.aborted).toBe(true);
      await log.close();

      await expect(rig.open('alpha')).rejects.toThrow(/set back.*raise the generation/s);
      const operator = await openEtcdReader(rig.options('operator'));
      const leaderKey = () => rig.raw.get(rig.keys.shard(0).leader).string();
      // As a copy brings one back under which a node led that is paused since then.
      await rig.raw.put(rig.keys.shard(0).leader).value('of the copy');
      expect(await operator.raiseGeneration()).toBe(1);
      expect(await leaderKey()).toBe(null);
      await operator.close();
      const again = await rig.open('alpha');
      const next = await again.campaign(0, { signal: never });
      expect(epochParts(next.epoch).generation).toBe(1);
      expect(next.epoch > leadership.epoch).toBe(true);
      expect((await again.read(txidAt(leadership.epoch, 1))).record?.outcome).toBe('commit');
      expect(rig.fatal).toHaveLength(1);
    });

    it('it halts a node whose etcd is another one altogether', async () => {
      etcd = await TestEtcd.start(programs);
      rig = new EtcdRig(etcd.endpoints);
      await (await rig.open('alpha')).close();
      const other = await TestEtcd.start(programs);
      try {
        const opened = rig.open('alpha', { endpoints: other.endpoints });
        await expect(opened).rejects.toThrow(/set back or replaced: it was cluster/);
      } finally {
        await other.dispose();
      }
    });
  });
});
