/**
 * The owner of a journal answers from what it remembers (src/journal/entry-memory.ts); several that
 * share one read every time. Whatever is called, in whatever order, both must answer alike and end
 * alike.
 */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Epoch, epochOf, makeEpoch } from '../../src/core/txid.ts';
import { EntryMemory } from '../../src/journal/entry-memory.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../src/journal/memory/journal.ts';
import type { BranchKey, Journal, JournalEntry, VoteWrite } from '../../src/ports/journal.ts';
import { txidAt } from '../support/logs/stores.ts';
import { ManualClock } from '../support/samples/manual-clock.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const epochs = [1n, 2n].map((revision) => makeEpoch({ generation: 0, revision }));
const branches = ['a', 'b'];

type Call =
  | {
      readonly kind: VoteWrite['state'] | 'committed' | 'tombstone' | 'find' | 'forget';
      readonly key: BranchKey;
    }
  | { readonly kind: 'adopt'; readonly shard: number; readonly epoch: Epoch }
  | { readonly kind: 'sweep'; readonly aged: boolean; readonly limit: number }
  | { readonly kind: 'reopen' };

const key: fc.Arbitrary<BranchKey> = fc
  .record({
    shard: fc.nat(1),
    epoch: fc.constantFrom(...epochs),
    sequence: fc.nat(7),
    branch: fc.constantFrom(...branches),
  })
  .map(({ shard, epoch, sequence, branch }) => ({ txid: txidAt(epoch, sequence, shard), branch }));

const kinds = [
  'started',
  'prepared',
  'readonly',
  'committed',
  'tombstone',
  'find',
  'forget',
] as const;
const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constantFrom(...kinds), key }) },
  fc.record({
    kind: fc.constant('adopt' as const),
    shard: fc.nat(1),
    epoch: fc.constantFrom(...epochs),
  }),
  fc.record({
    kind: fc.constant('sweep' as const),
    aged: fc.boolean(),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
  { weight: 2, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

function journalOf(shared: boolean, maxHeld: number) {
  const store = new MemoryJournalStore();
  const clock = new ManualClock();
  const open = (): Journal =>
    openMemoryJournal({ store, shared, maxHeld, clock, random: seededRandom() });
  let journal = open();
  return {
    async act(one: Call): Promise<unknown> {
      switch (one.kind) {
        case 'reopen':
          await journal.close();
          journal = open();
          return journal.load();
        case 'adopt':
          return journal.adoptEpoch(one.shard, one.epoch);
        case 'sweep':
          return journal.sweep({
            beforeMs: one.aged ? Number.MAX_SAFE_INTEGER : 0,
            limit: one.limit,
          });
        case 'find':
          return journal.find(one.key);
        case 'committed':
          return journal.committed(one.key);
        case 'tombstone':
          return journal.tombstone(one.key, { epoch: epochOf(one.key.txid) });
        case 'forget': {
          const forgotten = journal.forget([one.key.txid]);
          // Lazy: it goes with the next write.
          await Promise.all([forgotten, journal.adoptEpoch(0, epochs[0] as Epoch)]);
          return;
        }
        default:
          return journal.vote({
            ...one.key,
            state: one.kind,
            epoch: epochOf(one.key.txid),
            witness: null,
            payload: one.kind,
            atMs: 0,
          });
      }
    },
    keys: store.keys,
    contents: () => store.keys.range({ start: ' ', end: '~', limit: 1_000 }),
  };
}

describe("a journal's memory of its entries", () => {
  it('answers as the store would, whatever was called and forgotten', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 60 }),
        fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 9, max: 20 })),
        async (calls, maxHeld) => {
          const owned = journalOf(false, maxHeld);
          const shared = journalOf(true, maxHeld);
          for (const one of calls) expect(await owned.act(one)).toEqual(await shared.act(one));
          expect(owned.contents()).toEqual(shared.contents());
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('knows nothing any more after a transaction that failed', () => {
    const memory = new EntryMemory(new Map());
    const entry: JournalEntry = {
      txid: txidAt(epochs[0] as Epoch, 1),
      branch: 'a',
      state: 'prepared',
      epoch: epochs[0] as Epoch,
      witness: null,
      atMs: 0,
    };
    memory.wrote(entry);
    memory.setEpoch(0, epochs[0] as Epoch);
    expect(memory.find(entry)).toBe(entry);
    memory.forgetAll();
    memory.wrote(entry);
    expect(memory.find(entry)).toBeUndefined();
    expect(memory.find({ ...entry, txid: txidAt(epochs[1] as Epoch, 1) })).toBeUndefined();
    expect(memory.epoch(0)).toBeUndefined();
  });

  it.each([
    ['committed and forgotten', ['prepared', 'committed', 'forget']],
    ['started, committed and forgotten', ['started', 'prepared', 'committed', 'forget']],
    ['started and rolled back', ['started', 'tombstone']],
  ] as const)('reads nothing of a new branch: %s', async (_name, steps) => {
    const { act, keys } = journalOf(false, 100);
    const at = (sequence: number): BranchKey => ({
      txid: txidAt(epochs[0] as Epoch, sequence),
      branch: 'a',
    });
    // What a journal reads once, of its cluster and its epochs.
    for (const kind of steps) await act({ kind, key: at(0) });
    const reads = [vi.spyOn(keys, 'get'), vi.spyOn(keys, 'range')];
    // Those of a turn take each step together.
    for (const turn of [0, 1, 2]) {
      for (const kind of steps) {
        for (const place of [1, 2, 3]) await act({ kind, key: at(3 * turn + place) });
      }
    }
    for (const read of reads) expect(read).not.toHaveBeenCalled();
  });

  it('keeps no more than it may', () => {
    const memory = new EntryMemory(new Map(), 2);
    const at = (sequence: number): JournalEntry => ({
      txid: txidAt(epochs[0] as Epoch, sequence),
      branch: 'a',
      state: 'prepared',
      epoch: epochs[0] as Epoch,
      witness: null,
      atMs: 0,
    });
    for (const sequence of [1, 2, 3, 4]) memory.wrote(at(sequence));
    expect([1, 2, 3, 4, 5].map((sequence) => memory.find(at(sequence))?.state)).toEqual([
      undefined,
      undefined,
      'prepared',
      'prepared',
      undefined,
    ]);
    expect(memory.find(at(2))).toBeUndefined();
    expect(memory.find(at(5))).toBeNull();
  });

  describe('of what was there at the start', () => {
    const epoch = epochs[0] as Epoch;
    const at = (sequence: number, state: JournalEntry['state'], branch = 'a'): JournalEntry => ({
      txid: txidAt(epoch, sequence),
      branch,
      state,
      epoch,
      witness: null,
      atMs: 0,
    });
    const memory = (maxHeld?: number) => new EntryMemory(new Map([[0, txidAt(epoch, 9)]]), maxHeld);

    it('knows what is live, until it has ended', () => {
      const one = memory();
      one.loaded([at(1, 'prepared'), at(1, 'committed', 'b')]);
      expect(one.find(at(1, 'prepared'))?.state).toBe('prepared');
      // It may have a tombstone.
      expect(one.find(at(1, 'prepared', 'c'))).toBeUndefined();
      one.wrote(at(1, 'committed'));
      one.wrote(at(1, 'tombstone', 'b'));
      expect(one.entriesOf(at(1, 'prepared').txid)).toEqual([at(1, 'committed')]);
      one.wrote(at(1, 'tombstone'));
      expect(one.entriesOf(at(1, 'prepared').txid)).toBeUndefined();
    });

    it('leaves to the store what is swept without a word', () => {
      const one = memory();
      one.loaded([at(1, 'prepared'), at(2, 'prepared'), at(1, 'readonly', 'b')]);
      one.wrote(at(2, 'readonly', 'b'));
      for (const sequence of [1, 2]) {
        expect(one.entriesOf(at(sequence, 'prepared').txid)).toBeUndefined();
      }
    });

    it('takes nothing that was read beside a write, and no more than it may', () => {
      const late = memory();
      late.wrote(at(10, 'prepared'));
      late.loaded([at(1, 'prepared')]);
      expect(late.find(at(1, 'prepared'))).toBeUndefined();
      const full = memory(1);
      full.loaded([1, 2, 3, 4, 5].map((sequence) => at(sequence, 'prepared')));
      expect([4, 5].map((sequence) => full.find(at(sequence, 'prepared'))?.state)).toEqual([
        'prepared',
        undefined,
      ]);
    });
  });
});
