import type { Clock } from '../../ports/clock.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Random } from '../../ports/random.ts';
import { type DirectoryLock, lockDirectory } from '../../store/directory-lock.ts';
import { exitOnFatal, type LmdbStore, type OnFatal, openLmdb } from '../../store/lmdb.ts';
import { readHeader } from '../../store/store-format.ts';
import { agreeOnInstance } from '../instance.ts';
import { journalHeader } from '../journal-rules.ts';
import { asJournalError, LocalJournal } from '../local-journal.ts';

export interface LmdbJournalOptions {
  /** Made where it is missing. It belongs to this journal alone. */
  readonly directory: string;
  /**
   * Several processes of one shared resource use it at once: LMDB's own lock, which spans processes, orders
   * their transactions. All of them must say so. Default: one owner.
   */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Called once, when a write or a flush failed. Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal;
}

/** The file's name in the journal's directory. */
export const journalFile = 'journal.mdb';

/** Rejects with JournalError where the directory has an owner, or holds what this program cannot read. */
export async function openLmdbJournal(options: LmdbJournalOptions): Promise<Journal> {
  const { directory, clock, random } = options;
  const shared = options.shared ?? false;
  let lock: DirectoryLock | null = null;
  let lmdb: LmdbStore | null = null;
  try {
    lock = lockDirectory({ directory, purpose: 'participant journal', shared, clock });
    const store = openLmdb({
      directory,
      file: journalFile,
      shared,
      onFatal: options.onFatal ?? exitOnFatal,
    });
    lmdb = store;
    // On a snapshot first: what cannot be read must not be written to either.
    store.snapshot((keys) => readHeader(keys, journalHeader));
    const instance = await store.transact((keys) => agreeOnInstance(keys, random));
    return new LocalJournal({
      instance,
      clock,
      shared,
      store: {
        transact: (body) => store.transact(body),
        snapshot: (body) => store.snapshot(body),
        close: async () => {
          await store.close();
          lock?.release();
        },
      },
    });
  } catch (error) {
    await lmdb?.close();
    lock?.release();
    throw asJournalError(error);
  }
}
