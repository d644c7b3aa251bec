import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import { lockDirectory } from './directory-lock.ts';
import type { ReadableKeys, WritableKeys } from './key-value.ts';
import { exitOnFatal, type LmdbOptions, type LmdbStore, type OnFatal, openLmdb } from './lmdb.ts';
import { LoggedStore } from './logged-store.ts';
import { logPathsOf } from './unapplied.ts';

export interface OwnedStoreOptions<Begun> extends Omit<LmdbOptions, 'onFatal' | 'closed'> {
  /** What the directory is owned for, as whoever is refused is told. */
  readonly purpose: string;
  readonly clock: Clock;
  /** Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal | undefined;
  /** Throws where this program cannot read it: what it cannot read it must not write to either. */
  readonly check: (keys: ReadableKeys) => void;
  /**
   * The first write, and its flush covers the whole file: before it, a record could have been read
   * from the page cache that a killed predecessor had not flushed yet; after it, whatever is read
   * is on disk. So it comes before any answer.
   */
  readonly begin: (keys: WritableKeys) => Begun;
}

/** Opens a store and owns its directory until it is closed: alone, or with others that share it. */
export async function openOwnedStore<Begun>(
  options: OwnedStoreOptions<Begun>,
): Promise<{ readonly store: LmdbStore; readonly begun: Begun }> {
  const { directory, file, purpose, shared = false, clock, onFatal = exitOnFatal } = options;
  const lock = lockDirectory({ directory, purpose, shared, clock });
  let store: LmdbStore | null = null;
  try {
    store = await openStore({ directory, file, shared, onFatal }, options.check, () =>
      lock.release(),
    );
    return { store, begun: await store.transact(options.begin) };
  } catch (error) {
    await store?.close();
    lock.release();
    throw error;
  }
}

/** With a log beside it, where there is one owner; a log of an owner before is put in first. */
async function openStore(
  options: LmdbOptions,
  check: (keys: ReadableKeys) => void,
  closed: () => void,
): Promise<LmdbStore> {
  const { directory, file, shared = false } = options;
  if (shared) {
    const left = logPathsOf(resolve(directory, file)).some((path) => existsSync(path));
    if (left) await (await openLogged({ ...options, shared: false }, check)).close();
    const store = openLmdb({ ...options, closed });
    return checked(store, check);
  }
  return openLogged({ ...options, closed }, check);
}

async function openLogged(
  options: LmdbOptions,
  check: (keys: ReadableKeys) => void,
): Promise<LmdbStore> {
  const lmdb = openLmdb(options);
  let store: LoggedStore;
  try {
    store = new LoggedStore(lmdb);
  } catch (error) {
    await lmdb.close();
    throw error;
  }
  await checked(store, check);
  await store.start();
  return store;
}

async function checked<Store extends LmdbStore>(
  store: Store,
  check: (keys: ReadableKeys) => void,
): Promise<Store> {
  try {
    store.snapshot(check);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}
