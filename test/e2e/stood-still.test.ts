/**
 * A process that stood still - throttled in a small container, a machine that was moved or
 * suspended - has its time-outs overdue before it has read what others sent meanwhile.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const prepareTimeoutMs = 1_500 * slownessFactor;
const standstillMs = 3_000 * slownessFactor;
/** Past it b votes: while the node stands still, or before. */
const prepareMs = 1_000;

let cluster: Cluster;
let client: Client;

beforeEach(async () => {
  cluster = await Cluster.started({
    participants: ['a', 'b'],
    options: { prepareTimeoutMs, prepareTimeoutMsMin: 0, transactionTimeoutMs: 60_000 },
  });
  client = await cluster.client();
});

afterEach(async () => {
  for (const child of [cluster.node.child, ...childrenOf('a', 'b')]) child.signal('SIGCONT');
  await cluster.remove();
});

function childrenOf(...names: string[]) {
  return names.map((name) => cluster.participant(name).child);
}

/** Under way, and b at work for that long. */
async function atWork(count: number, delayMs = prepareMs) {
  const calls = Array.from({ length: count }, () =>
    cluster.history.transact(client, { a: {}, b: { delayMs } }),
  );
  await eventually(
    () => (cluster.participant('b').state().held.length === count ? true : null),
    () => 'b to be at work',
  );
  return calls;
}

it('a node that stood still counts the votes that came meanwhile', async () => {
  const calls = await atWork(10);
  cluster.node.child.signal('SIGSTOP');
  await pause(standstillMs);
  cluster.node.child.signal('SIGCONT');
  const ended = await Promise.all(calls);
  expect(ended.map((call) => `${call.ended} ${call.code}`)).toEqual(Array(10).fill('ok null'));
  // Nor does it hold its own absence against them.
  expect(await cluster.history.transact(client, { a: {}, b: {} })).toMatchObject({ ended: 'ok' });
  expect(await cluster.settled()).toEqual([]);
});

it('those that stood still with it, as on one machine, have a moment to answer', async () => {
  const calls = await atWork(10);
  const all = [cluster.node.child, ...childrenOf('a', 'b')];
  for (const child of all) child.signal('SIGSTOP');
  await pause(standstillMs);
  for (const child of all) {
    child.signal('SIGCONT');
    await pause(100);
  }
  const ended = await Promise.all(calls);
  expect(ended.map((call) => `${call.ended} ${call.code}`)).toEqual(Array(10).fill('ok null'));
  expect(await cluster.settled()).toEqual([]);
});

it('a participant that stands still alone is not waited for any longer', async () => {
  const calls = await atWork(1, 2 * standstillMs);
  const [b] = childrenOf('b');
  b?.signal('SIGSTOP');
  // It ends while b is still stopped.
  const [call] = await Promise.all(calls);
  b?.signal('SIGCONT');
  expect(call).toMatchObject({ ended: 'fail', code: 'PREPARE_TIMEOUT' });
  expect(await cluster.settled()).toEqual([]);
});
