/**
 * A small durable store of versioned records, with optimistic concurrency and two-phase commit:
 *
 *     (nothing) --prepare--> prepared --commit--> applied
 *         ^                      |
 *         +------rollback--------+
 *
 * A prepare locks its keys, compares the versions that its transaction had read, and keeps durably what the commit
 * will write; the records themselves change with the commit only. Everything that was answered is on disk: LMDB's
 * transactions resolve after their flush. The rules on the keys are in records.ts.
 */
import type { VoteReason } from '../../src/core/messages.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { BranchRef } from '../../src/ports/resource.ts';
import { CountedKeys } from '../../src/system/counted-keys.ts';
import { type DirectoryLock, lockDirectory } from '../../src/system/directory-lock.ts';
import { GroupCommit } from '../../src/system/group-commit.ts';
import { exitOnFatal, type LmdbStore, type OnFatal, openLmdb } from '../../src/system/lmdb.ts';
import { readHeader } from '../../src/system/store-format.ts';
import { KeyLocks, type LockResult } from './key-locks.ts';
import {
  allPrepared,
  begin,
  branchText,
  commit,
  getPrepared,
  getRecord,
  type PreparedBranch,
  prepare,
  type RecordWrite,
  rollback,
  type StoredRecord,
  storeFile,
  storeHeader,
  sweepApplied,
} from './records.ts';

export interface StoreOptions {
  /** Made where it is missing. It belongs to this store alone. */
  readonly directory: string;
  /** What a new store begins with. */
  readonly seed: readonly (readonly [key: string, record: StoredRecord])[];
  readonly clock: Clock;
  /** How long a prepare waits for a key that another branch holds. Default 2,000. */
  readonly lockWaitMs?: number;
  /** How many prepares may wait at once. Default 10,000. */
  readonly lockWaitersMax?: number;
  /** How long it is remembered that a branch was committed. Default an hour. */
  readonly appliedKeepMs?: number;
  /** Called once, when a write or a flush failed. Default: says why on stderr and ends the process with 70. */
  readonly onFatal?: OnFatal;
}

/** What a branch wants. */
export interface BranchRequest extends BranchRef {
  /** Locked until the outcome. Every key that is written must be among them. */
  readonly keys: readonly string[];
  /** The versions that the transaction had read; 0 for a record that was not there. */
  readonly versions: ReadonlyMap<string, number>;
  /** Called with the keys locked and the versions compared: what to write, or why not. */
  readonly plan: (read: (key: string) => StoredRecord | null) => Plan;
  readonly signal: AbortSignal;
}

export type Plan =
  | { readonly writes: ReadonlyMap<string, unknown> }
  | { readonly refused: VoteReason };

export type Prepared =
  /** The versions that the commit will leave behind, by key. */
  { readonly versions: Readonly<Record<string, number>> } | { readonly refused: VoteReason };

/** How often a commit also takes a step through the notes of what was applied. */
const commitsPerSweep = 64;
const sweepLimit = 256;

export class VersionedStore {
  readonly #options: StoreOptions;
  readonly #lmdb: LmdbStore;
  readonly #directoryLock: DirectoryLock;
  readonly #group: GroupCommit<CountedKeys>;
  readonly #locks: KeyLocks;
  readonly #appliedKeepMs: number;
  readonly #openedAtMs: number;
  #commits = 0;
  #sweptTo: string | null = null;

  /** Rejects where the directory has an owner, or holds what this program cannot read. */
  static async open(options: StoreOptions): Promise<VersionedStore> {
    const { directory, clock } = options;
    const lock = lockDirectory({ directory, purpose: 'shop store', clock });
    let lmdb: LmdbStore | null = null;
    try {
      const onFatal = options.onFatal ?? exitOnFatal;
      lmdb = openLmdb({ directory, file: storeFile, onFatal });
      // On a snapshot first: what cannot be read must not be written to either.
      lmdb.snapshot((keys) => readHeader(keys, storeHeader));
      await lmdb.transact((keys) => begin(keys, options.seed));
      return new VersionedStore(options, lmdb, lock);
    } catch (error) {
      await lmdb?.close();
      lock.release();
      throw error;
    }
  }

  private constructor(options: StoreOptions, lmdb: LmdbStore, lock: DirectoryLock) {
    this.#options = options;
    this.#lmdb = lmdb;
    this.#directoryLock = lock;
    this.#group = new GroupCommit({
      transact: (body) => lmdb.transact((keys) => body(new CountedKeys(keys))),
    });
    this.#locks = new KeyLocks({
      clock: options.clock,
      waitMs: options.lockWaitMs ?? 2_000,
      waitersMax: options.lockWaitersMax ?? 10_000,
    });
    this.#appliedKeepMs = options.appliedKeepMs ?? 3_600_000;
    this.#openedAtMs = options.clock.monotonicMs();
    // Whoever was prepared before the restart still holds its keys.
    for (const branch of this.inDoubt()) this.#lockAgain(branch);
  }

  get(key: string): StoredRecord | null {
    return this.#lmdb.snapshot((keys) => getRecord(keys, key));
  }

  /** The branches that are prepared: durably, with their keys locked. */
  inDoubt(): readonly PreparedBranch[] {
    return this.#lmdb.snapshot(allPrepared);
  }

  /** Resolves when what the branch will write is durable. What is refused holds nothing. */
  async prepare(request: BranchRequest): Promise<Prepared> {
    const before = this.#lmdb.snapshot((keys) => getPrepared(keys, request));
    if (before !== null) return { versions: versionsOf(before.writes) };
    const owner = branchText(request);
    // In one order for everybody: two prepares in this store never wait for each other.
    const wanted = [...new Set(request.keys)].sort();
    const taken: string[] = [];
    try {
      for (const key of wanted) {
        const result = await this.#locks.take(key, owner, request.signal);
        if (result !== 'granted') return this.#giveBack(taken, owner, lockRefusal(key, result));
        taken.push(key);
      }
      const answer = this.#plan(request);
      if ('refused' in answer) return this.#giveBack(taken, owner, answer.refused);
      const { txid, branch } = request;
      const { writes } = answer;
      await this.#group.run((keys) => prepare(keys, { txid, branch, writes, keys: wanted }));
      return { versions: versionsOf(writes) };
    } catch (error) {
      this.#release(taken, owner);
      throw error;
    }
  }

  /** Resolves when the writes are durable. Repeats change nothing. Rejects with UnknownBranchError. */
  async commit(branch: BranchRef): Promise<void> {
    const held = this.#lmdb.snapshot((keys) => getPrepared(keys, branch))?.keys ?? [];
    await this.#group.run((keys) => {
      commit(keys, branch, this.#options.clock.wallMs());
      this.#sweep(keys);
    });
    this.#release(held, branchText(branch));
  }

  /** Resolves when the branch is durably gone. Nothing happens where nothing is held. */
  async rollback(branch: BranchRef): Promise<void> {
    const prepared = this.#lmdb.snapshot((keys) => getPrepared(keys, branch));
    await this.#group.run((keys) => rollback(keys, branch));
    this.#release(prepared?.keys ?? [], branchText(branch));
  }

  async close(): Promise<void> {
    await this.#group.idle();
    await this.#lmdb.close();
    this.#directoryLock.release();
  }

  #plan(request: BranchRequest): { writes: readonly RecordWrite[] } | { refused: VoteReason } {
    return this.#lmdb.snapshot((keys) => {
      for (const [key, expected] of request.versions) {
        const actual = getRecord(keys, key)?.version ?? 0;
        if (actual !== expected) return { refused: conflict({ key, expected, actual }) };
      }
      const plan = request.plan((key) => getRecord(keys, key));
      if ('refused' in plan) return plan;
      const writes: RecordWrite[] = [];
      for (const [key, value] of plan.writes) {
        if (!request.keys.includes(key))
          throw new Error(`The plan writes ${key} without its lock.`);
        writes.push({ key, value, version: (getRecord(keys, key)?.version ?? 0) + 1 });
      }
      return { writes };
    });
  }

  /**
   * The journal may ask for a commit again as long as it has not recorded it: that is over long before the
   * limit - while the process runs. One that was down for a day may ask right after its start, so nothing
   * is swept before it has run for as long.
   */
  #sweep(keys: CountedKeys): void {
    this.#commits += 1;
    const { clock } = this.#options;
    if (this.#commits % commitsPerSweep !== 0) return;
    if (clock.monotonicMs() - this.#openedAtMs < this.#appliedKeepMs) return;
    this.#sweptTo = sweepApplied(keys, {
      after: this.#sweptTo,
      beforeMs: clock.wallMs() - this.#appliedKeepMs,
      limit: sweepLimit,
    });
  }

  #lockAgain(branch: PreparedBranch): void {
    for (const key of branch.keys) {
      if (this.#locks.tryTake(key, branchText(branch))) continue;
      throw new Error(`Two prepared branches hold the key ${key}: the store is broken.`);
    }
  }

  #giveBack(taken: readonly string[], owner: string, refused: VoteReason): Prepared {
    this.#release(taken, owner);
    return { refused };
  }

  #release(keys: readonly string[], owner: string): void {
    for (const key of keys) this.#locks.release(key, owner);
  }
}

function versionsOf(writes: readonly RecordWrite[]): Readonly<Record<string, number>> {
  return Object.fromEntries(writes.map(({ key, version }) => [key, version]));
}

function conflict(detail: { key: string; expected: number; actual: number }): VoteReason {
  const { key, expected, actual } = detail;
  return {
    code: 'CONFLICT',
    message: `Stale version of ${key}: ${expected} was read, ${actual} is current. Read it again and retry.`,
    retryable: true,
    detail,
  };
}

const lockRefusals: Readonly<Record<Exclude<LockResult, 'granted'>, string>> = {
  'timed-out': 'is held by another transaction, and was not free in time. Retry.',
  'given-up': 'is held by another transaction, and the transaction ended while waiting for it.',
  'too-many': 'is held by another transaction, and too many others wait. Retry later.',
};

function lockRefusal(key: string, result: Exclude<LockResult, 'granted'>): VoteReason {
  return {
    code: 'LOCK_TIMEOUT',
    message: `${key} ${lockRefusals[result]}`,
    retryable: true,
    detail: { key },
  };
}
