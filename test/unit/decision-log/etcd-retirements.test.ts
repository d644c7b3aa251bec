/**
 * How nodes hear of what was retired, where watches tell nothing, processes stand still, and
 * entries are late. The etcd is the simulation's.
 */
import { afterEach, expect, it } from 'vitest';
import type { Retired } from '../../../src/core/retired.ts';
import { SimulatedEtcd } from '../../support/etcd/simulated-etcd.ts';
import { openSimulatedLog } from '../../support/etcd/simulated-leader.ts';

const leaseTtlMs = 3_000;
const one = { participant: 'p', instance: 'i' };

let etcd: SimulatedEtcd;
afterEach(() => etcd.close());

async function open(name: string) {
  const process = etcd.process(name);
  const log = await openSimulatedLog(etcd, process, leaseTtlMs);
  const heard: Retired[] = [];
  log.watchRetired((retired) => heard.push(retired));
  return { process, log, heard };
}

it('is heard by a node whose watch tells nothing, before the answer', async () => {
  etcd = new SimulatedEtcd({ faults: { deafWatch: () => true } });
  const [a, b] = [await open('a'), await open('b')];
  await etcd.during(() => a.log.retire(one));
  expect(b.heard).toEqual([one]);
});

it('waits for a node that stands still until its lease has ended, and not for one that is gone', async () => {
  etcd = new SimulatedEtcd();
  const [a, b, c] = [await open('a'), await open('b'), await open('c')];
  b.process.pause();
  c.process.kill();
  const beganMs = etcd.world.nowMs;
  await etcd.during(() => a.log.retire(one));
  const waitedMs = etcd.world.nowMs - beganMs;
  expect(waitedMs).toBeGreaterThan(leaseTtlMs / 4);
  expect(waitedMs).toBeLessThan(3 * leaseTtlMs);
  expect(b.heard).toEqual([]);
  // It has no lease any more, and hears when it goes on; what it answers before shows it
  // (`reading.ts`).
  b.process.resume();
  await etcd.during(() => etcd.sleep(2_000));
  expect(b.heard).toEqual([one]);
});

it('is heard of by one that starts just then', async () => {
  etcd = new SimulatedEtcd();
  const a = await open('a');
  const late = open('b');
  await etcd.during(() => a.log.retire(one));
  const b = await late;
  const heard = await etcd.during(() => b.log.retired());
  expect(heard).toEqual([one]);
});

it('fails where a node holds its lease and does not hear, and says which; it may be said again', async () => {
  etcd = new SimulatedEtcd();
  const [a, b] = [await open('a'), await open('b')];
  let isDeaf = true;
  const known = b.log;
  known.watchRetired(() => {
    if (isDeaf) throw new Error('It cannot be told.');
  });
  await expect(etcd.during(() => a.log.retire(one))).rejects.toThrow(
    /not every node .* b at ws:\/\/b/,
  );
  isDeaf = false;
  await etcd.during(() => a.log.retire(one));
});
