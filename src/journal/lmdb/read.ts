/** A journal's live entries, read from its file whether or not a participant owns it: for checks. */
import type { JournalEntry } from '../../ports/journal.ts';
import { readLmdb } from '../../system/lmdb.ts';
import { readHeader } from '../../system/store-format.ts';
import { journalHeader, load } from '../rules.ts';
import { journalFile } from './journal.ts';

/** Every entry that is not a tombstone, in one snapshot. Null where there is no journal in the directory. */
export function readLmdbJournal(directory: string): Promise<readonly JournalEntry[] | null> {
  return readLmdb({ directory, file: journalFile }, (keys) => {
    readHeader(keys, journalHeader);
    return load(keys).entries;
  });
}
