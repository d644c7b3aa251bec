/**
 * The node dies by kill -9 at every named point, comes back on its data, and everything ends as it
 * must. A point that is never reached fails the test.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { type CrashPoint, crashPoints } from '../../src/coordinator/crash-points.ts';
import { openEmbeddedLog } from '../../src/decision-log/embedded/log.ts';
import { systemClock } from '../../src/system/clock.ts';
import type { RecordedCall } from '../support/clients/history.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually } from '../support/process/child.ts';

/** Passed on the way to readiness, so that the node never becomes ready. */
const atStart: ReadonlySet<CrashPoint> = new Set([
  'leadership-taken',
  'recovery-read',
  'recovery-resumed',
]);

const all = { a: {}, b: {}, c: {} };
const tickMs = 10;
const requestWindowMs = 5_000;

let cluster: Cluster;
let client: Client;
let serial = 0;

beforeAll(async () => {
  cluster = await Cluster.started({
    options: { tickMs, maxFinished: 1 },
    requestWindowMs,
    participants: ['a', 'b', 'c'],
  });
  client = await cluster.client();
});

afterAll(async () => {
  await cluster.remove();
});

/**
 * Something of everything: commits with and without request id, an abort, one interactive, one
 * rolled back, reads.
 */
function load(): Promise<RecordedCall>[] {
  const { history } = cluster;
  serial += 1;
  return [
    history.transact(client, all),
    history.transact(client, all, { requestId: `request-${serial}` }),
    history.transact(client, { a: {}, b: { vote: 'abort' }, c: {} }),
    history.transact(client, { a: {}, b: { vote: 'readonly' } }),
    history.interactive(client, all),
    history.interactive(client, all, { rollback: true }),
  ];
}

/** Loads the node until it is dead; true if it died. */
async function loadUntilDeath(calls: Promise<RecordedCall>[]): Promise<boolean> {
  for (let round = 0; round < 20 && cluster.node.running; round += 1) {
    const begun = load();
    calls.push(...begun);
    // Or the death of the node: its clients then wait for the next one.
    await Promise.race([Promise.all(begun), cluster.node.child.exited]);
  }
  // Some points are passed a little after the answers.
  await eventually(
    () => (cluster.node.running ? null : true),
    () => 'the node to die',
  ).catch(() => undefined);
  return !cluster.node.running;
}

/** Makes every finished record old: collection goes by ticks, and a minute of them is the least. */
async function age(): Promise<void> {
  const log = await openEmbeddedLog({
    directory: cluster.log,
    node: 'n1',
    url: 'ws://127.0.0.1',
    clock: systemClock,
  });
  const leadership = await log.campaign(0, { signal: new AbortController().signal });
  await leadership.tick(requestWindowMs + 60_000 + 10 * tickMs);
  await log.close();
}

describe('a coordinator node killed at', () => {
  it.each(crashPoints)('%s', async (point) => {
    const calls: Promise<RecordedCall>[] = [];
    if (atStart.has(point)) {
      // Decisions that wait to be carried out, for the recovery to find.
      cluster.participant('c').child.signal('SIGSTOP');
      const begun = cluster.history.transact(client, { a: {}, b: {} });
      calls.push(begun, cluster.history.transact(client, all));
      await begun;
      await cluster.node.kill();
      cluster.participant('c').child.signal('SIGCONT');
      expect(await cluster.node.start({ crashAt: point })).toBe(false);
    } else {
      await cluster.node.stop();
      if (point === 'after-collect') await age();
      // Not the first: others are under way by then. Ones that pass once in a batch would take
      // long.
      const lone = point === 'after-collect' || point === 'finish-durable';
      expect(await cluster.node.start({ crashAt: lone ? point : `${point}:3` })).toBe(true);
      expect(await loadUntilDeath(calls), `${point} was never reached`).toBe(true);
    }
    expect(await cluster.node.died()).toEqual({ code: null, signal: 'SIGKILL' });
    await cluster.node.restart();
    const ended = await Promise.all(calls);
    const after = await cluster.history.transact(client, all);
    expect(after.ended).toBe('ok');
    expect(await cluster.settled()).toEqual([]);
    expect(ended.length).toBeGreaterThan(0);
    expect(cluster.node.alarms()).toEqual([]);
  });

  it('leaves one truth behind when all has stopped', async () => {
    await cluster.stop();
    expect(cluster.check()).toEqual([]);
    // The load was what it claims to be.
    const ended = new Set(cluster.history.calls.map((call) => call.ended));
    expect(ended).toContain('ok');
    expect(ended).toContain('fail');
  });
});
