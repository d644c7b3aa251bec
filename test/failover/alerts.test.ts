/**
 * Each alert rule is seen to fire once, in a real Prometheus that watches a real node on a real
 * etcd, because what it is about was done to them; and none of them fires before that.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { Prometheus, prometheusToTest } from '../support/process/prometheus.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { dashboardQueries } from '../support/samples/dashboard.ts';

const programs = await prometheusToTest();
const [etcdPrograms] = await etcdsToTest();

const patience = { timeout: 60_000 * slownessFactor, interval: 250 };

/** Where the machine stands still for a moment, these say so, and rightly. */
const ofMachine = [
  'VerdictEventLoopBlocked',
  'VerdictLogSlow',
  'VerdictLeaseNearlyLost',
  'VerdictNodeDown',
];

describe.skipIf(programs === null || etcdPrograms === undefined)('the alerts', () => {
  const directory = temporaryDirectory();
  let etcd: TestEtcd;
  let node: NodeProcess;
  let prometheus: Prometheus;
  let client: RawPeer;
  let id = 0;

  beforeAll(async () => {
    if (programs === null || etcdPrograms === undefined) return;
    etcd = await TestEtcd.start(etcdPrograms);
    node = await NodeProcess.started({
      data: join(directory.path, 'node'),
      // It outlives what the tests hold up for a second.
      etcd: { endpoints: etcd.endpoints, cluster: 'alerts', leaseTtlMs: 6_000 },
      logLevel: 'info',
      options: {
        maxRequests: 10,
        prepareTimeoutMs: 3_000,
        prepareTimeoutMsMin: 3_000,
        breakerAfter: 2,
        breakerPauseMs: 30_000,
        maxBreakerPauseMs: 60_000,
        ackTimeoutMs: 1_000,
        retryDelayMs: 50,
        maxRetryDelayMs: 100,
        attentionAfter: 2,
        transactionTimeoutMs: 30_000,
      },
    });
    const targets = [node.url];
    prometheus = await Prometheus.started(programs, {
      directory: join(directory.path, 'prometheus'),
      targets,
    });
    client = await RawPeer.greeted(node.url, { name: 'shop', roles: ['client'] });
  }, 90_000);
  afterAll(async () => {
    await prometheus?.stop();
    etcd?.member.resume();
    await client?.close();
    await node?.stop();
    await etcd?.dispose();
    directory.remove();
  });

  async function fires(name: string): Promise<void> {
    await expect.poll(async () => (await prometheus.firing(name))?.labels, patience).toBeDefined();
    const alert = await prometheus.firing(name);
    if (alert !== undefined) {
      for (const text of Object.values(alert.annotations))
        expect(text).not.toMatch(/[{}]|<no value>/);
    }
  }

  /** So that each one is seen to fire for its own reason. */
  async function isQuiet(name: string): Promise<void> {
    await expect.poll(async () => await prometheus.firing(name), patience).toBeUndefined();
  }

  async function transact(participant: string, more: object = {}): Promise<void> {
    id += 1;
    const branches = [{ participant, payload: null }];
    await client.ask({ type: 'transact', id, branches, ...more });
  }

  async function votes(peer: RawPeer): Promise<string> {
    const { txid, branch } = await peer.next('prepare');
    peer.send({ type: 'vote', txid, branch, vote: 'commit' });
    return txid;
  }

  async function acknowledges(peer: RawPeer, voted: string): Promise<void> {
    // A commit that was answered late has come twice.
    const { txid, branch } = await peer.next('commit', (commit) => commit.txid === voted);
    peer.send({ type: 'ack', txid, branch, decision: 'commit', ok: true });
  }

  it('are silent while all is well, and every panel of the dashboard has its series', async () => {
    const stock = await RawPeer.participant(node.url, 'stock');
    for (let at = 0; at < 5; at += 1) {
      const answer = transact('stock');
      await acknowledges(stock, await votes(stock));
      await answer;
      await sleep(500);
    }
    const commits = 'verdict_transactions_ended_total{outcome="committed"}';
    const counted = async () => (await prometheus.query(commits))[0]?.value[1];
    await expect.poll(counted, patience).toBe('5');
    await sleep(2_000);
    const firing = async () =>
      (await prometheus.alerts())
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels['alertname'] ?? '');
    expect((await firing()).filter((name) => !ofMachine.includes(name))).toEqual([]);
    await expect.poll(firing, patience).toEqual([]);
    for (const { title, expr } of dashboardQueries({ job: 'verdict', interval: '12s' })) {
      const text = `${title}: ${expr}`;
      await expect(prometheus.query(expr), text).resolves.toBeDefined();
    }
    await stock.close();
  });

  it('VerdictAttention: a participant votes, and does not say that it has committed', async () => {
    const silent = await RawPeer.participant(node.url, 'silent');
    const answer = transact('silent');
    await votes(silent);
    await answer;
    await fires('VerdictAttention');
    await silent.close();
  });

  it('VerdictBreakerOpen: a participant does not vote', async () => {
    const mute = await RawPeer.participant(node.url, 'mute');
    await transact('mute');
    await transact('mute');
    await fires('VerdictBreakerOpen');
    await mute.close();
  });

  it('VerdictAbortsMany: what comes is rolled back', async () => {
    const ended = Date.now() + 4_000;
    while (Date.now() < ended) {
      id += 1;
      const begun = await client.ask({ type: 'begin', id });
      id += 1;
      if (begun.type === 'begun') await client.ask({ type: 'rollback', id, txid: begun.txid });
      await sleep(100);
    }
    await fires('VerdictAbortsMany');
  });

  it('VerdictQueueNearBound: nearly as many request ids are kept as may be', async () => {
    const stock = await RawPeer.participant(node.url, 'stock');
    for (let at = 0; at < 7; at += 1) {
      const answer = transact('stock', { requestId: `order-${at}`, requestAgeMs: 0, attempt: 1 });
      await acknowledges(stock, await votes(stock));
      await answer;
    }
    await fires('VerdictQueueNearBound');
    await stock.close();
  });

  it('VerdictEventLoopBlocked: the process stands still for a second', async () => {
    await isQuiet('VerdictEventLoopBlocked');
    process.kill(node.child.pid, 'SIGSTOP');
    await sleep(1_000);
    process.kill(node.child.pid, 'SIGCONT');
    await fires('VerdictEventLoopBlocked');
  });

  it('VerdictLogSlow: etcd takes its time with a commit', async () => {
    await isQuiet('VerdictLogSlow');
    const slow = await RawPeer.participant(node.url, 'slow');
    const answer = transact('slow');
    etcd.member.pause();
    const voted = await votes(slow);
    await sleep(700);
    etcd.member.resume();
    await answer;
    await acknowledges(slow, voted);
    await fires('VerdictLogSlow');
    await slow.close();
  });

  it('VerdictLeaseNearlyLost, VerdictNoLeader, VerdictLogFailing and VerdictLeadersChange: etcd stands still', async () => {
    await isQuiet('VerdictLeaseNearlyLost');
    await isQuiet('VerdictNoLeader');
    etcd.member.pause();
    await fires('VerdictLeaseNearlyLost');
    await fires('VerdictNoLeader');
    await fires('VerdictLogFailing');
    etcd.member.resume();
    await isQuiet('VerdictNoLeader');
    // Under another epoch.
    await fires('VerdictLeadersChange');
  });

  it('VerdictNodeDown: its process is killed', async () => {
    await isQuiet('VerdictNodeDown');
    await node.kill();
    await fires('VerdictNodeDown');
  });
});
