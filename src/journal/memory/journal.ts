import type { Clock } from '../../ports/clock.ts';
import { type Journal, JournalError } from '../../ports/journal.ts';
import type { Random } from '../../ports/random.ts';
import { MemoryKeys } from '../../store/memory-keys.ts';
import { agreeOnInstance } from '../instance.ts';
import { LocalJournal } from '../local-journal.ts';

/**
 * The durable part of a journal in memory: it survives the simulated crash of whoever had it open,
 * without what was not written yet, such as a `forget` that waited for company.
 */
export class MemoryJournalStore {
  readonly keys: MemoryKeys = new MemoryKeys();
  readonly open: Set<LocalJournal> = new Set();

  /** Every process that has it open dies: their journals answer nothing more. */
  crash(): void {
    for (const journal of this.open) journal.crash();
    this.open.clear();
  }
}

export function openMemoryJournal(options: {
  readonly store: MemoryJournalStore;
  /** Several may have the store open at once: instances of one shared resource. Default: one. */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** For tests: transactions whose entries the one owner remembers. */
  readonly maxHeld?: number;
}): Journal {
  const { store, shared = false, random, ...more } = options;
  if (!shared && store.open.size > 0) {
    throw new JournalError('The journal is open already. Close it first, or open it as shared.');
  }
  const { keys } = store;
  const journal: LocalJournal = new LocalJournal({
    ...more,
    shared,
    instance: agreeOnInstance(keys, random),
    store: {
      transact: async (body) => body(keys),
      snapshot: (body) => body(keys),
      close: async () => {
        store.open.delete(journal);
      },
    },
  });
  store.open.add(journal);
  return journal;
}
