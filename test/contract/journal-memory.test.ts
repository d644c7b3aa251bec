import { describe, expect, it, vi } from 'vitest';
import { makeEpoch } from '../../src/core/txid.ts';
import { LocalJournal } from '../../src/journal/local-journal.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../src/journal/memory/journal.ts';
import { findEntry } from '../../src/journal/transaction.ts';
import { JournalError } from '../../src/ports/journal.ts';
import { MemoryKeys } from '../../src/store/memory-keys.ts';
import { realClock, realRandom, txidAt } from '../support/logs/stores.ts';
import { journalContract } from './journal.ts';

const ports = { clock: realClock, random: realRandom };

journalContract('memory', async () => {
  const store = new MemoryJournalStore();
  return {
    open: async () => openMemoryJournal({ store, ...ports }),
    openShared: async () => openMemoryJournal({ store, shared: true, ...ports }),
    dispose: async () => undefined,
  };
});

describe('memory journal', () => {
  const epoch = makeEpoch({ generation: 0, revision: 1n });
  const key = { txid: txidAt(epoch, 1), branch: 'b' };
  const vote = { ...key, state: 'prepared', epoch, witness: null, atMs: 1 } as const;

  it('refuses a second owner', () => {
    const store = new MemoryJournalStore();
    openMemoryJournal({ store, ...ports });
    expect(() => openMemoryJournal({ store, ...ports })).toThrow(JournalError);
  });

  it('loses in a crash what was lazy, and keeps what was answered', async () => {
    const store = new MemoryJournalStore();
    const journal = openMemoryJournal({ store, ...ports });
    await journal.vote(vote);
    await journal.committed(key);
    let answered = false;
    void journal.forget([key.txid]).then(() => {
      answered = true;
    });
    store.crash();
    const again = openMemoryJournal({ store, ...ports });
    expect(again.instance).toBe(journal.instance);
    expect((await again.find(key))?.state).toBe('committed');
    expect(answered).toBe(false);
    await expect(journal.find(key)).rejects.toThrow(JournalError);
  });

  it('leaves a write that a crash overtook unanswered and unwritten', async () => {
    const store = new MemoryJournalStore();
    const journal = openMemoryJournal({ store, ...ports });
    let answered = false;
    void journal.vote(vote).then(() => {
      answered = true;
    });
    store.crash();
    const again = openMemoryJournal({ store, ...ports });
    expect(await again.find(key)).toBeNull();
    expect(answered).toBe(false);
  });

  describe('of votes that the store keeps', () => {
    const first = { ...vote, txid: txidAt(epoch, 0) };
    /** Whose transactions wait to become durable until the test says so. */
    function held(): { journal: LocalJournal; keys: MemoryKeys; go: () => Promise<void> } {
      const keys = new MemoryKeys();
      const waiting: (() => void)[] = [];
      const journal = new LocalJournal({
        instance: 'i',
        clock: realClock,
        shared: false,
        store: {
          transact: (body) =>
            new Promise((resolve) => {
              waiting.push(() => {
                body(keys);
                resolve();
              });
            }),
          snapshot: (body) => body(keys),
          close: async () => undefined,
        },
      });
      const go = async (): Promise<void> => {
        await vi.waitFor(() => expect(waiting.length).toBe(1), 5_000);
        waiting.shift()?.();
      };
      return { journal, keys, go };
    }
    const written = (keys: MemoryKeys): string | undefined => findEntry(keys, key)?.state;

    it('loses them in a crash with their outcome, and both together', async () => {
      const store = new MemoryJournalStore();
      const journal = openMemoryJournal({ store, ...ports });
      await journal.vote(first);
      void journal.voteKept(vote);
      expect(await journal.committed(key)).toEqual({ kind: 'written' });
      store.crash();
      const again = openMemoryJournal({ store, ...ports });
      expect(await again.find(key)).toBeNull();
    });

    it('an outcome whose vote is being written waits until it is on disk itself', async () => {
      const { journal, keys, go } = held();
      const voted = journal.vote(first);
      await go();
      await voted;
      void journal.voteKept(vote);
      // No outcome comes: after a second the vote is written by itself, and is under way.
      const closing = vi.waitFor(() => go(), { timeout: 5_000 });
      await closing;
      expect(written(keys)).toBe('prepared');
      let acknowledges = false;
      const committed = journal.committed(key).then(() => {
        acknowledges = true;
      });
      await Promise.resolve();
      expect(acknowledges).toBe(false);
      await go();
      await committed;
      expect(written(keys)).toBe('committed');
    });

    it('finds what is being written, and lets a late prepare meet it', async () => {
      const { journal, go } = held();
      const voted = journal.vote(first);
      await go();
      await voted;
      void journal.voteKept(vote);
      await journal.committed(key);
      const forgotten = journal.forget([key.txid]);
      const found: (string | undefined)[] = [];
      const look = async (): Promise<void> => {
        expect(journal.isUnwritten(key)).toBe(false);
        found.push((await journal.find(key))?.state);
      };
      await look();
      await vi.waitFor(async () => {
        await look();
        await go();
      }, 5_000);
      await forgotten;
      await look();
      expect(new Set(found)).toEqual(new Set(['tombstone']));
    });
  });
});
