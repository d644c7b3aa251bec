/** When rows that prove a commit go; that they go at all is shown on both databases. */
import { expect, it } from 'vitest';
import { OutcomeRows } from '../../../../src/resources/sql/outcome-rows.ts';
import { ManualClock, settle } from '../../../support/samples/manual-clock.ts';

it('what falls due while a sweep is under way goes without a next commit', async () => {
  const clock = new ManualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const removed: string[] = [];
  const rows = new OutcomeRows({
    clock,
    note: async () => undefined,
    remove: async (names) => void removed.push(...names),
    sweepStrange: () => promise,
  });
  const names = Array.from({ length: 100 }, (_, count) => `branch ${count}`);
  for (const name of names) rows.forgotten(name);
  await clock.advance(11 * 60_000);
  rows.committed();
  await settle();
  expect(removed).toEqual([]);
  resolve();
  await settle();
  expect(removed).toEqual(names);
});
