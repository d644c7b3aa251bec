/**
 * What `npm run fuzz` sends by default. Its seed is fixed; what meets what is the machine's, so
 * that no two runs are quite the same.
 */
import { expect, it } from 'vitest';
import { fuzzLive } from '../fuzz/live.ts';

const frames = 100_000;

it('a hundred thousand hostile frames leave a node as it was, and good clients with their answers', {
  timeout: 300_000,
}, async () => {
  const result = await fuzzLive({ frames, seed: 20_261_121 });
  expect(result.faults).toEqual([]);
  expect(result.frames).toBeGreaterThanOrEqual(frames);
  // The good clients went on all the while.
  expect(result.attacked.count).toBeGreaterThan(0);
});
