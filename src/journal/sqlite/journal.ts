import type { Journal } from '../../ports/journal.ts';
import { exitOnFatal } from '../../store/on-fatal.ts';
import { assertOpenable, beginSealed, sealStore } from '../../store/sealed-store.ts';
import { openSqlite } from '../../store/sqlite.ts';
import { readHeader, sealedHeader } from '../../store/store-format.ts';
import { agreeOnInstance } from '../instance.ts';
import { journalHeader } from '../journal-rules.ts';
import { journalContents } from '../keys.ts';
import { assertKind, journalFiles } from '../kinds.ts';
import type { LmdbJournalOptions } from '../lmdb/journal.ts';
import { asJournalError, LocalJournal } from '../local-journal.ts';

export type SqliteJournalOptions = LmdbJournalOptions;

/** Rejects with JournalError where the directory has an owner, or its store cannot be read. */
export async function openSqliteJournal(options: SqliteJournalOptions): Promise<Journal> {
  const { directory, shared = false, cipher = null, clock, random } = options;
  const { onFatal = exitOnFatal } = options;
  const sealing = { cipher, contents: journalContents, shared };
  try {
    assertKind(directory, 'sqlite');
    const purpose = 'participant journal';
    const file = journalFiles.sqlite;
    const store = await openSqlite({ directory, file, purpose, shared, clock, onFatal });
    try {
      assertKind(directory, 'sqlite');
    } catch (error) {
      await (store.isNew ? store.remove() : store.close());
      assertKind(directory, 'sqlite');
      throw error;
    }
    try {
      store.snapshot((keys) => {
        readHeader(keys, sealedHeader(journalHeader));
        assertOpenable(keys, sealing, { directory, shared });
      });
      // The first write, whose flush covers what a killed process left in the page cache.
      const instance = await store.transact((keys) =>
        beginSealed(keys, sealing, (under) =>
          agreeOnInstance(under, random, { sealed: cipher !== null }),
        ),
      );
      return new LocalJournal({ instance, clock, shared, store: await sealStore(store, sealing) });
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    throw asJournalError(error);
  }
}
