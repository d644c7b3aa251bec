/** Processes of one service that share a journal and a store, and what the store holds. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Child } from '../process/child.ts';

export interface SharingSettings {
  readonly name: string;
  readonly url: string;
  /** Journal and store lie under it. */
  readonly data: string;
  readonly journalKind: 'lmdb' | 'sqlite';
  readonly isShared: boolean;
}

export interface SharedRow {
  readonly txid: string;
  readonly tag: string;
  readonly state: 'prepared' | 'committed' | 'rolled-back';
  readonly applied: number;
}

/** The store; made where it is not there. */
export function openShared(data: string): DatabaseSync {
  mkdirSync(data, { recursive: true });
  const store = new DatabaseSync(join(data, 'store.sqlite'), { timeout: 10_000 });
  store.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  store.exec(
    'CREATE TABLE IF NOT EXISTS held (txid TEXT, branch TEXT, tag TEXT, state TEXT, applied INT, PRIMARY KEY (txid, branch))',
  );
  return store;
}

export function sharedRows(data: string): SharedRow[] {
  const store = openShared(data);
  try {
    return store.prepare('SELECT txid, tag, state, applied FROM held').all() as never;
  } finally {
    store.close();
  }
}

export async function startSharing(settings: SharingSettings, crashAt = ''): Promise<Child> {
  const child = new Child('test/support/participants/sharing-entry.ts', {
    args: [JSON.stringify(settings)],
    env: { VERDICT_TEST_PARTICIPANT_CRASH_AT: crashAt },
  });
  await child.line(/^Serving\.$/);
  return child;
}
