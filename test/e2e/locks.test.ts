/**
 * Named locks between processes: in order, whole, never forever, and not held by who stands in a
 * cycle.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { LocksReply } from '../../src/core/messages.ts';
import type { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { pause } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

/** Longer than any test may take: what ends a wait is not the time. */
const never = 120_000;
const long = { timeoutMs: never };

let cluster: Cluster;
let client: Client;
let other: Client;
let operator: RawPeer;

beforeAll(async () => {
  cluster = await Cluster.started({ participants: ['a', 'b'] });
  client = await cluster.client();
  other = await cluster.client();
  operator = await cluster.operator();
});

afterAll(async () => {
  expect(await cluster.settled()).toEqual([]);
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

let asked = 0;
async function listing(): Promise<LocksReply['locks']> {
  asked += 1;
  return ((await operator.ask({ type: 'locks', id: asked })) as LocksReply).locks;
}

async function waiters(key: string, count: number): Promise<LocksReply['locks'][number]> {
  for (;;) {
    const found = (await listing()).find((lock) => lock.key === key);
    if (found !== undefined && found.waiting === count) return found;
    await pause(10);
  }
}

/** What each participant did for the call, for the run's final check. */
const call = (participant: string, script: object = {}) => ({
  participant,
  payload: { ...script, tag: randomUUID() },
});

describe('named locks', () => {
  it('are granted in the order in which they were asked for', async () => {
    const holder = await client.begin(long);
    await holder.lock('queue');
    const granted: number[] = [];
    const all = await Promise.all(Array.from({ length: 20 }, () => client.begin(long)));
    const ends = all.map(async (tx, index) => {
      await tx.lock('queue', { waitMs: never });
      granted.push(index);
      await tx.rollback();
    });
    await waiters('queue', 20);
    await holder.rollback();
    await Promise.all(ends);
    expect(granted).toEqual(all.map((_, index) => index));
  });

  it('keep a one-shot waiting before its first prepare, and are listed for operators', async () => {
    const holder = await client.begin(long);
    await holder.lock(['x', 'y'], { mode: 'shared' });
    const transact = other.transact({
      locks: [{ keys: ['x'] }],
      branches: [call('a')],
      timeoutMs: never,
      lockWaitMs: never,
    });
    const lock = await waiters('x', 1);
    expect(lock).toMatchObject({
      group: 'default',
      holders: [{ txid: holder.txid, mode: 'shared' }],
      waiters: [{ mode: 'exclusive' }],
    });
    expect((await other.status(lock.waiters[0]?.txid ?? '')).locks).toMatchObject([
      { key: 'x', held: false, waitsFor: [holder.txid] },
    ]);
    const url = cluster.node.url;
    const shown = await runCli(['locks', '--url', url, '--waiting']);
    expect(
      shown.out
        .split('\n')
        .slice(1, 3)
        .map((line) => line.split(/ {2,}/).slice(1, 4)),
    ).toEqual([
      ['x', 'held', 'shared'],
      ['x', 'waits', 'exclusive'],
    ]);
    expect(shown.out).toContain(holder.txid);
    expect((await runCli(['locks', '--url', url, '--group', 'none'])).out).toContain(
      'No such lock',
    );
    const waiter = await runCli(['tx', 'show', lock.waiters[0]?.txid ?? '', '--url', url]);
    expect(waiter.out).toContain(holder.txid);
    await holder.rollback();
    expect(await transact).toMatchObject({ outcome: 'committed' });
    expect((await listing()).filter(({ key }) => key === 'y')).toEqual([]);
  });

  it('of a deadlock are taken from the youngest at once, and `run` runs it again', async () => {
    const [elder, younger] = [await client.begin(long), await other.begin(long)];
    await elder.lock('l', { waitMs: never });
    await younger.lock('r', { waitMs: never });
    const waits = elder.lock('r', { waitMs: never });
    await waiters('r', 1);
    await expect(younger.lock('l', { waitMs: never })).rejects.toMatchObject({
      code: 'DEADLOCK',
      retryable: true,
      txid: younger.txid,
    });
    await waits;
    expect(await younger.commit()).toMatchObject({
      outcome: 'aborted',
      reason: {
        code: 'DEADLOCK',
        detail: {
          cycle: [
            { txid: younger.txid, waitsFor: 'l' },
            { txid: elder.txid, waitsFor: 'r' },
          ],
        },
      },
    });
    await elder.rollback();
    let runs = 0;
    const both = [
      ['l', 'r'],
      ['r', 'l'],
    ].map((order, index) =>
      (index === 0 ? client : other).run(
        async (tx, { attempt }) => {
          runs += 1;
          await tx.lock(order[0] as string, { waitMs: never });
          // The first time each waits until the other has its first.
          while (
            attempt === 1 &&
            (await listing()).filter(({ holding }) => holding > 0).length < 2
          ) {
            await pause(5);
          }
          await tx.lock(order[1] as string, { waitMs: never });
          await tx.enlist(call('a'));
        },
        { transaction: long },
      ),
    );
    expect(await Promise.all(both)).toMatchObject([
      { outcome: 'committed' },
      { outcome: 'committed' },
    ]);
    expect(runs).toBeGreaterThanOrEqual(3);
  });

  it('are not waited for longer than `waitMs`', async () => {
    const holder = await client.begin(long);
    await holder.lock('k');
    const impatient = await other.begin(long);
    await expect(impatient.lock('k', { waitMs: 50 })).rejects.toMatchObject({
      code: 'LOCK_TIMEOUT',
      retryable: true,
    });
    expect(
      await other.transact({ locks: [{ keys: ['k'] }], lockWaitMs: 50, branches: [call('a')] }),
    ).toMatchObject({ outcome: 'aborted', reason: { code: 'LOCK_TIMEOUT', retryable: true } });
    await holder.rollback();
  });

  it('are not held longer than `lockHoldMs` without a decision', async () => {
    const own = await Cluster.started({ participants: ['a'], options: { lockHoldMs: 500 } });
    try {
      const user = await own.client();
      const holder = await user.begin(long);
      await holder.lock('k');
      await holder.enlist(call('a'));
      const patient = await user.begin(long);
      await patient.lock('k', { waitMs: never });
      expect(await holder.commit()).toMatchObject({
        outcome: 'aborted',
        reason: { code: 'LOCK_TIMEOUT' },
      });
      expect(await own.settled()).toEqual([]);
    } finally {
      await own.remove();
    }
  });

  it('come free with a client that is gone, at the end of its transaction', async () => {
    const gone = await cluster.client();
    const tx = await gone.begin({ timeoutMs: 6_000 });
    await tx.lock('k');
    const waiting = await gone.begin({ timeoutMs: 6_000 });
    waiting.lock('k', { waitMs: never }).catch(() => undefined);
    await waiters('k', 1);
    await gone.close();
    const next = await client.begin(long);
    await next.lock('k', { waitMs: never });
    await next.rollback();
  });

  it('are part of what a requestId stands for', async () => {
    const requestId = randomUUID();
    const branches = [call('a')];
    const first = await client.transact({ requestId, locks: [{ keys: ['k', 'l'] }], branches });
    const keys = ['l', 'k'];
    expect(await other.transact({ requestId, locks: [{ keys }], branches })).toMatchObject({
      outcome: 'committed',
      txid: first.txid,
    });
    await expect(client.transact({ requestId, branches })).rejects.toMatchObject({
      code: 'REQUEST_CONFLICT',
    });
    await expect(
      client.transact({ requestId, locks: [{ keys }], lockGroup: 'other', branches }),
    ).rejects.toMatchObject({ code: 'REQUEST_CONFLICT' });
  });
});
