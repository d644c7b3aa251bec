/**
 * One LMDB file, opened so that a transaction is durable before it is answered or seen.
 *
 * What lmdb-js 3.5 does with these settings (read in its source, and seen with strace):
 * - `overlappingSync: false`: a commit writes the data pages, calls fdatasync, then writes the meta
 *   page through a second descriptor opened with O_DSYNC. Only then do readers see the commit and
 *   does the promise resolve: what this process's own commits let it read is on disk.
 * - A record of a process killed between those two steps may be in the page cache and not on disk.
 *   The fdatasync of the next commit covers the whole file, meta pages included: the owner commits
 *   once at opening, before it answers anything.
 * - A failed fdatasync or meta write leaves the earlier state standing, but the kernel may have
 *   dropped the dirty pages and would report success to a second try. It is never tried again: the
 *   process ends (`onFatal`), and the restarted one tells its peers what became of what was in
 *   flight.
 * - The map grows by itself; `mapSize` is only where it begins.
 * - LMDB does not flush the directory entry of a new file; that is done here.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { Packr } from 'msgpackr';
import { thrownText } from '../core/thrown.ts';
import { guardTransaction } from '../system/exit-guard.ts';
import { flushDirectories } from './flush-directory.ts';
import { type HeldFile, holdFile } from './held-file.ts';
import type { Entry, KeyRange, ReadableKeys, WritableKeys } from './key-value.ts';
import { LayeredKeys } from './layers.ts';
import { looksLikeLmdb } from './lmdb-header.ts';
import type { Change } from './log-record.ts';
import type { OnFatal } from './on-fatal.ts';
import { forOperator } from './operator-error.ts';
import { plain } from './plain.ts';
import { StoreFailedError } from './store-failed.ts';
import { assertRoom, makeDirectory, privateFile, warnOfNetwork } from './store-place.ts';
import { StoreUnreadableError } from './store-unreadable.ts';
import { LogApartError, readLogs, unapplied } from './unapplied.ts';
import { placeOf, writeAdvice } from './write-advice.ts';

export type { OnFatal };

export interface LmdbStore {
  /**
   * Runs `body` in one write transaction; resolves with what it returned when all of it is durable.
   * Where it throws, nothing is written and the promise rejects with that. One at a time.
   */
  transact<T>(body: (keys: WritableKeys) => T): Promise<T>;
  /** Runs `body` on one consistent snapshot: the newest durable state. */
  snapshot<T>(body: (keys: ReadableKeys) => T): T;
  close(): Promise<void>;
}

/** What a store that keeps a log beside it needs of it. */
export interface OwnLmdb extends LmdbStore {
  readonly path: string;
  /** How many were made since it was opened. */
  readonly changes: number;
  /** Throws once a write has failed. */
  assertSound(): void;
  /** Throws where the file was removed or replaced. */
  assertThere(): void;
  /** Values as their bytes. Durable when it resolves. */
  apply(changes: readonly Change[]): Promise<void>;
  /** A write to the file at the path failed: the store is of no use any more. */
  fail(error: unknown, path: string): Promise<StoreFailedError>;
}

/** On one snapshot of a file that another may own and write. Null where there is none. */
export async function readLmdb<T>(
  options: { readonly directory: string; readonly file: string },
  body: (keys: ReadableKeys) => T,
): Promise<T | null> {
  const path = resolve(options.directory, options.file);
  if (!existsSync(path)) return null;
  for (let left = readAttempts; ; left -= 1) {
    try {
      return await readOnce(path, body);
    } catch (error) {
      // Its owner may have written the log over again while it was read.
      if (!(error instanceof LogApartError) || left <= 1) throw error;
    }
  }
}

const readAttempts = 3;

async function readOnce<T>(path: string, body: (keys: ReadableKeys) => T): Promise<T> {
  const logs = readLogs(path);
  let database: RootDatabase<Buffer, string>;
  try {
    database = open<Buffer, string>({ path, noSubdir: true, readOnly: true, encoding: 'binary' });
  } catch (error) {
    throw unreadableStore(path, 'read', error);
  }
  try {
    const below = new LmdbKeys(database);
    const { layer } = unapplied(path, logs, below);
    return body(new LayeredKeys({ layers: [layer], below, codec: new Packr(plain) }));
  } finally {
    await database.close();
  }
}

const mapBytesInitial = 256 * 1024 * 1024;

export interface LmdbOptions {
  readonly directory: string;
  readonly file: string;
  /** Others may have it open too. Default: this process alone. */
  readonly shared?: boolean;
  readonly onFatal: OnFatal;
  readonly closed?: () => void;
}

export function openLmdb(options: LmdbOptions): OwnLmdb {
  const directory = resolve(options.directory);
  const made = makeDirectory(directory);
  const path = resolve(directory, options.file);
  assertRoom(path);
  warnOfNetwork(directory);
  let database: RootDatabase<Buffer, string> | null = null;
  try {
    if (!looksLikeLmdb(path)) throw new Error('it does not begin as an LMDB file does');
    database = open<Buffer, string>({
      path,
      noSubdir: true,
      overlappingSync: false,
      // Its batches end in a promise of its own: a failed commit would end the process by it.
      eventTurnBatching: false,
      mapSize: mapBytesInitial,
      encoding: 'binary',
      // Not in its types.
      ...{ permissionsMode: privateFile },
    });
    flushDirectories(directory, made === undefined ? directory : dirname(made));
  } catch (error) {
    void database?.close();
    throw unreadableStore(path, 'opened', error);
  }
  try {
    return new Store(database, holdFile(path, options.shared ?? false), options);
  } catch (error) {
    void database.close();
    throw error;
  }
}

class Store implements OwnLmdb {
  readonly #database: RootDatabase<Buffer, string>;
  readonly #held: HeldFile;
  readonly #options: LmdbOptions;
  readonly #keys: LmdbKeys;
  #failure: StoreFailedError | null = null;

  constructor(database: RootDatabase<Buffer, string>, held: HeldFile, options: LmdbOptions) {
    this.#database = database;
    this.#held = held;
    this.#options = options;
    this.#keys = new LmdbKeys(database);
  }

  get path(): string {
    return this.#held.path;
  }

  get changes(): number {
    return this.#keys.changes;
  }

  assertSound(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  assertThere(): void {
    this.#held.assertThere();
  }

  apply(changes: readonly Change[]): Promise<void> {
    return this.transact(() => this.#keys.apply(changes));
  }

  async transact<T>(body: (keys: WritableKeys) => T): Promise<T> {
    this.assertSound();
    let thrown: { readonly error: unknown } | null = null;
    try {
      this.#held.assertThere();
      // A child transaction: when the body throws half-way, nothing is committed.
      return await guardTransaction(() =>
        this.#database.childTransaction(() => {
          try {
            return body(this.#keys);
          } catch (error) {
            thrown = { error };
            throw error;
          }
        }),
      );
    } catch (error) {
      if (thrown !== null && this.#keys.failure === null) throw error;
      throw await this.fail(this.#keys.failure ?? error, this.path);
    }
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    // Another process may have committed since the read transaction began (a shared journal).
    this.#database.resetReadTxn();
    return body(this.#keys);
  }

  async close(): Promise<void> {
    await this.#database.close();
    this.#held.release();
    this.#options.closed?.();
  }

  async fail(error: unknown, path: string): Promise<StoreFailedError> {
    // lmdb-js rejects with a general error that carries the promise of the real one.
    const carried = (error as { commitError?: Promise<never> } | null)?.commitError;
    const cause = carried === undefined ? error : await carried.catch((reason: unknown) => reason);
    const why = thrownText(cause);
    const failure = new StoreFailedError(
      `A write to ${path} failed: ${why}. ${writeAdvice(why, placeOf(path))} Whether the last writes are durable is known after the restart, not before.`,
      { cause },
    );
    // Of several writes at once each may come here.
    if (this.#failure !== null) return this.#failure;
    this.#failure = failure;
    this.#options.onFatal(failure);
    return failure;
  }
}

class LmdbKeys implements WritableKeys {
  readonly #database: RootDatabase<Buffer, string>;
  readonly #codec = new Packr(plain);
  /** The first error that LMDB itself gave, as against one that a transaction's body threw. */
  failure: unknown = null;
  /** How many were made, in all transactions. */
  changes = 0;

  constructor(database: RootDatabase<Buffer, string>) {
    this.#database = database;
  }

  get(key: string): unknown {
    let bytes: Buffer | undefined;
    try {
      bytes = this.#database.get(key);
    } catch (error) {
      throw this.#failed(error);
    }
    return bytes === undefined ? undefined : this.#codec.unpack(bytes);
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    const found = this.#all(() => this.#database.getRange(options));
    return found.map(({ key, value }) => [key, this.#codec.unpack(value)] as const);
  }

  last({ start, end }: KeyRange): string | null {
    const backwards = { reverse: true, exclusiveStart: true, inclusiveEnd: true, limit: 1 };
    const keys = this.#all(() => this.#database.getKeys({ ...backwards, start: end, end: start }));
    return keys[0] ?? null;
  }

  #all<T>(found: () => Iterable<T>): T[] {
    try {
      return [...found()];
    } catch (error) {
      throw this.#failed(error);
    }
  }

  put(key: string, value: unknown): void {
    this.#put(key, this.#codec.pack(value));
  }

  remove(key: string): void {
    this.changes += 1;
    try {
      void this.#database.remove(key);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  apply(changes: readonly Change[]): void {
    for (const [key, value] of changes) {
      if (value === null) this.remove(key);
      else this.#put(key, value as Buffer);
    }
  }

  #put(key: string, bytes: Buffer): void {
    this.changes += 1;
    try {
      void this.#database.put(key, bytes);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): unknown {
    this.failure ??= error;
    return error;
  }
}

function unreadableStore(path: string, verb: string, error: unknown): StoreUnreadableError {
  const why = thrownText(error);
  const advice = writeAdvice(why, placeOf(path));
  return forOperator(
    new StoreUnreadableError(
      `The store ${path} cannot be ${verb}: ${why}. ${advice} Where the file is broken, restore it from a backup.`,
    ),
  );
}
