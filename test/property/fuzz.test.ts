/** `npm run fuzz -- --in-process` does the same with a million frames and any seed. */
import { describe, expect, it } from 'vitest';
import { fuzzInProcess } from '../fuzz/in-process.ts';
import { NodeUnderFuzz } from '../fuzz/node-under-fuzz.ts';
import { regressions } from '../fuzz/regressions/index.ts';
import { SdksUnderFuzz } from '../fuzz/sdk-under-fuzz.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const frames = 100_000;
const maxHeapGrownBytes = 32 * 1_048_576;

it('a hundred thousand hostile frames break neither a node nor an SDK', async () => {
  const result = await fuzzInProcess({ frames, seed: 20_261_121 });
  expect(result.faults).toEqual([]);
  expect(result.frames).toBe(frames);
  expect(result.heapGrownBytes).toBeLessThan(maxHeapGrownBytes);
  // They came past the door: transactions ran, branches were prepared, committed and rolled back.
  for (const type of ['welcome', 'begun', 'prepare', 'outcome', 'decision', 'rollback', 'list']) {
    expect(result.node.get(type) ?? 0, `the node's ${type}`).toBeGreaterThan(0);
  }
  for (const what of ['sent transact', 'sent vote', 'called prepare', 'called rollback']) {
    expect(result.sdks.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});

describe('a frame that once stopped something', () => {
  it.each(regressions)('stops nothing: $what', async ({ direction, frame }) => {
    const random = seededRandom(1);
    const target =
      direction === 'to-node'
        ? await NodeUnderFuzz.started(random)
        : await SdksUnderFuzz.started(random);
    // To each kind of peer that there is.
    for (let left = 20; left > 0; left -= 1) {
      await target.ready();
      target.deliver(frame());
      await target.pass(20);
    }
    expect(target.faults).toEqual([]);
    await target.stop();
  });
});
