import { expect, it } from 'vitest';
import type { Deployment } from '../../../scripts/scaling/deployment.ts';
import { busiestService, Services } from '../../../scripts/scaling/services.ts';
import { simulate } from '../../../scripts/scaling/simulate.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { costs, small } from './samples.ts';

const run = { seed: 5, warmUpMs: 100, durationMs: 1_000 } as const;

it('is the same with the same seed, and another with another', () => {
  expect(simulate(costs, small, run)).toEqual(simulate(costs, small, run));
  expect(simulate(costs, small, { ...run, seed: 6 })).not.toEqual(simulate(costs, small, run));
});

it('takes a lone transaction through each of its steps', () => {
  const instant = { ...costs.leader, busyMs: { base: 0, slope: 0 }, wakeMs: 0 };
  const free = {
    ...costs,
    leader: instant,
    participants: instant,
    client: instant,
    etcd: { transactionMs: 0, writeMs: 0, wakeMs: 0 },
  };
  const { p50Ms } = simulate(free, { ...small, perSecond: 20 }, run);
  // Client and leader, participants, etcd and its members: four times there and back. Two flushes.
  const { roundTripMs, flushMs } = small.place;
  expect(p50Ms).toBeGreaterThanOrEqual(4 * roundTripMs + 2 * flushMs - 1e-9);
  expect(p50Ms).toBeLessThan((4 * roundTripMs + 2 * flushMs) * 1.03);
});

it('uses of each resource what the model says', () => {
  const simulated = simulate(costs, small, run);
  const work = new Map(simulated.resources.map((each) => [each.resource, each.work]));
  const off = (name: 'leader' | 'service' | 'client', expected: number): number =>
    Math.abs((work.get(name) ?? Number.NaN) / expected - 1);
  // What it does at rest slows the leader down.
  expect(off('leader', (1_000 * 0.16) / 1_000 / (1 - 0.0273))).toBeLessThan(0.1);
  expect(off('client', (400 * 0.03) / 1_000)).toBeLessThan(0.1);
  expect(simulated.perSecond / small.perSecond).toBeGreaterThan(0.95);
  expect(simulated.decisionsInBatch).toBeGreaterThanOrEqual(1);
});

it('answers no more than the fullest can, and has fuller writes then', () => {
  const light = simulate(costs, small, run);
  const over = simulate(costs, { ...small, perSecond: 40_000 }, { ...run, durationMs: 300 });
  // Four threads of 0.16 ms each.
  expect(over.perSecond).toBeLessThan(4 / 0.00016);
  expect(over.resources.find(({ resource }) => resource === 'leader')?.work).toBeGreaterThan(0.95);
  expect(over.decisionsInBatch).toBeGreaterThan(light.decisionsInBatch);
  expect(over.p99Ms).toBeGreaterThan(10 * light.p99Ms);
});

it('makes those of a dead node wait for its successor, and loses none', () => {
  const takeoverMs = 100;
  const plain = simulate(costs, small, run);
  const lost = simulate(costs, small, { ...run, takeoverMs });
  expect(plain.maxMs).toBeLessThan(takeoverMs);
  expect(lost.maxMs).toBeGreaterThan(takeoverMs);
  expect(lost.begunAgain).toBeGreaterThan(0);
  expect(lost.perSecond / plain.perSecond).toBeGreaterThan(0.98);
  expect(lost.p50Ms).toBeLessThan(2 * plain.p50Ms);
});

it('draws different services, the busiest most', () => {
  const { fraction } = seededRandom(3);
  const services = new Services(small, fraction);
  const busiest = new Set(busiestService({ ...small, serviceProcesses: 20 }));
  expect([...busiest]).toEqual([0]);
  const even: Deployment = { ...small, serviceProcesses: 20 };
  const single = new Services(even, fraction);
  const drawn = new Int32Array(3);
  const counts = Array.from({ length: 20 }, () => 0);
  for (let round = 0; round < 2_000; round += 1) {
    single.choose(drawn, 0, 3);
    expect(new Set(drawn).size).toBe(3);
    for (const process of drawn) counts[process] = (counts[process] ?? 0) + 1;
  }
  expect(counts[0]).toBe(Math.max(...counts));
  expect(counts[0]).toBeGreaterThan(3 * (counts[19] ?? 0));
  services.choose(drawn, 0, 3);
  expect(Math.max(...drawn)).toBeLessThan(small.serviceProcesses);
});
