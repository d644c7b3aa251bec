/**
 * Which journal a participant has, loaded only where it is used: what the directory has, or what
 * was asked for. A new one is in LMDB, or in SQLite where LMDB cannot be loaded.
 */
import { journalKindIn } from '../journal/kinds.ts';
import type { LmdbJournalOptions } from '../journal/lmdb/journal.ts';
import type { Journal } from '../ports/journal.ts';
import { loadStore, NativePackageError } from '../store/native-package.ts';
import { canLockFiles } from '../system/runtime.ts';
import { loggerOf, type ServeBaseOptions } from './options.ts';

type Opener = (options: LmdbJournalOptions) => Promise<Journal>;

export async function openerFor(settings: ServeBaseOptions, directory: string): Promise<Opener> {
  const kind = settings.journalKind ?? journalKindIn(directory);
  if (kind === 'lmdb') return lmdb();
  if (kind === 'sqlite' || !canLockFiles()) return sqlite();
  try {
    return await lmdb();
  } catch (error) {
    if (!(error instanceof NativePackageError)) throw error;
    const text = `The journal in ${directory} is kept in SQLite, for LMDB cannot be loaded here. Say journalKind: 'sqlite' where that is meant.`;
    loggerOf(settings).warn({}, text);
    return sqlite();
  }
}

async function lmdb(): Promise<Opener> {
  return (await loadStore(() => import('../journal/lmdb/journal.ts'))).openLmdbJournal;
}

async function sqlite(): Promise<Opener> {
  return (await loadStore(() => import('../journal/sqlite/journal.ts'))).openSqliteJournal;
}
