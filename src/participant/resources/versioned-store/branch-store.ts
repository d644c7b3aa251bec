/** The durable side of a versioned store: one LMDB file, its group commit, and the sweep of old notes. */
import type { Clock } from '../../../ports/clock.ts';
import type { BranchRef } from '../../../ports/resource.ts';
import { CountedKeys } from '../../../system/counted-keys.ts';
import { type DirectoryLock, lockDirectory } from '../../../system/directory-lock.ts';
import { GroupCommit } from '../../../system/group-commit.ts';
import type { ReadableKeys } from '../../../system/key-value.ts';
import { exitOnFatal, type LmdbStore, type OnFatal, openLmdb } from '../../../system/lmdb.ts';
import { readHeader } from '../../../system/store-format.ts';
import {
  allPrepared,
  assertNotApplied,
  begin,
  commit,
  getPrepared,
  type InitialRecord,
  type PreparedBranch,
  prepare,
  rollback,
  storeFile,
  storeHeader,
  sweepApplied,
} from './records.ts';

export interface BranchStoreOptions {
  readonly dataDirectory: string;
  readonly initial: Iterable<InitialRecord>;
  readonly clock: Clock;
  readonly appliedKeepMs: number;
  readonly onFatal?: OnFatal;
}

/** How often a commit also takes a step through the notes of what was applied. */
const commitsPerSweep = 64;
const sweepLimit = 256;

/** Everything that it resolves is on disk: LMDB's transactions resolve after their flush. */
export class BranchStore {
  readonly #lmdb: LmdbStore;
  readonly #directoryLock: DirectoryLock;
  readonly #group: GroupCommit<CountedKeys>;
  readonly #clock: Clock;
  readonly #appliedKeepMs: number;
  readonly #openedAtMs: number;
  #commits = 0;
  #sweptTo: string | null = null;

  /** Rejects where the directory has an owner, or holds what this program cannot read. */
  static async open(options: BranchStoreOptions): Promise<BranchStore> {
    const { dataDirectory: directory, clock } = options;
    const lock = lockDirectory({ directory, purpose: 'versioned store', clock });
    let lmdb: LmdbStore | null = null;
    try {
      const onFatal = options.onFatal ?? exitOnFatal;
      lmdb = openLmdb({ directory, file: storeFile, onFatal });
      // On a snapshot first: what cannot be read must not be written to either.
      lmdb.snapshot((keys) => readHeader(keys, storeHeader));
      // Also flushes what a process left in the page cache that was killed in the middle of a commit.
      await lmdb.transact((keys) => begin(keys, options.initial));
      return new BranchStore(options, lmdb, lock);
    } catch (error) {
      await lmdb?.close();
      lock.release();
      throw error;
    }
  }

  private constructor(options: BranchStoreOptions, lmdb: LmdbStore, lock: DirectoryLock) {
    this.#lmdb = lmdb;
    this.#directoryLock = lock;
    this.#group = new GroupCommit({
      transact: (body) => lmdb.transact((keys) => body(new CountedKeys(keys))),
    });
    this.#clock = options.clock;
    this.#appliedKeepMs = options.appliedKeepMs;
    this.#openedAtMs = options.clock.monotonicMs();
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#lmdb.snapshot(body);
  }

  prepared(branch: BranchRef): PreparedBranch | null {
    return this.#lmdb.snapshot((keys) => getPrepared(keys, branch));
  }

  allPrepared(): readonly PreparedBranch[] {
    return this.#lmdb.snapshot(allPrepared);
  }

  /** Resolves when it is durable. */
  prepare(branch: PreparedBranch): Promise<void> {
    return this.#group.run((keys) => prepare(keys, branch));
  }

  /** Resolves when its writes are durable. Repeats change nothing. Rejects with UnknownBranchError. */
  commit(branch: BranchRef): Promise<void> {
    return this.#group.run((keys) => {
      commit(keys, branch, this.#clock.wallMs());
      this.#sweep(keys);
    });
  }

  /** Resolves when it is durably gone. */
  async rollback(branch: BranchRef): Promise<void> {
    if (this.prepared(branch) !== null) return this.#group.run((keys) => rollback(keys, branch));
    this.#lmdb.snapshot((keys) => assertNotApplied(keys, branch));
  }

  async close(): Promise<void> {
    await this.#group.idle();
    await this.#lmdb.close();
    this.#directoryLock.release();
  }

  /**
   * The journal may ask for a commit again as long as it has not recorded it: that is over long before the
   * limit - while the process runs. One that was down for a day may ask right after its start, so nothing
   * is swept before it has run for as long.
   */
  #sweep(keys: CountedKeys): void {
    this.#commits += 1;
    if (this.#commits % commitsPerSweep !== 0) return;
    if (this.#clock.monotonicMs() - this.#openedAtMs < this.#appliedKeepMs) return;
    this.#sweptTo = sweepApplied(keys, {
      after: this.#sweptTo,
      beforeMs: this.#clock.wallMs() - this.#appliedKeepMs,
      limit: sweepLimit,
    });
  }
}
