/** `npm run fuzz -- --in-process` does the same with a million frames and any seed. */
import { expect, it } from 'vitest';
import { fuzzInProcess } from '../fuzz/in-process.ts';

const frames = 100_000;
const heapGrownBytesMax = 32 * 1_048_576;

it('a hundred thousand hostile frames break neither a node nor an SDK', async () => {
  const result = await fuzzInProcess({ frames, seed: 20_261_121 });
  expect(result.faults).toEqual([]);
  expect(result.frames).toBe(frames);
  expect(result.heapGrownBytes).toBeLessThan(heapGrownBytesMax);
  // They came past the door: transactions ran, branches were prepared, committed and rolled back.
  for (const type of ['welcome', 'begun', 'prepare', 'outcome', 'decision', 'rollback', 'list']) {
    expect(result.node.get(type) ?? 0, `the node's ${type}`).toBeGreaterThan(0);
  }
  for (const what of ['sent transact', 'sent vote', 'called prepare', 'called rollback']) {
    expect(result.sdks.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});
