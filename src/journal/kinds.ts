/**
 * Where each kind of journal keeps its entries. A directory has one kind: a participant that began
 * another beside it would forget its votes.
 *
 * Each kind makes its own file and then looks for the other's: of two processes that begin at once,
 * one at least sees the other's, and takes its own away.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { JournalError } from '../ports/journal.ts';
import { forOperator } from '../store/operator-error.ts';

/** What a journal is kept in: the package LMDB, or SQLite, which is part of the runtime. */
export type JournalKind = 'lmdb' | 'sqlite';

export const journalFiles: Readonly<Record<JournalKind, string>> = {
  lmdb: 'journal.mdb',
  sqlite: 'journal.sqlite',
};

const names: Readonly<Record<JournalKind, string>> = { lmdb: 'LMDB', sqlite: 'SQLite' };

export function isOfKind(directory: string, kind: JournalKind): boolean {
  return existsSync(resolve(directory, journalFiles[kind]));
}

/** Null where there is no journal yet. Throws JournalError where there are two. */
export function journalKindIn(directory: string): JournalKind | null {
  if (!isOfKind(directory, 'sqlite')) return isOfKind(directory, 'lmdb') ? 'lmdb' : null;
  assertKind(directory, 'sqlite');
  return 'sqlite';
}

/** Throws JournalError where the directory has a journal of the other kind. */
export function assertKind(directory: string, kind: JournalKind): void {
  const other = kind === 'lmdb' ? 'sqlite' : 'lmdb';
  if (!isOfKind(directory, other)) return;
  const path = resolve(directory, journalFiles[other]);
  throw forOperator(
    new JournalError(
      isOfKind(directory, kind)
        ? `The directory ${directory} has two journals, ${journalFiles[kind]} and ${journalFiles[other]}: which one has this participant's votes cannot be told. Move away the one that was put there by mistake.`
        : `The directory ${directory} has a journal in ${names[other]} (${path}), and this participant is to keep one in ${names[kind]}. Its votes are in the one that is there: start with journalKind: '${other}' or without journalKind, or give another directory once nothing is in doubt.`,
    ),
  );
}
