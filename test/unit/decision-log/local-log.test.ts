/** The log over a store of this process: what it takes. */
import { expect, it } from 'vitest';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { commitOf, decideAll, never, realClock, txidAt } from '../../support/logs/stores.ts';

it('takes as many decisions at once as a leader may have: a refusal would cost the leadership', async () => {
  const store = new MemoryLogStore();
  const log = openMemoryLog({ store, node: 'n', url: 'ws://n', clock: realClock });
  const leadership = await log.campaign(0, { signal: never });
  // One and the same again and again: as many that wait, for less work.
  const write = commitOf(txidAt(leadership.epoch, 1));
  const results = await decideAll(leadership, new Array(100_001).fill(write));
  expect(results.every(({ type }) => type === 'written')).toBe(true);
});
