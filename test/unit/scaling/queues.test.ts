/** What the simulation of deployments is built on. */
import { expect, it } from 'vitest';
import { EventQueue } from '../../../scripts/scaling/event-queue.ts';
import { Histogram } from '../../../scripts/scaling/histogram.ts';
import { Servers } from '../../../scripts/scaling/servers.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

it('gives events in the order of their times, with what they are about', () => {
  const { fraction } = seededRandom(9);
  const queue = new EventQueue();
  const times = Array.from({ length: 5_000 }, () => fraction());
  const given: number[] = [];
  for (const [index, atMs] of times.entries()) {
    queue.add(atMs, index % 200, index, index + 1);
    // Some go while others come.
    if (index % 3 === 0) take();
  }
  while (queue.size > 0) take();
  expect(queue.next()).toBeNull();
  expect(given.toSorted((a, b) => a - b)).toEqual(times.toSorted((a, b) => a - b));

  const rest = new EventQueue();
  for (const [index, atMs] of times.entries()) rest.add(atMs, 0, index);
  const order = times.map(() => rest.next()?.atMs ?? Number.NaN);
  expect(order).toEqual(times.toSorted((a, b) => a - b));

  function take(): void {
    const event = queue.next();
    if (event === null) throw new Error('It was not empty.');
    expect(event.atMs).toBe(times[event.subject]);
    expect([event.type, event.part]).toEqual([event.subject % 200, event.subject + 1]);
    given.push(event.atMs);
  }
});

it('knows percentiles to 2%', () => {
  const histogram = new Histogram();
  expect(histogram.percentile(0.5)).toBeNaN();
  for (let ms = 1; ms <= 1_000; ms += 1) histogram.add(ms);
  for (const part of [0.5, 0.99, 1]) {
    expect(histogram.percentile(part)).toBeGreaterThanOrEqual(1_000 * part * (1 - 1e-9));
    expect(histogram.percentile(part)).toBeLessThan(1_000 * part * 1.021);
  }
  const resting = new Histogram();
  resting.add(0);
  expect(resting.percentile(1)).toBe(0);
});

it('serves one after the other, and wakes who rests', () => {
  const servers = new Servers(2, 1);
  expect(servers.serve(0, 10, 2)).toBe(13);
  // It works: no turn of its own.
  expect(servers.serve(0, 11, 2)).toBe(15);
  expect(servers.serve(1, 11, 2)).toBe(14);
  expect(servers.serve(0, 20, 2)).toBe(23);
  expect(servers.shares([0], 100)).toEqual({ work: 0.06, busy: 0.08 });
  expect(servers.shares([0, 1], 100).work).toBeCloseTo(0.04);
  expect(servers.mostWork(100)).toBeCloseTo(0.06);
  expect(servers.waits.percentile(1)).toBeGreaterThanOrEqual(2);
});

it('does not count what was before', () => {
  const servers = new Servers(1);
  servers.countFrom(10);
  servers.serve(0, 5, 3);
  servers.serve(0, 10, 4);
  expect(servers.shares([0], 10)).toEqual({ work: 0.4, busy: 0.4 });
});
