import type { Clock } from '../ports/clock.ts';
import { lockDirectory } from './directory-lock.ts';
import type { ReadableKeys, WritableKeys } from './key-value.ts';
import { exitOnFatal, type LmdbOptions, type LmdbStore, type OnFatal, openLmdb } from './lmdb.ts';

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
    store = openLmdb({ directory, file, shared, onFatal, closed: () => lock.release() });
    store.snapshot(options.check);
    return { store, begun: await store.transact(options.begin) };
  } catch (error) {
    await store?.close();
    lock.release();
    throw error;
  }
}
