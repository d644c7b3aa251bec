/**
 * What etcd leaves open for longer than a log's patience. Each test waits for most of its time, on
 * an etcd of its own: they run beside each other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, type TestContext } from 'vitest';
import type { Txid } from '../../src/core/txid.ts';
import type { EtcdLogOptions } from '../../src/decision-log/etcd/etcd-log.ts';
import { patienceMs } from '../../src/decision-log/etcd/store.ts';
import { DecisionLogError, LeadershipLostError } from '../../src/ports/decision-log.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { etcdOfTest } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import { fill, makeRoom, quotaBytes } from '../support/etcd/full-etcd.ts';
import { commitOf, decideAll, never, txidAt } from '../support/logs/stores.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';

const etcds = await etcdsToTest();
const waitMs = { timeout: 30_000 };
const written = { type: 'written' };
/** Long enough that no lease ends meanwhile. */
const patient = { leaseTtlMs: 20_000 };

// An election may take most of the patience: this one has the machine to itself as far as this file
// goes.
describe.skipIf(etcds.length === 0).each(etcds)('an etcd at $etcd', (programs) => {
  it('of three members loses its leader, and decisions go on at the others', async (test) => {
    const { expect } = test;
    const { etcd, rig } = await etcdOfTest(test, programs, { members: 3 });
    const log = await rig.open('alpha', patient);
    const leadership = await log.campaign(0, { signal: never });
    let sequence = 0;
    const decide = async () => {
      sequence += 1;
      expect(await leadership.decide(commitOf(txidAt(leadership.epoch, sequence)))).toEqual(
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
    const shard = rig.keys.shard(0);
    const puts = await rig.putsOf(shard.decisions);
    const txids = Array.from({ length: sequence }, (_, index) =>
      txidAt(leadership.epoch, index + 1),
    );
    for (const txid of txids) expect(puts.get(shard.decision(txid).toString()), txid).toBe(1);
  });
});

describe.skipIf(etcds.length === 0)('an etcd', { concurrent: true }, () => {
  describe.each(etcds)('at $etcd', (programs) => {
    /** A node's log behind a proxy that can lose what etcd replies. */
    async function behindProxy(test: TestContext, more: Partial<EtcdLogOptions> = patient) {
      const { etcd, rig } = await etcdOfTest(test, programs);
      const proxy = await TcpProxy.started(etcd.member.ports.client);
      test.onTestFinished(() => proxy.close());
      const log = await rig.open('alpha', { endpoints: [`http://${proxy.url}`], ...more });
      return { rig, proxy, log };
    }

    it('loses the reply to what is read right after the takeover: it is taken again', async (test) => {
      const { expect } = test;
      const { rig, proxy, log } = await behindProxy(test);
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

    it('loses the reply to a decision: the leadership ends, says nothing, and leaves what landed', async (test) => {
      const { expect } = test;
      const { rig, proxy, log } = await behindProxy(test);
      const leadership = await log.campaign(0, { signal: never });
      const txid = txidAt(leadership.epoch, 1);
      proxy.loseReplies();
      await expect(leadership.decide(commitOf(txid))).rejects.toThrow(LeadershipLostError);
      expect(leadership.lost.aborted).toBe(true);
      proxy.heal();
      proxy.cut();
      const next = await log.campaign(0, { signal: never });
      expect(next.epoch > leadership.epoch).toBe(true);
      expect((await log.read(txid)).record?.outcome).toBe('commit');
      const shard = rig.keys.shard(0);
      const puts = await rig.putsOf(shard.decisions);
      expect(puts.get(shard.decision(txid).toString())).toBe(1);
    });

    it('is silent, and need not tell a leader to stop: the lease has ended by its own clock', async (test) => {
      const { expect } = test;
      const { etcd, rig } = await etcdOfTest(test, programs);
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

    it('is silent for a follower alone: it names the leader on, and does not vouch for it', async (test) => {
      const { expect } = test;
      const { rig, proxy, log } = await behindProxy(test, { leaseTtlMs: 2_000 });
      const leader = await rig.open('beta', patient);
      const leadership = await leader.campaign(0, { signal: never });
      const named = () => log.leaders()[0]?.node;
      await expect.poll(named, waitMs).toBe('beta');
      await expect.poll(() => log.isConfirmed(0), waitMs).toBe(true);
      proxy.blackhole();
      await expect.poll(() => log.isConfirmed(0), waitMs).toBe(false);
      expect(named()).toBe('beta');
      expect(leader.isConfirmed(0)).toBe(true);
      expect(leadership.isCertain()).toBe(true);
      proxy.heal();
      proxy.cut();
      await expect.poll(() => log.isConfirmed(0), waitMs).toBe(true);
      expect(named()).toBe('beta');
    });

    it('of three members stands with one: nothing is decided, and with two again all goes on', async (test) => {
      const { expect } = test;
      const { etcd, rig } = await etcdOfTest(test, programs, { members: 3 });
      const log = await rig.open('alpha');
      const leadership = await log.campaign(0, { signal: never });
      const [first, second] = etcd.members;
      await first?.kill();
      await second?.kill();
      const cut = txidAt(leadership.epoch, 1);
      await expect(leadership.decide(commitOf(cut))).rejects.toThrow(LeadershipLostError);
      expect(leadership.isCertain()).toBe(false);
      await expect(log.read(cut)).rejects.toThrow(DecisionLogError);
      first?.launch();
      second?.launch();
      await first?.ready();
      await second?.ready();
      const next = await log.campaign(0, { signal: never });
      expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual(written);
    });

    describe('that is full', () => {
      async function filled(rig: EtcdRig) {
        const log = await rig.open('alpha', patient);
        const leadership = await log.campaign(0, { signal: never });
        await fill(rig.raw);
        return { log, leadership };
      }

      it.for([1, 30])(
        'is found to be by decisions (%i), which end the leadership; none stands',
        async (count, test) => {
          const { expect } = test;
          const { rig } = await etcdOfTest(test, programs, { quotaBytes });
          const { log, leadership } = await filled(rig);
          const txids = Array.from({ length: count }, (_, index) =>
            txidAt(leadership.epoch, index + 1),
          );
          const txid = txids[0] as Txid;
          const decided = decideAll(
            leadership,
            txids.map((id) => commitOf(id)),
          );
          await expect(decided).rejects.toThrow(LeadershipLostError);
          for (const id of txids) expect((await log.read(id)).record).toBeNull();
          await makeRoom(rig.raw);
          const next = await log.campaign(0, { signal: never });
          // Nothing of the earlier leadership comes after all.
          expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual(written);
          expect((await log.read(txid)).record).toBeNull();
        },
      );

      it('has the leadership given up though puts are refused; with room, it is taken again', async (test) => {
        const { expect } = test;
        const { rig } = await etcdOfTest(test, programs, { quotaBytes });
        const { log, leadership } = await filled(rig);
        await expect(leadership.tick(1)).rejects.toThrow(LeadershipLostError);
        await expect.poll(() => rig.look(rig.keys.shard(0).leader), waitMs).toBeNull();
        const campaign = log.campaign(0, { signal: never });
        await makeRoom(rig.raw);
        const next = await campaign;
        expect(next.epoch > leadership.epoch).toBe(true);
        expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual(written);
        expect(await next.tick(1)).toBe(1);
      });
    });
  });
});
