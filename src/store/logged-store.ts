/**
 * A store of one owner whose transactions are written to a log, with one flush each, and to LMDB
 * later, many at once: most of what is written is changed again within milliseconds, and only the
 * last state of a key has to reach the tree.
 *
 *     transact --append, flush--> newest layer --full--> frozen layer --to LMDB--> gone
 *              |                  log file A             log file B, then free again
 *              +--large ones, once both layers are gone--> LMDB
 *
 * - What goes to LMDB directly is newer than every record, and no layer hides it: all are in LMDB
 *   before it, and the next record is newer.
 * - A record is flushed before its changes are seen or answered.
 * - Records are numbered without a gap. The transaction that completes a layer in LMDB writes the
 *   number of its last record, and only then is its file written over.
 * - After a crash the records above that number are applied again (`unapplied.ts`). What LMDB has
 *   of them in part is overwritten in order, and ends as it ended before.
 * - A flush that failed is never tried again (see lmdb.ts): the process ends.
 */
import { randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Packr } from 'msgpackr';
import { flushDirectory } from './flush-directory.ts';
import type { ReadableKeys, WritableKeys } from './key-value.ts';
import { ChangingKeys, Layer, LayeredKeys } from './layers.ts';
import type { LmdbStore, OwnLmdb } from './lmdb.ts';
import { LogFile } from './log-file.ts';
import { type Change, encodeRecord } from './log-record.ts';
import { plain } from './plain.ts';
import { StoreFailedError } from './store-failed.ts';
import { type LogMark, logPathsOf, markKey, readLogs, unapplied } from './unapplied.ts';

export interface LogLimits {
  /** The newest layer goes to LMDB when it has so many keys, or its file so many bytes. */
  readonly maxLayerKeys: number;
  readonly maxLogBytes: number;
  /**
   * Transactions of so many changes or more, as a rule, go to LMDB without the log: shared by so
   * many, LMDB's two flushes cost less than writing each change twice.
   */
  readonly manyChanges: number;
  /** Bounds the pause that a transaction of LMDB makes in the event loop. */
  readonly maxTransactionKeys: number;
}

const limitDefaults: LogLimits = {
  maxLayerKeys: 8_192,
  maxLogBytes: 4 * 1024 * 1024,
  manyChanges: 64,
  maxTransactionKeys: 512,
};

export class LoggedStore implements LmdbStore {
  readonly #lmdb: OwnLmdb;
  readonly #limits: LogLimits;
  readonly #codec = new Packr(plain);
  readonly #log = randomInt(2 ** 48 - 1);
  #sequence: number;
  #newest: Layer;
  #frozen: Layer | null = null;
  #files: readonly [current: LogFile, other: LogFile] | null = null;
  /** The frozen layer on its way. */
  #moving: Promise<void> | null = null;
  #busy = false;
  /**
   * Of the latest transactions, the newest counting most. The first goes to LMDB directly: the
   * number of its format must keep off a program that knows no log before there is one to miss.
   */
  #usualChanges: number;

  /** Writes nothing before `start`. Throws StoreUnreadableError. */
  constructor(lmdb: OwnLmdb, limits: LogLimits = limitDefaults) {
    const logs = readLogs(lmdb.path);
    const { layer, sequence } = lmdb.snapshot((keys) => unapplied(lmdb.path, logs, keys));
    this.#lmdb = lmdb;
    this.#limits = limits;
    this.#usualChanges = limits.manyChanges;
    this.#newest = layer;
    this.#sequence = sequence;
  }

  /** Applies what a crash left in the log, and begins a new one. */
  async start(): Promise<void> {
    const { path } = this.#lmdb;
    const [first, second] = logPathsOf(path);
    // They are there before LMDB says so.
    this.#files = [new LogFile(first), new LogFile(second)];
    flushDirectory(dirname(path));
    await this.#write(this.#newest, this.#mark(true));
    this.#newest = new Layer();
  }

  async transact<T>(body: (keys: WritableKeys) => T): Promise<T> {
    if (this.#files === null || this.#busy) throw new Error('One transaction at a time.');
    this.#lmdb.assertSound();
    this.#busy = true;
    try {
      if (this.#usualChanges >= this.#limits.manyChanges) return await this.#directly(body);
      const { result, changes } = this.#lmdb.snapshot((below) => {
        const keys = new ChangingKeys(this.#over(below));
        return { result: body(keys), changes: keys.changes.all() };
      });
      if (changes.length > 0) await this.#commit(changes);
      this.#saw(changes.length);
      return result;
    } finally {
      this.#busy = false;
    }
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#lmdb.snapshot((below) => body(new LayeredKeys(this.#over(below))));
  }

  async close(): Promise<void> {
    try {
      if (this.#files !== null) await this.#end(this.#files);
    } finally {
      await this.#lmdb.close();
    }
  }

  /** Only where nothing is kept over LMDB: what it has is then all that is read. */
  async #directly<T>(body: (keys: WritableKeys) => T): Promise<T> {
    if (this.#newest.size > 0) await this.#freeze();
    await this.#moving;
    const before = this.#lmdb.changes;
    const result = await this.#lmdb.transact(body);
    this.#saw(this.#lmdb.changes - before);
    return result;
  }

  #saw(changes: number): void {
    this.#usualChanges = (3 * this.#usualChanges + changes) / 4;
  }

  #over(below: ReadableKeys) {
    const layers = this.#frozen === null ? [this.#newest] : [this.#newest, this.#frozen];
    return { layers, below, codec: this.#codec };
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    const [file] = this.#files ?? [];
    if (file === undefined) throw new Error('The store is closed.');
    const sequence = this.#sequence + 1;
    const bytes = encodeRecord({ sequence, log: this.#log }, changes);
    let { path } = this.#lmdb;
    try {
      this.#lmdb.assertThere();
      path = file.path;
      await file.append(bytes);
    } catch (error) {
      throw await this.#lmdb.fail(error, path);
    }
    this.#sequence = sequence;
    for (const [key, value] of changes) this.#newest.keep(key, value);
    const { maxLayerKeys, maxLogBytes } = this.#limits;
    if (this.#newest.size >= maxLayerKeys || file.bytes >= maxLogBytes) await this.#freeze();
  }

  async #freeze(): Promise<void> {
    // Full again before the one before is in LMDB: whoever writes waits.
    await this.#moving;
    if (this.#files === null || this.#frozen !== null) return;
    const [full, free] = this.#files;
    this.#files = [free, full];
    free.rewind();
    const frozen = this.#newest;
    this.#frozen = frozen;
    this.#newest = new Layer();
    this.#moving = this.#write(frozen, this.#mark(true)).then(
      () => {
        this.#frozen = null;
        this.#moving = null;
      },
      // LMDB has told it, and refuses all that comes: this layer stays where it is read.
      () => undefined,
    );
  }

  async #end(files: readonly [LogFile, LogFile]): Promise<void> {
    try {
      await this.#moving;
      this.#lmdb.assertSound();
      await this.#write(this.#newest, this.#mark(false));
      for (const { path } of files) rmSync(path, { force: true });
    } catch (error) {
      // It was told when it failed, and the log still holds what LMDB has not.
      if (!(error instanceof StoreFailedError)) throw error;
    } finally {
      this.#files = null;
      for (const file of files) file.close();
    }
  }

  #mark(open: boolean): LogMark {
    return { sequence: this.#sequence, log: this.#log, open };
  }

  /** The mark goes with the last of the layer. */
  async #write(layer: Layer, mark: LogMark): Promise<void> {
    const { maxTransactionKeys } = this.#limits;
    const changes = [...layer.all(), [markKey, this.#codec.pack(mark)] as const];
    for (let at = 0; at < changes.length; at += maxTransactionKeys) {
      await this.#lmdb.apply(changes.slice(at, at + maxTransactionKeys));
    }
  }
}
