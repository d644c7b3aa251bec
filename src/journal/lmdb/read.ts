/**
 * What a journal holds, read from its file whether or not a participant owns it. What is sealed is
 * left out: who looks at votes and outcomes needs no key.
 */
import type { Txid } from '../../core/txid.ts';
import type { JournalEntry } from '../../ports/journal.ts';
import { ClearKeys } from '../../store/clear-keys.ts';
import { readLmdb } from '../../store/lmdb.ts';
import { readHeader, sealedHeader } from '../../store/store-format.ts';
import { journalHeader, load } from '../journal-rules.ts';
import { journalContents } from '../keys.ts';
import { type JournalView, viewOf } from '../view.ts';
import { journalFile } from './journal.ts';

/** All entries but tombstones, in one snapshot. Null where there is no journal. */
export function readLmdbJournal(directory: string): Promise<readonly JournalEntry[] | null> {
  return readLmdb({ directory, file: journalFile }, (stored) => {
    const keys = new ClearKeys(stored, journalContents);
    readHeader(keys, sealedHeader(journalHeader));
    return load(keys).entries;
  });
}

/** Null where there is no journal in the directory. */
export function viewLmdbJournal(directory: string, txid?: Txid): Promise<JournalView | null> {
  return readLmdb({ directory, file: journalFile }, (stored) => viewOf(stored, txid));
}
