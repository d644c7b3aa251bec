import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Grouped, type GroupedOptions } from '../../bench/skeleton/grouped.ts';

function grouped(options: Partial<GroupedOptions<number>> = {}) {
  const flushes: { readonly batch: readonly number[]; readonly end: () => void }[] = [];
  const done: number[] = [];
  const group = new Grouped<number>({
    flush: (batch) => new Promise<void>((end) => flushes.push({ batch, end })),
    done: (batch) => done.push(...batch),
    ...options,
  });
  return { group, flushes, done, batches: () => flushes.map(({ batch }) => batch) };
}

it('takes what comes in a turn together, and what comes during a flush with the next', async () => {
  const { group, flushes, done, batches } = grouped();
  for (const entry of [1, 2]) group.add(entry);
  await turn();
  for (const entry of [3, 4]) group.add(entry);
  await turn();
  expect([batches(), done]).toEqual([[[1, 2]], []]);
  flushes[0]?.end();
  await turn();
  await turn();
  expect([batches(), done]).toEqual([
    [
      [1, 2],
      [3, 4],
    ],
    [1, 2],
  ]);
});

it('keeps to its bounds and loses none', async () => {
  const { group, flushes, done, batches } = grouped({ maxBatch: 2, maxInFlight: 2 });
  for (const entry of [1, 2, 3, 4, 5]) group.add(entry);
  await turn();
  expect(batches()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  flushes[1]?.end();
  await turn();
  await turn();
  expect(batches().at(-1)).toEqual([5]);
  for (const { end } of flushes) end();
  await turn();
  expect(done.sort()).toEqual([1, 2, 3, 4, 5]);
});
