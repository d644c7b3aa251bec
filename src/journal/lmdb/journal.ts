import type { Clock } from '../../ports/clock.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Random } from '../../ports/random.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { openOwnedStore } from '../../store/owned-store.ts';
import { readHeader } from '../../store/store-format.ts';
import { agreeOnInstance } from '../instance.ts';
import { journalHeader } from '../journal-rules.ts';
import { asJournalError, LocalJournal } from '../local-journal.ts';

export interface LmdbJournalOptions {
  /** Made where it is missing. It belongs to this journal alone. */
  readonly directory: string;
  /**
   * Several processes of one shared resource use it at once: LMDB's own lock orders their
   * transactions. All of them must say so. Default: one owner.
   */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Called once, when a write failed. Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal;
}

export const journalFile = 'journal.mdb';

/** Rejects with JournalError where the directory has an owner, or its store cannot be read. */
export async function openLmdbJournal(options: LmdbJournalOptions): Promise<Journal> {
  const { directory, shared = false, clock, random, onFatal } = options;
  try {
    const { store, begun: instance } = await openOwnedStore({
      directory,
      file: journalFile,
      purpose: 'participant journal',
      shared,
      clock,
      onFatal,
      check: (keys) => readHeader(keys, journalHeader),
      begin: (keys) => agreeOnInstance(keys, random),
    });
    return new LocalJournal({ instance, clock, shared, store });
  } catch (error) {
    throw asJournalError(error);
  }
}
