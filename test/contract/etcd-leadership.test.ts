/** Who leads, and who no longer does, on a real etcd. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { judge } from '../../src/core/judge.ts';
import { type Epoch, epochParts, type Txid } from '../../src/core/txid.ts';
import { openOwnedEtcdLog } from '../../src/decision-log/etcd/owned-log.ts';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { encodeLeader } from '../../src/decision-log/etcd/records.ts';
import { type DecisionLog, DecisionLogError } from '../../src/ports/decision-log.ts';
import { etcdsToTest, type TestEtcd } from '../support/etcd/etcd.ts';
import { etcdOfSuite } from '../support/etcd/etcd-of-test.ts';
import type { EtcdRig } from '../support/etcd/etcd-rig.ts';
import {
  commitOf,
  issuedAt,
  never,
  realClock,
  temporaryDirectory,
  txidAt,
} from '../support/logs/stores.ts';
import { pause } from '../support/process/child.ts';

const etcds = await etcdsToTest();
const leaderProcess = fileURLToPath(
  new URL('../support/etcd/etcd-leader-process.ts', import.meta.url),
);
const waitMs = { timeout: 20_000 };

describe.skipIf(etcds.length === 0).each(etcds)('leadership on etcd at $etcd', (programs) => {
  let etcd: TestEtcd;
  let rig: EtcdRig;
  etcdOfSuite(programs, (...given) => {
    [rig, etcd] = given;
  });

  const leaderKey = (shard = 0) => rig.keys.shard(shard).leader;

  it("a node's directory has one owner until the log is closed", async () => {
    const options = rig.options('alpha');
    const log = await openOwnedEtcdLog(options);
    const second = openOwnedEtcdLog({ ...options, node: 'beta' });
    await expect(second).rejects.toThrow(DecisionLogError);
    await expect(second).rejects.toThrow(/in use by .*node alpha of the cluster/);
    await log.close();
    await expect(openOwnedEtcdLog({ ...options, endpoints: ['x/y'] })).rejects.toThrow(/x\/y/);
    await (await openOwnedEtcdLog(options)).close();
  });

  describe('of a process', () => {
    const children: ChildProcess[] = [];
    const directory = temporaryDirectory();
    afterEach(async () => {
      for (const child of children.splice(0)) {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
    });
    afterAll(() => directory.remove());

    interface LeaderProcess {
      readonly child: ChildProcess;
      readonly written: Txid[];
      readonly epoch: Epoch;
      readonly lost: Promise<{ lost: string; certain: boolean }>;
    }

    async function startLeader(node: string): Promise<LeaderProcess> {
      const state = join(directory.path, `${rig.cluster}-${node}`);
      const args = [leaderProcess, etcd.endpoints.join(','), rig.cluster, node, state];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const written: Txid[] = [];
      const leading = Promise.withResolvers<Epoch>();
      const lost = Promise.withResolvers<{ lost: string; certain: boolean }>();
      createInterface({ input: child.stdout }).on('line', (line) => {
        const told = JSON.parse(line);
        if ('leading' in told) leading.resolve(told.leading);
        else if ('written' in told) written.push(told.written);
        else lost.resolve(told);
      });
      const epoch = await leading.promise;
      await expect.poll(() => written.length, waitMs).toBeGreaterThan(20);
      return { child, written, epoch, lost: lost.promise };
    }

    async function expectAllThere(log: DecisionLog, txids: readonly Txid[]): Promise<void> {
      for (const txid of txids) expect((await log.read(txid)).record?.outcome).toBe('commit');
    }

    it('ends with its lease when it is killed, and nothing that it answered is gone', async () => {
      const log = await rig.open('beta');
      const leader = await startLeader('alpha');
      const campaign = log.campaign(0, { signal: never });
      await expect.poll(() => log.leaders()[0]?.node, waitMs).toBe('alpha');
      const { lease = '' } = (await rig.look(leaderKey())) ?? {};
      leader.child.kill('SIGKILL');
      const next = await campaign;
      expect(next.epoch > leader.epoch).toBe(true);
      // It waited for the lease.
      const { TTL } = await rig.raw.leaseClient.leaseTimeToLive({ ID: lease });
      expect(TTL).toBe('-1');
      await expectAllThere(log, leader.written);
      const undecided = txidAt(leader.epoch, 100_000);
      expect(judge(undecided, await log.read(undecided), { inDoubt: true })).toMatchObject({
        decision: 'abort',
      });
    });

    it('ends at once on evidence that the process is gone', async () => {
      const log = await rig.open('beta');
      const leader = await startLeader('alpha');
      const campaign = log.campaign(0, { signal: never });
      await expect.poll(() => log.leaders()[0]?.node, waitMs).toBe('alpha');
      const { lease = '' } = (await rig.look(leaderKey())) ?? {};
      leader.child.kill('SIGKILL');
      await once(leader.child, 'exit');
      log.leaderGone({ shard: 0, epoch: leader.epoch });
      const next = await campaign;
      // The lease of the dead one is still there: no one waited for it.
      const { TTL } = await rig.raw.leaseClient.leaseTimeToLive({ ID: lease });
      expect(Number(TTL)).toBeGreaterThanOrEqual(0);
      expect(next.epoch > leader.epoch).toBe(true);
      await expectAllThere(log, leader.written);
    });

    it('ends before its lease where its address refuses and its beats stop, not before', async () => {
      const log = await rig.open('beta');
      const leader = await startLeader('alpha');
      const campaign = log.campaign(0, { signal: never });
      await expect.poll(() => log.leaders()[0]?.node, waitMs).toBe('alpha');
      const { lease = '' } = (await rig.look(leaderKey())) ?? {};
      const refusing = setInterval(() => log.leaderRefuses({ shard: 0, epoch: leader.epoch }), 100);
      try {
        const timeToLive = () => rig.raw.leaseClient.leaseTimeToLive({ ID: lease });
        const { grantedTTL } = await timeToLive();
        // Longer than its lease: it lives, wherever its address leads.
        await pause(Number(grantedTTL) * 1_000 + 500);
        expect(log.leaders()[0]?.epoch).toBe(leader.epoch);
        leader.child.kill('SIGKILL');
        const next = await campaign;
        expect(Number((await timeToLive()).TTL)).toBeGreaterThanOrEqual(0);
        expect(next.epoch > leader.epoch).toBe(true);
        await expectAllThere(log, leader.written);
      } finally {
        clearInterval(refusing);
      }
    });

    it('ends when it stands still for longer than its lease; awake again, it knows and is fenced', async () => {
      const log = await rig.open('beta');
      const leader = await startLeader('alpha');
      const campaign = log.campaign(0, { signal: never });
      leader.child.kill('SIGSTOP');
      const next = await campaign;
      expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual({ type: 'written' });
      leader.child.kill('SIGCONT');
      const { lost, certain } = await leader.lost;
      expect(lost).toContain('LeadershipLostError');
      expect(certain).toBe(false);
      await expectAllThere(log, leader.written);
      expect(await next.decide(commitOf(txidAt(next.epoch, 2)))).toEqual({ type: 'written' });
    });

    it('restarted under its name, it does not wait for its own lease', async () => {
      const leader = await startLeader('alpha');
      const { lease = '' } = (await rig.look(leaderKey())) ?? {};
      leader.child.kill('SIGKILL');
      await once(leader.child, 'exit');
      const log = await rig.open('alpha');
      const next = await log.campaign(0, { signal: never });
      const { TTL } = await rig.raw.leaseClient.leaseTimeToLive({ ID: lease });
      expect(Number(TTL)).toBeGreaterThanOrEqual(0);
      expect(next.epoch > leader.epoch).toBe(true);
    });

    it('a reader needs no coordinator: it reads, and resolves once no one leads', async () => {
      const leader = await startLeader('alpha');
      const [first] = leader.written;
      const reader = await openEtcdReader({ ...rig.options('reader'), operator: true });
      try {
        if (first === undefined) throw new Error('Nothing was written.');
        expect((await reader.read(first)).record?.outcome).toBe('commit');
        const doubtful = issuedAt(await rig.secret(), leader.epoch, 100_000);
        expect((await reader.resolve(doubtful)).record?.outcome).toBe('abort');
        expect((await reader.resolve(first)).record?.outcome).toBe('commit');
        await expect(reader.read(txidAt(leader.epoch, 1, 7))).rejects.toThrow(
          'There is no shard 7',
        );
      } finally {
        await reader.close();
      }
    });
  });

  describe('the leader key', () => {
    async function leaseOf(node: string): Promise<string> {
      const entry = await rig.look(rig.keys.node(node));
      if (entry === null) throw new Error(`${node} is not among the nodes.`);
      return entry.lease;
    }
    const stale = () =>
      encodeLeader({ node: 'alpha', url: 'ws://alpha', nonce: 'stale', generation: 0 });

    it('that a late reply left under our lease is deleted, for it would live forever', async () => {
      const log = await rig.open('alpha');
      const { epoch } = await log.campaign(0, { signal: never }).then(async (leadership) => {
        await leadership.resign();
        return leadership;
      });
      const lease = await leaseOf('alpha');
      await rig.raw.kv.put({ key: leaderKey(), value: stale(), lease });
      await expect.poll(() => rig.look(leaderKey()), waitMs).toBeNull();
      const next = await log.campaign(0, { signal: never });
      expect(next.epoch > epoch).toBe(true);
    });

    it('that a late reply left under our lease is retaken under a new nonce by who campaigns', async () => {
      const other = await rig.open('beta');
      const blocking = await other.campaign(0, { signal: never });
      const log = await rig.open('alpha');
      const campaign = log.campaign(0, { signal: never });
      const lease = await leaseOf('alpha');
      const { header } = await rig.raw.kv.put({ key: leaderKey(), value: stale(), lease });
      const leadership = await campaign;
      const now = await rig.look(leaderKey());
      expect(now?.lease).toBe(lease);
      expect(now?.value).not.toEqual(stale());
      expect(epochParts(leadership.epoch).revision).toBe(BigInt(now?.mod_revision ?? 0));
      expect(BigInt(now?.mod_revision ?? 0)).toBeGreaterThan(BigInt(header.revision));
      expect(await leadership.tick(1)).toBe(1);
      await expect.poll(() => blocking.lost.aborted, waitMs).toBe(true);
    });

    it('deleted by somebody ends the leadership, and the next one is under a higher epoch', async () => {
      const log = await rig.open('alpha');
      const first = await log.campaign(0, { signal: never });
      await rig.raw.kv.deleteRange({ key: leaderKey() });
      await expect.poll(() => first.lost.aborted, waitMs).toBe(true);
      const next = await log.campaign(0, { signal: never });
      expect(next.epoch > first.epoch).toBe(true);
    });

    it('a lease revoked by somebody ends the leadership; the node gets another one and may lead again', async () => {
      const log = await rig.open('alpha');
      const first = await log.campaign(0, { signal: never });
      const lease = await leaseOf('alpha');
      await rig.raw.leaseClient.leaseRevoke({ ID: lease });
      await expect.poll(() => first.lost.aborted, waitMs).toBe(true);
      const next = await log.campaign(0, { signal: never });
      expect(next.epoch > first.epoch).toBe(true);
      await expect
        .poll(async () => (await rig.look(rig.keys.node('alpha')))?.lease, waitMs)
        .not.toBe(lease);
    });

    it('an entry that a late request of the process before put under its lease is written again, and stays', async () => {
      await rig.open('alpha');
      const key = rig.keys.node('alpha');
      const own = await rig.look(key);
      const late = await rig.raw.leaseClient.leaseGrant({ TTL: 60 });
      await rig.raw.kv.put({ key, value: own?.value ?? Buffer.alloc(0), lease: late.ID });
      await expect.poll(async () => (await rig.look(key))?.lease, waitMs).toBe(own?.lease);
      await rig.raw.leaseClient.leaseRevoke({ ID: late.ID });
      expect((await rig.look(key))?.lease).toBe(own?.lease);
      await rig.raw.kv.deleteRange({ key });
      await expect.poll(async () => (await rig.look(key))?.lease, waitMs).toBe(own?.lease);
    });

    it('of each shard is its own', async () => {
      const alpha = await rig.open('alpha', { shards: 3 });
      const beta = await rig.open('beta', { shards: 3 });
      const zero = await alpha.campaign(0, { signal: never });
      const two = await beta.campaign(2, { signal: never });
      await expect
        .poll(() => alpha.leaders().map((leader) => leader?.node), waitMs)
        .toEqual(['alpha', undefined, 'beta']);
      const txid = txidAt(two.epoch, 1, 2);
      await two.decide(commitOf(txid, { requestId: 'r' }));
      expect((await alpha.read(txid)).record?.outcome).toBe('commit');
      expect(await zero.readRequest('r')).toBeNull();
      await zero.resign();
      expect(await two.tick(1)).toBe(1);
      await expect(alpha.campaign(3, { signal: never })).rejects.toThrow('There is no shard 3');
    });

    it('two campaigns of one node for one shard do not take it from each other', async () => {
      const log = await rig.open('alpha');
      const stop = new AbortController();
      const campaigns = [1, 2].map(() => log.campaign(0, { signal: stop.signal }));
      const first = await Promise.race(campaigns);
      expect(await first.tick(1)).toBe(1);
      expect(first.lost.aborted).toBe(false);
      await first.resign();
      const [one, two] = await Promise.all(campaigns);
      expect(one?.epoch).not.toBe(two?.epoch);
    });
  });

  it('made anew, it is another cluster: a reader that knew the one before concludes nothing from it', async () => {
    const options = { ...rig.options('reader'), clusterId: null as string | null };
    const log = await rig.open('alpha');
    const before = log.meta.clusterId;
    const leadership = await log.campaign(0, { signal: never });
    const txid = issuedAt(log.meta, leadership.epoch, 1);
    const reader = await openEtcdReader({ ...options, clusterId: before });
    expect((await reader.read(txid)).leader?.epoch).toBe(leadership.epoch);
    await log.close();
    await rig.raw.kv.deleteRange(rig.keys.everything);
    const anew = await rig.open('beta');
    expect(anew.meta.clusterId).not.toBe(before);
    await anew.campaign(0, { signal: never });
    await expect(reader.read(txid)).rejects.toThrow(/made anew/);
    await expect(reader.resolve(txid)).rejects.toThrow(/made anew/);
    await reader.close();
    await expect(openEtcdReader({ ...options, clusterId: before })).rejects.toThrow(/made anew/);
    const other = await openEtcdReader(options);
    expect(other.meta.clusterId).toBe(anew.meta.clusterId);
    await other.close();
  });

  it('is over after a sleep of the machine that outlasts the lease, though no timer came due; then it may lead again', async () => {
    let sleptMs = 0;
    const clock = {
      ...realClock,
      wallMs: () => Date.now() + sleptMs,
      bootMs: () => performance.now() + sleptMs,
    };
    const log = await rig.open('alpha', { clock });
    const leadership = await log.campaign(0, { signal: never });
    expect(leadership.isCertain()).toBe(true);
    sleptMs += 60_000;
    expect(leadership.isCertain()).toBe(false);
    await expect.poll(() => leadership.lost.aborted, waitMs).toBe(true);
    const next = await log.campaign(0, { signal: never });
    expect(next.isCertain()).toBe(true);
    expect(next.epoch > leadership.epoch).toBe(true);
  });

  it('a raised generation leads every later epoch', async () => {
    const log = await rig.open('alpha');
    const first = await log.campaign(0, { signal: never });
    const reader = await openEtcdReader(rig.options('reader'));
    expect(await reader.raiseGeneration()).toBe(1);
    await reader.close();
    await first.resign();
    const next = await log.campaign(0, { signal: never });
    expect(epochParts(next.epoch).generation).toBe(1);
    expect(next.witness().generation).toBe(1);
    expect(log.meta.generation).toBe(1);
    expect((await log.read(txidAt(next.epoch, 1))).witness.generation).toBe(1);
    expect(await next.decide(commitOf(txidAt(next.epoch, 1)))).toEqual({ type: 'written' });
  });
});
