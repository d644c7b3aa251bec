/**
 * One SQLite file, for where LMDB cannot be loaded: `node:sqlite` is part of the runtime. As with
 * LMDB a transaction is durable before it is answered or seen, and the file has one owner.
 *
 * What SQLite 3.53 does with these settings (docs/adr/0011-light-client.md):
 * - `journal_mode=WAL`, `synchronous=FULL`: a commit appends its pages to the `-wal` file and
 *   flushes it (`fullfsync`, on macOS: down to the disk). Only then does COMMIT return. A record
 *   that a crash tore has a wrong checksum, and is the log's end.
 * - A checkpoint flushes the log before it copies, and the database before the log is begun anew.
 * - A killed process may leave a record in the page cache and not on disk. The first commit of the
 *   next owner flushes the same file: it comes before any answer.
 * - `locking_mode=EXCLUSIVE`: the lock on the file is kept from the first transaction on, and the
 *   system gives it back when the process dies. Two connections of one process exclude each other.
 *   Shared, each transaction takes SQLite's own locks, and no owner comes in meanwhile.
 * - (!) These are the process's locks, lost when it closes any other descriptor of the file: none
 *   but SQLite opens it here.
 * - A commit that failed is never tried again, as with LMDB: the process ends (`onFatal`).
 *
 * SQLite waits for the disk in the event loop. So a transaction begins at the end of a turn, and
 * takes along what else came in that turn.
 */
import { closeSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Packr } from 'msgpackr';
import { thrownText } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import { pause } from '../system/pause.ts';
import { atEndOfTurn } from '../system/turn.ts';
import { DirectoryLockedError } from './directory-locked.ts';
import { flushDirectories } from './flush-directory.ts';
import type { Entry, KeyRange, ReadableKeys, WritableKeys } from './key-value.ts';
import type { LmdbStore } from './lmdb.ts';
import type { OnFatal } from './on-fatal.ts';
import { forOperator } from './operator-error.ts';
import { inUseText, ownerFile, ownerNote } from './owner-note.ts';
import { plain } from './plain.ts';
import { StoreFailedError } from './store-failed.ts';
import { StoreFormatError } from './store-format.ts';
import { atPlace, makeDirectory, privateFile, warnOfNetwork, warnOfOpen } from './store-place.ts';
import { StoreUnreadableError } from './store-unreadable.ts';
import { placeOf, writeAdvice } from './write-advice.ts';

export interface SqliteOptions {
  readonly directory: string;
  readonly file: string;
  /** What the directory is owned for, as whoever is refused is told. */
  readonly purpose: string;
  /** Others may have it open too. Default: this process alone. */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly onFatal: OnFatal;
}

export interface SqliteStore extends LmdbStore {
  /** Whether the file was made just now. */
  readonly isNew: boolean;
  /** Takes a file that was made just now away again, with its locks still held. */
  remove(): Promise<void>;
}

/** `VERD`: what the file says it is, beside SQLite's own header. */
const applicationId = 0x56455244;
/** How long a process that shares the file may hold it up. */
const sharedWaitMs = 10_000;
/** How long several that make the file at once may be in each other's way. */
const openWaitMs = 2_000;
const pauseMs = 20;

export async function openSqlite(options: SqliteOptions): Promise<SqliteStore> {
  const { shared = false, clock, purpose } = options;
  const directory = resolve(options.directory);
  const path = resolve(directory, options.file);
  const made = makeDirectory(directory);
  if (made === undefined) atPlace(directory, () => warnOfOpen(directory));
  warnOfNetwork(directory);
  const isNew = makeFile(path);
  const identity = identityOf(path);
  const untilMs = clock.monotonicMs() + (shared ? openWaitMs : 0);
  let database: DatabaseSync | null = null;
  try {
    for (;;) {
      database = new DatabaseSync(path);
      try {
        begin(database, shared);
        break;
      } catch (error) {
        database.close();
        database = null;
        // SQLite does not wait where several make the same file at once.
        if (!isBusy(error) || clock.monotonicMs() >= untilMs) throw error;
        await pause(clock, pauseMs);
      }
    }
    // Another one may have taken it away before it was locked.
    if (identity === null || identityOf(path) !== identity) throw new Error(removed);
    flushDirectories(directory, made === undefined ? directory : dirname(made));
    const note = resolve(directory, ownerFile);
    atPlace(note, () => writeFileSync(note, ownerNote({ purpose, clock }), { mode: privateFile }));
    return new Store(database, { path, identity, isNew, shared, onFatal: options.onFatal });
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw forOperator(new DirectoryLockedError(inUseText(directory)));
    throw unreadable(path, error);
  }
}

/**
 * On one snapshot of a file that no process owns. Null where there is none. Rejects with
 * DirectoryLockedError where a process does: its lock keeps readers out, too.
 */
export async function readSqlite<T>(
  options: { readonly directory: string; readonly file: string },
  body: (keys: ReadableKeys) => T,
): Promise<T | null> {
  const directory = resolve(options.directory);
  const path = resolve(directory, options.file);
  if (identityOf(path) === null) return null;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path);
    if (read(database, 'PRAGMA application_id') !== applicationId) {
      throw new Error('it is a database of another program');
    }
    database.exec('BEGIN');
    return body(new SqliteKeys(database));
  } catch (error) {
    if (isBusy(error)) throw forOperator(new DirectoryLockedError(inUseText(directory)));
    if (error instanceof StoreFormatError) throw error;
    throw unreadable(path, error);
  } finally {
    database?.close();
  }
}

const removed =
  'the file was removed or replaced while this process had it open; what is written now would be lost';

/** Whether it was made here. Only a new one is opened: closing another would give up its locks. */
function makeFile(path: string): boolean {
  return atPlace(path, () => {
    try {
      closeSync(openSync(path, 'wx', privateFile));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

function identityOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? null : `${stat.dev}.${stat.ino}`;
}

function begin(database: DatabaseSync, shared: boolean): void {
  database.exec(`PRAGMA locking_mode = ${shared ? 'NORMAL' : 'EXCLUSIVE'}`);
  // Before anything is written: another program's file stays as it is.
  const id = read(database, 'PRAGMA application_id');
  const tables = read(database, 'SELECT count(*) FROM sqlite_schema');
  if (id !== applicationId && (id !== 0 || tables !== 0)) {
    throw new Error('it is a database of another program');
  }
  if (read(database, 'PRAGMA journal_mode = WAL') !== 'wal') {
    throw new Error('its file system does not allow a write-ahead log');
  }
  database.exec(
    'PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON',
  );
  database.exec('BEGIN IMMEDIATE');
  database.exec(`PRAGMA application_id = ${applicationId}`);
  database.exec(
    'CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID',
  );
  database.exec('COMMIT');
  database.exec(`PRAGMA busy_timeout = ${shared ? sharedWaitMs : 0}`);
}

function read(database: DatabaseSync, sql: string): unknown {
  return Object.values(database.prepare(sql).get() ?? {})[0];
}

/** SQLITE_BUSY and what extends it. */
function isBusy(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === 'number' && (errcode & 0xff) === 5;
}

interface Given {
  readonly path: string;
  readonly identity: string;
  readonly isNew: boolean;
  readonly shared: boolean;
  readonly onFatal: OnFatal;
}

class Store implements SqliteStore {
  readonly #database: DatabaseSync;
  readonly #given: Given;
  readonly #keys: SqliteKeys;
  readonly #log: string;
  readonly #logIdentity: string | null;
  #failure: StoreFailedError | null = null;
  #closed = false;

  constructor(database: DatabaseSync, given: Given) {
    this.#database = database;
    this.#given = given;
    this.#keys = new SqliteKeys(database);
    this.#log = `${given.path}-wal`;
    this.#logIdentity = identityOf(this.#log);
  }

  get isNew(): boolean {
    return this.#given.isNew;
  }

  async transact<T>(body: (keys: WritableKeys) => T): Promise<T> {
    await new Promise<void>((done) => atEndOfTurn(done));
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new Error('The store is closed.');
    let result: T;
    try {
      this.#assertThere();
      this.#database.exec('BEGIN IMMEDIATE');
    } catch (error) {
      throw this.#fail(error);
    }
    try {
      result = body(this.#keys);
    } catch (error) {
      const { failure } = this.#keys;
      if (failure !== null) throw this.#fail(failure);
      this.#end('ROLLBACK');
      throw error;
    }
    this.#end('COMMIT');
    return result;
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    // A single owner's transactions are over before anything else runs.
    if (!this.#given.shared) return body(this.#keys);
    this.#database.exec('BEGIN');
    try {
      return body(this.#keys);
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // After a failed flush nothing is written any more, and closing would copy the log.
    if (this.#failure === null) this.#database.close();
  }

  async remove(): Promise<void> {
    rmSync(this.#given.path, { force: true });
    await this.close();
    rmSync(this.#log, { force: true });
  }

  #end(how: 'COMMIT' | 'ROLLBACK'): void {
    try {
      this.#database.exec(how);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #assertThere(): void {
    const { path, identity } = this.#given;
    if (identityOf(path) !== identity || identityOf(this.#log) !== this.#logIdentity) {
      throw new Error(removed);
    }
  }

  #fail(error: unknown): StoreFailedError {
    if (this.#failure !== null) return this.#failure;
    const { path } = this.#given;
    const why = thrownText(error);
    this.#failure = new StoreFailedError(
      `A write to ${path} failed: ${why}. ${writeAdvice(why, placeOf(path))} Whether the last writes are durable is known after the restart, not before.`,
      { cause: error },
    );
    this.#given.onFatal(this.#failure);
    return this.#failure;
  }
}

class SqliteKeys implements WritableKeys {
  readonly #codec = new Packr(plain);
  readonly #get: StatementSync;
  readonly #range: StatementSync;
  readonly #last: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  /** The first error that SQLite itself gave, as against one that a transaction's body threw. */
  failure: unknown = null;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare('SELECT value FROM entries WHERE key = ?');
    this.#range = database.prepare(
      'SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key LIMIT ?',
    );
    this.#last = database.prepare(
      'SELECT key FROM entries WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT 1',
    );
    this.#put = database.prepare(
      'INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    );
    this.#remove = database.prepare('DELETE FROM entries WHERE key = ?');
  }

  get(key: string): unknown {
    const row = this.#noting(() => this.#get.get(key));
    return row === undefined ? undefined : this.#unpack(row['value']);
  }

  range({ start, end, limit }: KeyRange & { readonly limit: number }): readonly Entry[] {
    const rows = this.#noting(() => this.#range.all(start, end, limit));
    return rows.map((row) => [String(row['key']), this.#unpack(row['value'])] as const);
  }

  last({ start, end }: KeyRange): string | null {
    const row = this.#noting(() => this.#last.get(start, end));
    return row === undefined ? null : String(row['key']);
  }

  put(key: string, value: unknown): void {
    const bytes = this.#codec.pack(value);
    this.#noting(() => this.#put.run(key, bytes));
  }

  remove(key: string): void {
    this.#noting(() => this.#remove.run(key));
  }

  #unpack(value: unknown): unknown {
    const { buffer, byteOffset, byteLength } = value as Uint8Array<ArrayBuffer>;
    return this.#codec.unpack(Buffer.from(buffer, byteOffset, byteLength));
  }

  #noting<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }
}

function unreadable(path: string, error: unknown): unknown {
  if (error instanceof Error && error.name === 'StorePlaceError') return error;
  const why = thrownText(error);
  const advice = writeAdvice(why, placeOf(path));
  return forOperator(
    new StoreUnreadableError(
      `The store ${path} cannot be opened: ${why}. ${advice} Where the file is broken, restore it from a backup.`,
    ),
  );
}
