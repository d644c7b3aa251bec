import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { closedLoop, latenciesOf, median, medians, percentile, refused } from '../../bench/load.ts';

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

it('takes the median of each figure by itself, and all failures', () => {
  expect(median([10, 9, 100])).toBe(10);
  const one = { count: 1, perSecond: 1, p50Ms: 9, p99Ms: 1, p999Ms: 1, failed: 0, failures: {} };
  const rounds = [
    one,
    { ...one, perSecond: 3, p50Ms: 7, failed: 2, failures: { BUSY: 2 } },
    { ...one, perSecond: 2, p50Ms: 8, failed: 3, failures: { BUSY: 1, TIMEOUT: 2 } },
  ];
  const failures = { BUSY: 3, TIMEOUT: 2 };
  expect(medians(rounds)).toEqual({ ...one, perSecond: 2, p50Ms: 8, failed: 5, failures });
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
    // As many at least are of the warm-up, and fewer of the end by the one that ended it.
    expect(measured.count).toBeLessThanOrEqual(calls - 7 - 6);
    // No shorter than was asked for.
    expect(measured.perSecond).toBeLessThanOrEqual(measured.count / 0.04);
    expect([measured.failed, measured.failures]).toEqual([0, {}]);
  });

  it('goes on until as many have ended as are in flight', async () => {
    const { count } = await closedLoop({
      inFlight: 60,
      // Less than they take, and a tenth of what a busy machine may need for them.
      durationMs: 200,
      warmUpMs: 0,
      one: serially(() => pause(5)),
    });
    expect(count).toBeGreaterThanOrEqual(60);
  });

  it('does not go on for that without an end', async () => {
    const { count } = await closedLoop({
      inFlight: 200,
      durationMs: 2,
      one: serially(() => pause(1)),
    });
    expect(count).toBeLessThan(200);
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

  it('counts failures by what they were where it is to go on, and no latency of theirs', async () => {
    let calls = 0;
    const measured = await closedLoop({
      inFlight: 3,
      durationMs: 60,
      tolerant: true,
      one: () => {
        calls += 1;
        const busy = Object.assign(new Error('Come again.'), { code: 'BUSY' });
        return Promise.reject(calls === 1 ? new Error('gone') : busy);
      },
    });
    expect(Object.keys(measured.failures).sort()).toEqual(['BUSY', 'gone']);
    expect(measured.failures['gone']).toBe(1);
    expect([measured.count, measured.failed]).toEqual([0, (measured.failures['BUSY'] ?? 0) + 1]);
  });
});

function serially(body: () => Promise<unknown>): () => Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    last = last.then(body);
    return last;
  };
}

it('comes back with one that was refused when it was told to', async () => {
  const sentMs: number[] = [];
  const retryAfterMs = 150;
  await closedLoop({
    inFlight: 1,
    durationMs: 1,
    tolerant: true,
    one: async () => {
      sentMs.push(performance.now());
      if (sentMs.length > 1) return pause(2);
      throw refused({
        code: 'PARTICIPANT_UNAVAILABLE',
        message: '',
        retryable: true,
        retryAfterMs,
      });
    },
  });
  const [first = 0, second = 0] = sentMs;
  // A timer may fire a part of a millisecond early.
  expect(second - first).toBeGreaterThan(retryAfterMs - 2);
});
