import { expect, test } from 'vitest';
import { poissonArrivals, runOpenLoop } from '../../bench/rig/paced.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

test('arrivals come at the rate, in order, and as a Poisson process has them', () => {
  const durationMs = 100_000;
  const due = poissonArrivals({ perSecond: 500, durationMs, random: seededRandom(1) });
  expect(due).toEqual([...due].sort((a, b) => a - b));
  expect(due.at(-1)).toBeLessThan(durationMs);
  // 50,000 are expected; five standard deviations.
  expect(Math.abs(due.length - 50_000)).toBeLessThan(5 * Math.sqrt(50_000));
  // Of exponential gaps the variance is the square of the mean: 2 ms here, so 4.
  const gaps = due.slice(1).map((atMs, index) => atMs - (due[index] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  expect(mean).toBeCloseTo(2, 1);
  expect(variance / mean ** 2).toBeCloseTo(1, 1);
});

test('the same seed draws the same arrivals', () => {
  const drawn = (seed: number): number[] =>
    poissonArrivals({ perSecond: 100, durationMs: 1_000, random: seededRandom(seed) });
  expect(drawn(3)).toEqual(drawn(3));
  expect(drawn(3)).not.toEqual(drawn(4));
});

test('what a stall holds back is counted from when it was due', async () => {
  const due = Array.from({ length: 100 }, (_, index) => index);
  let first = true;
  const measured = await runOpenLoop({
    due,
    durationMs: 100,
    one: async () => {
      if (!first) return;
      first = false;
      // Nothing can be sent while this process is busy.
      const untilMs = performance.now() + 300;
      while (performance.now() < untilMs);
    },
  });
  expect(measured.count).toBe(100);
  // The last was due at 99 ms and cannot have been sent before 300.
  expect(measured.p50Ms).toBeGreaterThan(200);
  expect(measured.lateMs).toBeGreaterThan(200);
});

test('it does not wait for answers, and counts what fails', async () => {
  const due = [0, 0, 1, 1, 2, 2];
  const allSent = Promise.withResolvers<void>();
  let sent = 0;
  const measured = await runOpenLoop({
    due,
    durationMs: 3,
    one: async () => {
      sent += 1;
      const even = sent % 2 === 0;
      if (sent === due.length) allSent.resolve();
      await allSent.promise;
      if (even) throw new Error('refused');
    },
  });
  expect({ count: measured.count, failed: measured.failed }).toEqual({ count: 3, failed: 3 });
  // They would flatter it if they were left out.
  expect(measured.p50Ms).toBeLessThan(Number.POSITIVE_INFINITY);
  expect(measured.p99Ms).toBe(Number.POSITIVE_INFINITY);
  expect(measured.offeredPerSecond).toBe(2_000);
});
