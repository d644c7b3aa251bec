/** An etcd that comes back with an older state (docs/PROTOCOL.md, section 6, restore). */
import { describe, expect, it, type TestContext } from 'vitest';
import { epochParts, type Txid } from '../../src/core/txid.ts';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { decodeMeta } from '../../src/decision-log/etcd/records.ts';
import type { Leadership } from '../../src/ports/decision-log.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { etcdOfTest } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { commitOf, issuedAt, never, txidAt } from '../support/logs/stores.ts';

const etcds = (await etcdsToTest()).filter(({ etcdctl }) => etcdctl !== null);
const waitMs = { timeout: 30_000 };
const halts = /set back.*raise the generation/s;
const firstOf = ({ epoch }: Leadership): Txid => txidAt(epoch, 1);

describe.skipIf(etcds.length === 0).each(etcds)(
  'etcd restored from an older snapshot at $etcd',
  (programs) => {
    it('it halts the nodes that run and those that start, until an operator raises the generation', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      await leadership.decide(commitOf(txidAt(leadership.epoch, 1)));
      const snapshot = etcd.takeSnapshot('old.db');
      await leadership.decide(commitOf(txidAt(leadership.epoch, 2)));
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

    it('it halts a node whose etcd is another one altogether', async (test) => {
      const { rig } = await etcdOfTest(test, programs);
      await (await rig.open('alpha')).close();
      const other = await TestEtcd.start(programs);
      try {
        const opened = rig.open('alpha', { endpoints: other.endpoints });
        await expect(opened).rejects.toThrow(/set back or replaced: it was cluster/);
      } finally {
        await other.dispose();
      }
    });

    /** Of whoever else uses this etcd, and of leases that run out. */
    async function grow({ raw }: EtcdRig, by = 50): Promise<void> {
      for (let count = 0; count < by; count += 1) await raw.put('/other').value(count);
    }

    async function markIn(rig: EtcdRig): Promise<object | undefined> {
      const meta = await rig.look(rig.keys.meta);
      return meta === null ? undefined : decodeMeta(meta.value).setBack;
    }

    /** `alpha` has committed `txid`, which the copy that is there now lacks, and has halted. */
    async function halted(test: TestContext) {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      const snapshot = etcd.takeSnapshot('old.db');
      const txid = issuedAt(log.meta, leadership.epoch, 1);
      await leadership.decide(commitOf(txid));
      const newest = await etcd.restoreSnapshot(snapshot);
      await expect.poll(() => rig.fatal.length, waitMs).toBe(1);
      await log.close();
      return { etcd, rig, txid, newest };
    }

    it('it stands still, however much is written to it since, until the newest data is back', async (test) => {
      const { etcd, rig, txid, newest } = await halted(test);
      expect(await markIn(rig)).toMatchObject({ known: expect.stringMatching(/^\d+$/) });
      await grow(rig);
      // Its own file tells it nothing any more, and the other's never did.
      await expect(rig.open('alpha')).rejects.toThrow(halts);
      await expect(rig.open('fresh')).rejects.toThrow(halts);

      await etcd.bringBack(newest);
      const again = await rig.open('alpha');
      expect((await again.read(txid)).record?.outcome).toBe('commit');
      await rig.open('fresh');
      expect(rig.fatal).toHaveLength(1);
    });

    it('who was started on the older state is at home in the newest again', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const alpha = await rig.open('alpha');
      const snapshot = etcd.takeSnapshot('old.db');
      const leadership = await alpha.campaign(0, { signal: never });
      for (let count = 0; count < 20; count += 1) await leadership.tick(1);
      await alpha.close();

      const newest = await etcd.restoreSnapshot(snapshot);
      const fresh = await rig.open('fresh');
      const ticking = await fresh.campaign(0, { signal: never });
      await expect(rig.open('alpha')).rejects.toThrow(halts);
      await expect.poll(() => ticking.lost.aborted, waitMs).toBe(true);
      await grow(rig);
      await expect(fresh.campaign(0, { signal: never })).rejects.toThrow(halts);
      await fresh.close();

      await etcd.bringBack(newest);
      await rig.open('fresh');
      await rig.open('alpha');
      expect(await markIn(rig)).toBe(undefined);
    });

    it('what a participant had read of the older state marks nothing when the newest is back', async (test) => {
      const { etcd, rig, txid, newest } = await halted(test);
      await grow(rig);
      const { stateDirectory: _, ...access } = rig.options('participant');
      const reader = await openEtcdReader({ ...access, clusterId: await rig.clusterId() });

      await etcd.bringBack(newest);
      await expect(reader.read(txid)).rejects.toThrow(/set back/);
      await reader.close();
      expect(await markIn(rig)).toBe(undefined);
      expect((await (await rig.open('alpha')).read(txid)).record?.outcome).toBe('commit');
    });

    it('who knows most is not forgotten: no copy is believed that is older than that', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const first = await rig.open('alpha');
      const oldest = etcd.takeSnapshot('oldest.db');
      await grow(rig, 5);
      await (await rig.open('beta')).close();
      const leadership = await first.campaign(0, { signal: never });
      await grow(rig, 20);
      const middle = etcd.takeSnapshot('middle.db');
      await leadership.decide(commitOf(firstOf(leadership)));
      await first.close();

      await etcd.restoreSnapshot(oldest);
      await expect(rig.open('beta')).rejects.toThrow(halts);
      expect(await markIn(rig)).toMatchObject({ node: 'beta' });
      await expect(rig.open('alpha')).rejects.toThrow(halts);
      expect(await markIn(rig)).toMatchObject({ node: 'alpha' });
      await etcd.restoreSnapshot(middle);
      await expect(rig.open('alpha')).rejects.toThrow(halts);
    });

    it('a copy from before the generation was raised is marked, too', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      await (await rig.open('alpha')).close();
      const snapshot = etcd.takeSnapshot('old.db');
      const operator = await openEtcdReader(rig.options('operator'));
      await operator.raiseGeneration();
      await operator.close();
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      for (let count = 0; count < 20; count += 1) await leadership.tick(1);
      await etcd.restoreSnapshot(snapshot);
      await expect.poll(() => rig.fatal.length, waitMs).toBe(1);
      await log.close();
      await expect(rig.open('fresh')).rejects.toThrow(halts);
    });

    it('who noticed nothing decides nothing more, once one that did was started', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const log = await rig.open('alpha');
      const before = await log.campaign(0, { signal: never });
      const snapshot = etcd.takeSnapshot('old.db');
      await before.decide(commitOf(firstOf(before)));
      for (let count = 0; count < 20; count += 1) await before.tick(1);
      await log.close();

      await etcd.restoreSnapshot(snapshot);
      const fresh = await rig.open('fresh');
      const leadership = await fresh.campaign(0, { signal: never });
      await expect(rig.open('alpha')).rejects.toThrow(halts);
      await expect.poll(() => leadership.lost.aborted, waitMs).toBe(true);
      await expect(fresh.campaign(0, { signal: never })).rejects.toThrow(halts);
      expect(rig.fatal.map(String)).toEqual([expect.stringMatching(halts)]);
      await expect(fresh.read(firstOf(before))).rejects.toThrow(halts);
    });

    it('a participant that reads it is told nothing, and the operator is told what it is', async (test) => {
      const { rig, txid } = await halted(test);
      await grow(rig);
      const clusterId = await rig.clusterId();
      const reader = await openEtcdReader({ ...rig.options('reader'), clusterId });
      const apart = { formatVersion: 4, txidSecret: null };
      const metaNow = async () => decodeMeta((await rig.look(rig.keys.meta))?.value ?? Buffer.of());
      // Programs of before read marks up to 3, and would raise it without any secret.
      expect(await metaNow()).toMatchObject(apart);
      await expect(reader.read(txid)).rejects.toThrow(halts);
      await reader.close();
      const operator = await openEtcdReader(rig.options('operator'));
      expect(await operator.raiseGeneration()).toBe(1);
      await operator.close();
      expect(await markIn(rig)).toBe(undefined);
      expect(await metaNow()).toMatchObject(apart);
      await rig.open('alpha');
    });

    it('one that was made anew in its place is left alone by a node of the old one', async (test) => {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const empty = etcd.takeSnapshot('empty.db');
      const log = await rig.open('alpha');
      const before = await log.campaign(0, { signal: never });
      for (let count = 0; count < 20; count += 1) await before.tick(1);
      await log.close();

      await etcd.restoreSnapshot(empty);
      const fresh = await rig.open('fresh');
      const leadership = await fresh.campaign(0, { signal: never });
      await expect(rig.open('alpha')).rejects.toThrow(halts);
      expect(await markIn(rig)).toBe(undefined);
      expect(await leadership.decide(commitOf(firstOf(leadership)))).toEqual({ type: 'written' });
      expect(rig.fatal).toEqual([]);
    });
  },
);
