/** The durable side of a resource: one LMDB file with its prepared branches, group commit, and the sweep of old notes. */
import type { Clock } from '../ports/clock.ts';
import type { BranchRef, HeldBranch } from '../ports/resource.ts';
import { CountedKeys } from '../store/counted-keys.ts';
import { type DirectoryLock, lockDirectory } from '../store/directory-lock.ts';
import { fileNumber } from '../store/file-number.ts';
import { GroupCommit } from '../store/group-commit.ts';
import type { ReadableKeys, WritableKeys } from '../store/key-value.ts';
import { exitOnFatal, type LmdbStore, type OnFatal, openLmdb } from '../store/lmdb.ts';
import { readHeader, type StoreHeader } from '../store/store-format.ts';
import { systemRandom } from '../system/random.ts';
import { steadyWall } from '../system/steady-wall.ts';
import {
  allPrepared,
  type BranchEnd,
  commit,
  getPrepared,
  isToRollBack,
  type PreparedBy,
  prepare,
  rollback,
  sweepApplied,
} from './branch-records.ts';

export interface BranchStoreOptions<Prepared extends PreparedBy> {
  readonly dataDirectory: string;
  /** The file's name in the directory. */
  readonly file: string;
  readonly header: StoreHeader;
  /** Makes an empty file one of ours, in its first transaction; repeated at every start. */
  readonly begin: (keys: WritableKeys) => void;
  /** What the commit of a branch does, within the transaction that ends it. */
  readonly apply: (keys: WritableKeys, branch: Prepared) => void;
  readonly clock: Clock;
  /** How long it is remembered that a branch was committed. Default an hour. */
  readonly appliedKeepMs?: number;
  /** Called once, when a write or a flush failed. Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal;
}

const identityKey = 'identity';
const identityDigits = 16;

/** How often a commit also takes a step through the notes of what was applied. */
const commitsPerSweep = 64;
const sweepLimit = 256;

/** Everything that it resolves is on disk: LMDB's transactions resolve after their flush. */
export class BranchStore<Prepared extends PreparedBy> {
  /** Made with the file, and another one for a copy of it: what is done to a copy is not done to the original. */
  readonly identity: string;
  readonly #lmdb: LmdbStore;
  readonly #directoryLock: DirectoryLock;
  readonly #group: GroupCommit<CountedKeys>;
  readonly #apply: BranchStoreOptions<Prepared>['apply'];
  readonly #clock: Clock;
  readonly #wallMs: () => number;
  readonly #appliedKeepMs: number;
  readonly #openedAtMs: number;
  #commits = 0;
  #sweptTo: string | null = null;

  /** Rejects where the directory has an owner, or holds what this program cannot read. */
  static async open<Prepared extends PreparedBy>(
    options: BranchStoreOptions<Prepared>,
  ): Promise<BranchStore<Prepared>> {
    const { dataDirectory: directory, file, header, clock } = options;
    const lock = lockDirectory({ directory, purpose: header.kind, clock });
    let lmdb: LmdbStore | null = null;
    try {
      const onFatal = options.onFatal ?? exitOnFatal;
      lmdb = openLmdb({ directory, file, onFatal });
      // On a snapshot first: what cannot be read must not be written to either.
      lmdb.snapshot((keys) => readHeader(keys, header));
      // Also flushes what a process left in the page cache that was killed in the middle of a commit.
      await lmdb.transact((keys) => {
        options.begin(keys);
        if (keys.get(identityKey) === undefined)
          keys.put(identityKey, systemRandom.token(identityDigits));
      });
      return new BranchStore(options, lmdb, lock);
    } catch (error) {
      await lmdb?.close();
      lock.release();
      throw error;
    }
  }

  private constructor(options: BranchStoreOptions<Prepared>, lmdb: LmdbStore, lock: DirectoryLock) {
    const file = fileNumber(options.dataDirectory, options.file);
    const made = lmdb.snapshot((keys) => keys.get(identityKey)) as string;
    this.identity = `${options.header.kind.replaceAll(' ', '-')}-${made}-${file}`;
    this.#lmdb = lmdb;
    this.#directoryLock = lock;
    this.#group = new GroupCommit({
      transact: (body) => lmdb.transact((keys) => body(new CountedKeys(keys))),
    });
    this.#apply = options.apply;
    this.#clock = options.clock;
    this.#wallMs = steadyWall(options.clock);
    this.#appliedKeepMs = options.appliedKeepMs ?? 3_600_000;
    this.#openedAtMs = options.clock.monotonicMs();
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#lmdb.snapshot(body);
  }

  prepared(branch: BranchRef): Prepared | null {
    return this.#lmdb.snapshot((keys) => getPrepared<Prepared>(keys, branch));
  }

  allPrepared(): readonly Prepared[] {
    return this.#lmdb.snapshot((keys) => allPrepared<Prepared>(keys));
  }

  /** All of them, and whether this instance voted for them. */
  inDoubt(instance: string | undefined): readonly HeldBranch[] {
    return this.allPrepared().map(({ txid, branch, instance: by }) => ({
      txid,
      branch,
      mine: instance === undefined || by === instance,
    }));
  }

  /** Resolves when it is durable. */
  prepare(branch: Prepared): Promise<void> {
    return this.#group.run((keys) => prepare(keys, branch));
  }

  /** Resolves when its writes are durable. Repeats change nothing. Rejects with BranchEndedError. */
  commit(branch: BranchEnd): Promise<void> {
    return this.#group.run((keys) => {
      commit<Prepared>(keys, branch, {
        atMs: this.#wallMs(),
        apply: (prepared) => this.#apply(keys, prepared),
      });
      this.#sweep(keys);
    });
  }

  /** Resolves when it is durably gone. */
  async rollback(branch: BranchEnd): Promise<void> {
    if (!this.#lmdb.snapshot((keys) => isToRollBack(keys, branch))) return;
    await this.#group.run((keys) => rollback(keys, branch));
  }

  /** Resolves when what `operation` changed is durable; it shares its transaction with others. */
  run<T>(operation: (keys: WritableKeys) => T): Promise<T> {
    return this.#group.run(operation);
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
      beforeMs: this.#wallMs() - this.#appliedKeepMs,
      limit: sweepLimit,
    });
  }
}
