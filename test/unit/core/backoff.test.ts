import { expect, it } from 'vitest';
import { backoffMs } from '../../../src/core/backoff.ts';

const delays = { retryDelayMs: 10, maxRetryDelayMs: 500 };

it('doubles with each failure, up to the longest pause, however many there were', () => {
  const pauses = [1, 2, 3, 6, 7, 40, 5_000].map((failures) => backoffMs(failures, delays));
  expect(pauses).toEqual([10, 20, 40, 320, 500, 500, 500]);
  expect(backoffMs(0, delays)).toBe(10);
});

it('leaves half of the pause to chance', () => {
  expect(backoffMs(3, delays, 0)).toBe(20);
  expect(backoffMs(3, delays, 0.5)).toBe(30);
});
