/** One branch of a versioned store before its vote: what it read, will write and holds. */
import type { VoteReason } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import type { BranchRef } from '../../ports/resource.ts';
import { sendable } from '../../wire/sendable.ts';
import { branchText } from '../branch-store.ts';
import type { KeyLocks, LockMode } from './locks.ts';
import { type RecordWrite, recordKey, type StoredRecord } from './records.ts';
import { conflict, lockRefusal, RefusedError } from './refusals.ts';

/**
 * The store within one branch. Every call locks its key until the decision and may wait for it. One
 * that is refused (`LOCK_TIMEOUT`, `DEADLOCK`, `CONFLICT`) throws `RefusedError` and makes the
 * branch vote `abort`, whether or not the error is caught.
 */
export interface StoreTransaction extends BranchRef {
  /** The value last committed, or as this branch wrote it; null for none. Locks the key shared. */
  read<Value = unknown>(key: string): Promise<StoredRecord<Value> | null>;
  /** `read` with the key locked exclusively, for what will be written: no one else reads it. */
  readForUpdate<Value = unknown>(key: string): Promise<StoredRecord<Value> | null>;
  /** Refuses with `CONFLICT` where the version is another; 0: no record. Locks the key shared. */
  expect(key: string, version: number): Promise<void>;
  /** The value becomes visible with the commit: plain data. Locks the key exclusively. */
  write(key: string, value: unknown): Promise<void>;
  /** The record is gone with the commit. Locks the key exclusively. */
  delete(key: string): Promise<void>;
}

export interface WorkOptions {
  readonly branch: BranchRef;
  readonly locks: KeyLocks;
  readonly current: (key: string) => StoredRecord | null;
  /** The version to which a write brings the key. */
  readonly versionAfter: (key: string) => number;
  /** Its shared locks go with its vote: no key is locked any more once prepare has begun. */
  readonly readLocksUntilVote: boolean;
}

type Change = { readonly value: unknown } | 'deleted';

export class Work implements StoreTransaction {
  readonly txid: Txid;
  readonly branch: string;
  readonly owner: string;
  readonly readLocksUntilVote: boolean;
  readonly #options: WorkOptions;
  readonly #changes = new Map<string, Change>();
  #phase: 'working' | 'preparing' | 'ended' = 'working';
  #signal: () => AbortSignal | null = () => null;
  #refusal: VoteReason | null = null;
  #underWay = 0;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.txid = options.branch.txid;
    this.branch = options.branch.branch;
    this.owner = branchText(options.branch);
    this.readLocksUntilVote = options.readLocksUntilVote;
  }

  /** Why it can only vote abort, if so. */
  get refusal(): VoteReason | null {
    return this.#refusal;
  }

  async read<Value>(key: string): Promise<StoredRecord<Value> | null> {
    await this.lock(key, 'shared');
    return this.#get(key) as StoredRecord<Value> | null;
  }

  async readForUpdate<Value>(key: string): Promise<StoredRecord<Value> | null> {
    await this.lock(key, 'exclusive');
    return this.#get(key) as StoredRecord<Value> | null;
  }

  async expect(key: string, expected: number): Promise<void> {
    await this.lock(key, 'shared');
    const actual = this.#options.current(key)?.version ?? 0;
    if (actual !== expected) throw this.#refuse(conflict({ key, expected, actual }));
  }

  async write(key: string, value: unknown): Promise<void> {
    if (value === undefined) throw new TypeError(`Nothing to write to ${key}. Use delete.`);
    // What the file would keep as something else is refused now, not missed when read back.
    const kept = sendable(value, `the value of ${key}`);
    await this.lock(key, 'exclusive');
    this.#changes.set(key, { value: kept });
  }

  async delete(key: string): Promise<void> {
    await this.lock(key, 'exclusive');
    this.#changes.set(key, 'deleted');
  }

  /** From now on waiting for a lock ends with this signal. */
  beginPrepare(signal: () => AbortSignal): void {
    this.#assertNotEnded();
    this.#phase = 'preparing';
    this.#signal = signal;
  }

  /** What the commit will write. No call is taken any more. */
  finish(): readonly RecordWrite[] {
    this.#assertNotEnded();
    if (this.#underWay > 0) {
      throw new Error(
        `Calls of the store are still under way in the branch ${this.owner}. Await every one before the prepare ends.`,
      );
    }
    this.#phase = 'ended';
    return [...this.#changes].map(([key, change]) =>
      change === 'deleted'
        ? { key, version: 0 }
        : { key, version: this.#options.versionAfter(key), value: change.value },
    );
  }

  /** Rolled back: whoever still works on it hears so with the next call. */
  end(): void {
    this.#phase = 'ended';
  }

  async lock(key: string, mode: LockMode): Promise<void> {
    this.#assertNotEnded();
    recordKey(key);
    const { locks } = this.#options;
    const { owner } = this;
    const held = locks.modeOf(key, owner);
    if (held === 'exclusive' || held === mode) return;
    if (this.readLocksUntilVote && this.#phase === 'preparing') {
      throw new Error(
        `The branch ${owner} locks ${key} in its prepare, and was to let its read locks go with its vote. Lock all before the commit, or keep the locks until the decision.`,
      );
    }
    this.#underWay += 1;
    try {
      const result = await locks.take({ owner, key, mode, signal: this.#signal });
      if (result !== 'granted') throw this.#refuse(lockRefusal(key, result));
    } finally {
      this.#underWay -= 1;
    }
    // Rolled back between the grant and this line: the lock went with it.
    this.#assertNotEnded();
  }

  #get(key: string): StoredRecord | null {
    const change = this.#changes.get(key);
    if (change === undefined) return this.#options.current(key);
    if (change === 'deleted') return null;
    return { value: change.value, version: this.#options.versionAfter(key) };
  }

  #refuse(reason: VoteReason): RefusedError {
    this.#refusal ??= reason;
    return new RefusedError(reason);
  }

  #assertNotEnded(): void {
    if (this.#phase !== 'ended') return;
    throw new RefusedError({
      message: `The branch ${this.owner} has ended: it was prepared or rolled back. Begin another transaction.`,
    });
  }
}
