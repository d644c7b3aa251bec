/** What a participant keeps of branches that have come and gone: nothing. */
import { expect, it } from 'vitest';
import { makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { EntryMemory } from '../../../src/journal/entry-memory.ts';
import { Doubt, type DoubtOptions } from '../../../src/participant/doubt.ts';
import type { JournalEntry } from '../../../src/ports/journal.ts';
import { txidAt } from '../../support/logs/stores.ts';
import { heldBytes } from '../../support/process/held-bytes.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });
const warmUps = 10_000;
const count = 100_000;
/** Of each: a map that had kept its outgrown tables took 70 and more. */
const mostBytes = 10;

/** `one` is given the ids of transactions, of which few live at a time. */
function grownBy(one: (txid: Txid) => void): number {
  let sequence = 0;
  const run = (times: number): void => {
    for (let left = times; left > 0; left -= 1) {
      sequence += 1;
      one(txidAt(epoch, sequence));
    }
  };
  run(warmUps);
  const before = heldBytes();
  run(count);
  return (heldBytes() - before) / count;
}

it('the memory of a journal', () => {
  const memory = new EntryMemory(new Map());
  const at = (txid: Txid, state: JournalEntry['state']): void =>
    memory.wrote({ txid, branch: 'a', state, epoch, witness: null, atMs: 0 });
  const live: Txid[] = [];
  const bytes = grownBy((txid) => {
    at(txid, 'prepared');
    live.push(txid);
    const oldest = live.length > 100 ? live.shift() : undefined;
    if (oldest !== undefined) at(oldest, 'tombstone');
  });
  expect(bytes).toBeLessThan(mostBytes);
  expect(live.every((txid) => memory.find({ txid, branch: 'a' })?.state === 'prepared')).toBe(true);
});

it('doubt that is left to the leader', () => {
  const doubt = new Doubt<{ readonly txid: Txid }>({
    clock: new ManualClock(),
    random: seededRandom(),
    leftToLeaderMs: () => 1_000,
  } as unknown as DoubtOptions);
  const bytes = grownBy((txid) => {
    const key = { txid };
    doubt.query(key, { txid, witness: null }, () => undefined);
    doubt.stop(key);
  });
  expect(bytes).toBeLessThan(mostBytes);
  doubt.close();
});
