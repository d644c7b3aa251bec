import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { closedLoop, latenciesOf, median, medians, percentile } from '../../bench/load.ts';

describe('percentile', () => {
  it.each([
    [[], 0.5, Number.NaN],
    [[7], 0.999, 7],
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3, 4], 0.75, 3],
    [[1, 2, 3, 4], 0.76, 4],
    [[1, 2, 3, 4], 0, 1],
    [[1, 2, 3, 4], 1, 4],
  ])('of %j at %d is %d', (sorted, part, value) => expect(percentile(sorted, part)).toBe(value));
});

it('sorts latencies as numbers', () => {
  const latencies = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  expect(latenciesOf(latencies)).toEqual({ count: 1_000, p50Ms: 500, p99Ms: 990, p999Ms: 999 });
});

it('takes the median of each figure by itself', () => {
  expect(median([10, 9, 100])).toBe(10);
  const one = { count: 1, perSecond: 1, p50Ms: 9, p99Ms: 1, p999Ms: 1, failed: 0 };
  const rounds = [one, { ...one, perSecond: 3, p50Ms: 7 }, { ...one, perSecond: 2, p50Ms: 8 }];
  expect(medians(rounds)).toMatchObject({ perSecond: 2, p50Ms: 8, count: 1 });
});

describe('closedLoop', () => {
  it('keeps so many in flight, warm-up included, and waits for the last', async () => {
    let now = 0;
    let most = 0;
    let calls = 0;
    const measured = await closedLoop({
      inFlight: 7,
      durationMs: 40,
      warmUpMs: 20,
      one: async () => {
        calls += 1;
        now += 1;
        most = Math.max(most, now);
        await pause(1);
        now -= 1;
      },
    });
    expect([most, now]).toEqual([7, 0]);
    // Those of the warm-up and of the end are not in it.
    expect(measured.count).toBeLessThan(calls);
    expect(measured.perSecond).toBe(measured.count / 0.04);
    expect(measured.failed).toBe(0);
  });

  it('counts nothing that ends after the time', async () => {
    const measured = await closedLoop({ inFlight: 2, durationMs: 5, one: () => pause(60) });
    expect([measured.count, measured.perSecond, measured.p50Ms]).toEqual([0, 0, Number.NaN]);
  });

  it('ends with the first failure', async () => {
    let calls = 0;
    const one = async (): Promise<void> => {
      calls += 1;
      await pause(1);
      if (calls === 3) throw new Error('aborted');
    };
    await expect(closedLoop({ inFlight: 1, durationMs: 60_000, one })).rejects.toThrow('aborted');
    expect(calls).toBe(3);
  });

  it('counts failures where it is to go on, and no latency of theirs', async () => {
    const measured = await closedLoop({
      inFlight: 3,
      durationMs: 60,
      tolerant: true,
      one: () => Promise.reject(new Error('busy')),
    });
    expect(measured.count).toBe(0);
    expect(measured.failed).toBeGreaterThanOrEqual(3);
  });
});
