import { describe, expect, it } from 'vitest';
import { makeEpoch } from '../../src/core/txid.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../src/journal/memory/journal.ts';
import { JournalError } from '../../src/ports/journal.ts';
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
});
