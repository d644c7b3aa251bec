import type { Txid } from '../../core/txid.ts';
import { readSqlite } from '../../store/sqlite.ts';
import { journalFiles } from '../kinds.ts';
import { type JournalView, viewOf } from '../view.ts';

/** Null where there is no journal in the directory. Only where no participant has it open. */
export function viewSqliteJournal(directory: string, txid?: Txid): Promise<JournalView | null> {
  return readSqlite({ directory, file: journalFiles.sqlite }, (stored) => viewOf(stored, txid));
}
