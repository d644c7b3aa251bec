/** What a journal says to an operator: votes and outcomes, without what may be sealed. */
import type { Txid } from '../core/txid.ts';
import type { JournalEntry, ServedCluster } from '../ports/journal.ts';
import { ClearKeys } from '../store/clear-keys.ts';
import type { ReadableKeys } from '../store/key-value.ts';
import { readHeader, sealedHeader } from '../store/store-format.ts';
import { journalHeader, load } from './journal-rules.ts';
import { allEntries, areas, journalContents } from './keys.ts';

export interface JournalView {
  readonly instance: string;
  /** Null: it has served none. */
  readonly cluster: ServedCluster | null;
  /** Those of the one transaction, tombstones included; else those that wait for an outcome. */
  readonly entries: readonly JournalEntry[];
}

export function viewOf(stored: ReadableKeys, txid: Txid | undefined): JournalView {
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
}
