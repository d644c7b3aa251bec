import { rmSync } from 'node:fs';
import { Packr } from 'msgpackr';
import type { Clock } from '../ports/clock.ts';
import { lockDirectory } from './directory-lock.ts';
import type { ReadableKeys, WritableKeys } from './key-value.ts';
import { LayeredKeys } from './layers.ts';
import { type LmdbOptions, type LmdbStore, type OwnLmdb, openLmdb } from './lmdb.ts';
import { LoggedStore } from './logged-store.ts';
import { exitOnFatal, type OnFatal } from './on-fatal.ts';
import { plain } from './plain.ts';
import { assertOpenable, beginSealed, type Sealing, sealStore } from './sealed-store.ts';
import { type LogMark, logPathsOf, markKey, readLogs, unapplied } from './unapplied.ts';

export interface OwnedStoreOptions<Begun> extends Omit<LmdbOptions, 'onFatal' | 'closed'> {
  /** Default: a log beside it. Without where ranges are read often: a log has no order. */
  readonly log?: boolean;
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
  /** What of it is users' content, and what seals that. Default: nothing is. */
  readonly sealing?: Sealing;
}

/** Opens a store and owns its directory until it is closed: alone, or with others that share it. */
export async function openOwnedStore<Begun>(
  options: OwnedStoreOptions<Begun>,
): Promise<{ readonly store: LmdbStore; readonly begun: Begun }> {
  const { directory, file, purpose, shared = false, clock, onFatal = exitOnFatal } = options;
  const log = !shared && (options.log ?? true);
  const lock = lockDirectory({ directory, purpose, shared, clock });
  let store: LmdbStore | null = null;
  try {
    const given = { directory, file, shared, onFatal, closed: () => lock.release() };
    const { sealing } = options;
    if (sealing === undefined) {
      store = await (log ? openLogged : openPlain)(given, options.check);
      return { store, begun: await store.transact(options.begin) };
    }
    store = await (log ? openLogged : openPlain)(given, (keys) => {
      options.check(keys);
      assertOpenable(keys, sealing, { directory, shared });
    });
    const begun = await store.transact((keys) =>
      beginSealed(keys, { ...sealing, shared }, options.begin),
    );
    return { store: await sealStore(store, { ...sealing, shared }), begun };
  } catch (error) {
    await store?.close();
    lock.release();
    throw error;
  }
}

/** What an owner before left in a log is put in first. */
async function openPlain(
  options: LmdbOptions,
  check: (keys: ReadableKeys) => void,
): Promise<LmdbStore> {
  const store = openLmdb(options);
  try {
    await putLogIn(store, check);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * Several that share the store may come here at once, with the same log in hand: the first to have
 * LMDB's lock puts it in and marks it as no longer open, and the others leave it.
 */
async function putLogIn(store: OwnLmdb, check: (keys: ReadableKeys) => void): Promise<void> {
  const { path } = store;
  const logs = readLogs(path);
  const codec = new Packr(plain);
  store.snapshot((below) => {
    const layers = [unapplied(path, logs, below).layer];
    check(new LayeredKeys({ layers, below, codec }));
  });
  if (logs.length === 0) return;
  await store.transact((keys) => {
    const mark = keys.get(markKey) as LogMark | undefined;
    if (mark?.open !== true) return;
    const { layer, sequence } = unapplied(path, logs, keys);
    for (const [key, value] of layer.all()) {
      if (value === null) keys.remove(key);
      else keys.put(key, codec.unpack(value));
    }
    keys.put(markKey, { ...mark, sequence, open: false } satisfies LogMark);
  });
  for (const each of logPathsOf(path)) rmSync(each, { force: true });
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
  try {
    store.snapshot(check);
    await store.start();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
