/** `verdict journal`: what participants' journals say. Payloads and results are not shown. */
import type { Txid } from '../../core/txid.ts';
import { isOfKind } from '../../journal/kinds.ts';
import type { JournalView } from '../../journal/view.ts';
import type { JournalEntry } from '../../ports/journal.ts';
import { DirectoryLockedError } from '../../store/directory-locked.ts';
import { StoreFormatError } from '../../store/store-format.ts';
import { StoreUnreadableError } from '../../store/store-unreadable.ts';
import { CommandError } from '../command-error.ts';
import type { Io } from '../io.ts';
import { type Column, table } from '../table.ts';
import { harmless } from '../text.ts';
import { answer } from './context.ts';

export interface JournalFlags {
  /** Without it: what is in doubt. */
  readonly txid?: Txid;
  readonly json?: true;
}

interface Read extends JournalView {
  readonly directory: string;
}

type Line = JournalEntry & { readonly directory: string };

export async function showJournals(
  io: Io,
  directories: readonly string[],
  { txid, json }: JournalFlags,
): Promise<void> {
  const journals: Read[] = [];
  for (const directory of directories) journals.push(await read(directory, txid));
  const value = journals.map(({ directory, instance, cluster, entries }) => ({
    directory,
    instance,
    clusterId: cluster?.id ?? null,
    branches: entries.map((entry) => ({
      txid: entry.txid,
      branch: entry.branch,
      state: stateOf(entry),
      since: sinceOf(entry),
    })),
  }));
  await answer({ io, ...(json && { json }) }, { journals: value }, (_colors, width) =>
    lines(journals, txid, width),
  );
}

async function read(directory: string, txid: Txid | undefined): Promise<Read> {
  try {
    const view = await viewIn(directory, txid);
    if (view !== null) return { directory, ...view };
  } catch (error) {
    if (!isOfStore(error)) throw error;
    throw new CommandError('INPUT', error.message, { cause: error });
  }
  const text = `There is no journal in ${directory}: give the dataDirectory of a participant.`;
  throw new CommandError('INPUT', text);
}

async function viewIn(directory: string, txid: Txid | undefined): Promise<JournalView | null> {
  if (isOfKind(directory, 'sqlite')) {
    const { viewSqliteJournal } = await import('../../journal/sqlite/read.ts');
    return viewSqliteJournal(directory, txid);
  }
  const { viewLmdbJournal } = await import('../../journal/lmdb/read.ts');
  return viewLmdbJournal(directory, txid);
}

function isOfStore(error: unknown): error is Error {
  return (
    error instanceof StoreUnreadableError ||
    error instanceof StoreFormatError ||
    error instanceof DirectoryLockedError
  );
}

function lines(journals: readonly Read[], txid: Txid | undefined, width: number): string[] {
  const heads = journals.map(({ directory, instance, cluster }) => {
    const served =
      cluster === null
        ? 'has served no cluster'
        : `has served the cluster with the id ${cluster.id}`;
    return harmless(`${directory}: instance ${instance}, ${served}.`);
  });
  const rows = journals.flatMap(({ directory, entries }) =>
    entries.map((entry): Line => ({ ...entry, directory })),
  );
  if (rows.length > 0) return [...heads, '', ...table(columns, rows, width)];
  return [
    ...heads,
    txid === undefined
      ? 'No branch is in doubt.'
      : 'Nothing is known of that transaction there (any more).',
  ];
}

const columns: readonly Column<Line>[] = [
  { head: 'TXID', cell: ({ txid }) => txid },
  { head: 'BRANCH', cell: ({ branch }) => branch },
  { head: 'STATE', cell: stateOf },
  { head: 'SINCE', cell: sinceOf },
  { head: 'DIRECTORY', cell: ({ directory }) => directory },
];

function stateOf({ state, forgotten }: JournalEntry): string {
  switch (state) {
    case 'prepared':
      return 'in doubt';
    case 'started':
      return 'not voted';
    case 'readonly':
      return 'read only';
    case 'committed':
      return 'committed';
    default:
      return forgotten === true ? 'committed' : 'rolled back or read only';
  }
}

function sinceOf({ atMs }: JournalEntry): string {
  return new Date(atMs).toISOString();
}
