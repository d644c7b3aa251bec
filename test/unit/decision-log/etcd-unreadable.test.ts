/** What is under finished/ and cannot be read: collection passes it over, and it stays. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makePosition, positionOf, type Txid } from '../../../src/core/txid.ts';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import { found, get, put, remove } from '../../../src/decision-log/etcd/requests.ts';
import type {
  Collected,
  CollectOptions,
  DecisionLog,
  Leadership,
} from '../../../src/ports/decision-log.ts';
import { collectAll } from '../../contract/decision-log/rig.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog } from '../../support/etcd/simulated-leader.ts';
import { commitOf, decideAll, never, txidAt } from '../../support/logs/stores.ts';

const keys = new EtcdKeys('simulated').shard(0);
const junk = Buffer.from('no record');
let etcd: SimulatedEtcd;
let log: DecisionLog;
let leadership: Leadership;

beforeEach(async () => {
  etcd = new SimulatedEtcd();
  log = etcd.awaited(await openSimulatedLog(etcd, etcd.process('node'), 3_000));
  leadership = await log.campaign(0, { signal: never });
});
afterEach(async () => {
  await log.close();
  etcd.close();
});

const txid = (sequence: number): Txid => txidAt(leadership.epoch, sequence);
const finished = (sequence: number): Buffer => keys.finishedRecord(txid(sequence));
const requestId = (sequence: number): string => `r${sequence}`;

async function decideFinished(sequences: readonly number[]): Promise<void> {
  await decideAll(
    leadership,
    sequences.map((at) => commitOf(txid(at), { finished: true, requestId: requestId(at) })),
  );
}

function written(key: Buffer, value: Buffer): Promise<unknown> {
  return etcd.during(() => etcd.stub().kv.txn({ success: [put(key, value)] }));
}

async function there(key: Buffer): Promise<Buffer | null> {
  const { responses } = await etcd.during(() => etcd.stub().kv.txn({ success: [get(key)] }));
  return found(responses, 0)?.value ?? null;
}

/** As a leader's turn: step by step, until there is no more. */
async function collected(given: Partial<CollectOptions> = {}): Promise<readonly Collected[]> {
  const steps: Collected[] = [];
  for (let more = true; more && steps.length < 50; ) {
    const below = makePosition(leadership.epoch, 99);
    const step = await leadership.collect({ ...collectAll, ...given, below });
    steps.push(step);
    more = step.more;
  }
  expect(steps.at(-1)?.more).toBe(false);
  return steps;
}

const sum = (steps: readonly Collected[]): number =>
  steps.reduce((all, one) => all + one.collected, 0);

it.each([
  { name: 'the first', bad: [1] },
  { name: 'one between others', bad: [3] },
  { name: 'several, and the last', bad: [2, 3, 5] },
  { name: 'all', bad: [1, 2, 3, 4, 5] },
])('$name: it stays with its request, and the others go', async ({ bad }) => {
  const all = [1, 2, 3, 4, 5];
  await decideFinished(all);
  for (const at of bad) await written(finished(at), junk);
  for (const limit of [100, 2, 1]) {
    const steps = await collected({ limit });
    const good = all.filter((at) => !bad.includes(at));
    if (limit === 100) {
      expect(sum(steps)).toBe(good.length);
      if (good.length > 0) expect(steps.at(-1)?.floor).toBe(positionOf(txid(good.at(-1) ?? 0)));
    } else expect(sum(steps)).toBe(0);
    for (const at of all) {
      const isBad = bad.includes(at);
      expect((await there(finished(at))) !== null, `${at}`).toBe(isBad);
      expect((await leadership.readRequest(requestId(at))) !== null, `${at}`).toBe(isBad);
    }
  }
  expect(leadership.requestCount()).toBe(bad.length);
  expect(leadership.isCertain()).toBe(true);
  // Neither "expired" nor "abort": it is not known what it was.
  for (const at of bad) await expect(log.read(txid(at))).rejects.toThrow('finished record');
});

it('is told once as what an operator has to mend, and no more once it is mended', async () => {
  await decideFinished([1, 2, 3]);
  const value = await there(finished(2));
  await written(finished(2), junk);
  expect(log.problems?.()).toEqual([]);
  await collected();
  await collected();
  expect(log.problems?.()).toEqual([expect.stringContaining(finished(2).toString())]);
  expect(log.figures?.unreadable).toBe(1);
  await written(finished(2), value ?? junk);
  expect(sum(await collected())).toBe(1);
  expect(log.problems?.()).toEqual([]);
  expect(log.figures?.unreadable).toBe(0);
});

it('is told by who leads alone', async () => {
  await decideFinished([1]);
  await written(finished(1), junk);
  await collected();
  await leadership.resign();
  expect(log.problems?.()).toEqual([]);
  expect(log.figures?.unreadable).toBe(0);
});

it('a key that is no txid is passed over too, and never becomes the floor', async () => {
  await decideFinished([1, 2]);
  const stray = Buffer.concat([keys.finished.key, Buffer.from('-.zzz')]);
  await written(stray, (await there(finished(1))) ?? junk);
  const steps = await collected();
  expect(sum(steps)).toBe(2);
  expect(steps.at(-1)?.floor).toBe(positionOf(txid(2)));
  expect(await there(stray)).not.toBeNull();
});

it('one that is too young still ends the look, and those behind it are kept', async () => {
  await decideFinished([1]);
  await leadership.tick(1_000);
  await decideFinished([2, 3]);
  await written(finished(2), junk);
  const steps = await collected({ retentionMs: 500, retentionMsMin: 500 });
  expect(sum(steps)).toBe(1);
  expect(await there(finished(3))).not.toBeNull();
});

it('what is finished late, below it in order, is collected in the next turn', async () => {
  await decideAll(leadership, [commitOf(txid(1))]);
  await decideFinished([2, 3]);
  await written(finished(2), junk);
  await collected();
  await leadership.finish([txid(1)]);
  expect(sum(await collected())).toBe(1);
  expect(await there(finished(1))).toBeNull();
  await etcd.during(() => etcd.stub().kv.txn({ success: [remove(finished(2))] }));
});

const young = { retentionMs: 500, retentionMsMin: 500 };
const told = (): number => Number(/^\d+/.exec(log.problems?.()[0] ?? '0')?.[0]);

it.each<[string, () => Promise<Partial<CollectOptions>>]>([
  ['too young', async () => young],
  ['needed for its request', async () => ({ keepsRequest: (id) => id === requestId(2) })],
])('those behind one that is %s are still told', async (_what, given) => {
  await decideFinished([1, 4, 5]);
  await written(finished(1), junk);
  await written(finished(4), junk);
  await written(finished(5), junk);
  await leadership.tick(1_000);
  await collected();
  expect([told(), log.figures?.unreadable]).toEqual([3, 3]);
  // It lies before two of them in order.
  await decideFinished([2]);
  for (let turns = 0; turns < 2; turns += 1) {
    await collected(await given());
    expect([told(), log.figures?.unreadable]).toEqual([3, 3]);
  }
  await written(finished(3), junk);
  await collected();
  expect([told(), log.figures?.unreadable]).toEqual([4, 4]);
});

it('what is mended is no more told though a turn never comes to the end', async () => {
  await decideFinished([1, 2]);
  await written(finished(1), junk);
  await written(finished(2), junk);
  await leadership.tick(1_000);
  await collected();
  await decideFinished([3]);
  await etcd.during(() => etcd.stub().kv.txn({ success: [remove(finished(2))] }));
  await collected(young);
  expect([told(), log.figures?.unreadable]).toEqual([1, 1]);
  await etcd.during(() => etcd.stub().kv.txn({ success: [remove(finished(1))] }));
  await collected(young);
  expect([told(), log.figures?.unreadable]).toEqual([0, 0]);
  expect(await there(finished(3))).not.toBeNull();
});

it('a turn that ends early adds what it has seen', async () => {
  await decideFinished([1, 4]);
  await written(finished(4), junk);
  await leadership.tick(1_000);
  await collected();
  await decideFinished([2, 3]);
  await written(finished(1), junk);
  await written(finished(2), junk);
  await collected(young);
  expect(told()).toBe(2);
  // Of the one behind it nothing new is known.
  await etcd.during(() => etcd.stub().kv.txn({ success: [remove(finished(1))] }));
  await collected(young);
  expect(told()).toBe(2);
  await collected();
  expect(told()).toBe(2);
});
