/**
 * What a journal holds, read from its file whether or not a participant owns it. What is sealed is
 * left out: who looks at votes and outcomes needs no key.
 */
import type { Txid } from '../../core/txid.ts';
import type { JournalEntry, ServedCluster } from '../../ports/journal.ts';
import { ClearKeys } from '../../store/clear-keys.ts';
import { readLmdb } from '../../store/lmdb.ts';
import { readHeader, sealedHeader } from '../../store/store-format.ts';
import { journalHeader, load } from '../journal-rules.ts';
import { allEntries, areas, journalContents } from '../keys.ts';
import { journalFile } from './journal.ts';

/** All entries but tombstones, in one snapshot. Null where there is no journal. */
export function readLmdbJournal(directory: string): Promise<readonly JournalEntry[] | null> {
  return readLmdb({ directory, file: journalFile }, (stored) => {
    const keys = new ClearKeys(stored, journalContents);
    readHeader(keys, sealedHeader(journalHeader));
    return load(keys).entries;
  });
}

export interface JournalView {
  readonly instance: string;
  /** Null: it has served none. */
  readonly cluster: ServedCluster | null;
  /** Those of the one transaction, tombstones included; else those that wait for an outcome. */
  readonly entries: readonly JournalEntry[];
}

/** Null where there is no journal in the directory. */
export function viewLmdbJournal(directory: string, txid?: Txid): Promise<JournalView | null> {
  return readLmdb({ directory, file: journalFile }, (stored) => {
    const keys = new ClearKeys(stored, journalContents);
    const header = readHeader(keys, sealedHeader(journalHeader));
    const { entries, cluster } = load(keys);
    return {
      instance: String(header?.['instance'] ?? ''),
      cluster,
      entries:
        txid === undefined
          ? entries.filter(({ state }) => state === 'prepared' || state === 'started')
          : Object.values(areas).flatMap((area) => allEntries(keys, `${area}${txid}/`)),
    };
  });
}
