/**
 * The Journal port over a store in this process, in memory or LMDB. Every check is made in the
 * transaction that writes. A store's one owner remembers what it wrote (`EntryMemory`) and reads
 * only what it does not know; where several share it, each check reads.
 */
import type { Epoch, Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import {
  type BranchKey,
  type Journal,
  type JournalContents,
  type JournalEntry,
  JournalError,
  type OutcomeWriteResult,
  type VoteWrite,
  type VoteWriteResult,
} from '../ports/journal.ts';
import { GroupCommit } from '../store/group-commit.ts';
import type { ReadableKeys, WritableKeys } from '../store/key-value.ts';
import { asErrorOf } from '../store/operator-error.ts';
import { steadyWall } from '../system/steady-wall.ts';
import { EntryMemory } from './entry-memory.ts';
import * as rules from './journal-rules.ts';
import { assertBranch } from './keys.ts';
import { findEntry, highestTxids, JournalTransaction } from './transaction.ts';

export interface JournalStore {
  transact(body: (keys: WritableKeys) => void): Promise<void>;
  snapshot<T>(body: (keys: ReadableKeys) => T): T;
  close(): Promise<void>;
}

/** How long a `forget` may wait for the company of a write that matters. */
const forgetDelayMs = 100;

export class LocalJournal implements Journal {
  readonly instance: string;
  readonly #store: JournalStore;
  readonly #clock: Clock;
  readonly #wallMs: () => number;
  readonly #memory: EntryMemory | null;
  readonly #group: GroupCommit<JournalTransaction>;
  /** That this process serves. */
  #clusterId: string | null = null;
  #closed: Promise<void> | null = null;

  constructor(options: {
    readonly instance: string;
    readonly store: JournalStore;
    readonly clock: Clock;
    /** Others have the store open, or may have it. */
    readonly shared: boolean;
    readonly maxHeld?: number;
  }) {
    this.instance = options.instance;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#wallMs = steadyWall(options.clock);
    this.#memory = options.shared
      ? null
      : new EntryMemory(this.#store.snapshot(highestTxids), options.maxHeld);
    this.#group = new GroupCommit({
      transact: (body) => this.#transact(body),
      asError: asJournalError,
    });
  }

  async load(): Promise<JournalContents> {
    return this.#snapshot(rules.load);
  }

  bind(clusterId: string): Promise<boolean> {
    return this.#write(null, (transaction) => {
      const bound = rules.bind(transaction, clusterId);
      if (bound) this.#clusterId = clusterId;
      return bound;
    });
  }

  rebind(clusterId: string): Promise<void> {
    const atMs = this.#wallMs();
    return this.#write(null, (transaction) => {
      rules.rebind(transaction, { id: clusterId, atMs });
    });
  }

  started(run: string): Promise<readonly string[]> {
    return this.#write(null, (transaction) => rules.started(transaction, run));
  }

  async find(key: BranchKey): Promise<JournalEntry | null> {
    assertBranch(key);
    if (this.isUnwritten(key)) return null;
    return this.#snapshot((keys) => findEntry(keys, key));
  }

  isUnwritten(key: BranchKey): boolean {
    return this.#closed === null && this.#memory?.find(key) === null;
  }

  vote(entry: VoteWrite): Promise<VoteWriteResult> {
    return this.#write(entry, (transaction) => {
      rules.assertServes(transaction, this.#clusterId);
      return rules.vote(transaction, entry);
    });
  }

  committed(key: BranchKey): Promise<OutcomeWriteResult> {
    const atMs = this.#wallMs();
    return this.#write(key, (transaction) => rules.committed(transaction, key, atMs));
  }

  tombstone(
    key: BranchKey,
    more: Pick<JournalEntry, 'reason'> & { readonly epoch?: Epoch } = {},
  ): Promise<OutcomeWriteResult> {
    const atMs = this.#wallMs();
    return this.#write(key, (transaction) => rules.tombstone(transaction, key, { ...more, atMs }));
  }

  forget(txids: readonly Txid[]): Promise<void> {
    const atMs = this.#wallMs();
    return this.#writeLazily((transaction) => rules.forget(transaction, txids, atMs));
  }

  forgetReadonly(keys: readonly BranchKey[]): Promise<void> {
    const atMs = this.#wallMs();
    return this.#writeLazily((transaction) => rules.forgetReadonly(transaction, keys, atMs));
  }

  adoptEpoch(shard: number, epoch: Epoch): Promise<Epoch> {
    return this.#write(null, (transaction) => {
      rules.assertServes(transaction, this.#clusterId);
      return rules.adoptEpoch(transaction, { shard, epoch });
    });
  }

  sweep(options: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    return this.#write(null, (transaction) => rules.sweep(transaction, options));
  }

  close(): Promise<void> {
    this.#closed ??= this.#group.idle().then(() => this.#store.close());
    return this.#closed;
  }

  /** Loses what was not yet written, answers nothing more: the process as good as died. */
  crash(): void {
    this.#closed ??= Promise.resolve();
    this.#group.drop();
  }

  async #transact(body: (transaction: JournalTransaction) => void): Promise<void> {
    try {
      await this.#store.transact((keys) => body(new JournalTransaction(keys, this.#memory)));
    } catch (error) {
      this.#memory?.forgetAll();
      throw error;
    }
  }

  /** Without `async`, which would cost every vote three promises more. */
  #write<T>(key: BranchKey | null, operation: (transaction: JournalTransaction) => T): Promise<T> {
    try {
      this.#assertOpen();
      if (key !== null) assertBranch(key);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#group.run(operation);
  }

  async #writeLazily(operation: (transaction: JournalTransaction) => void): Promise<void> {
    this.#assertOpen();
    return this.#group.runLazily(operation, { clock: this.#clock, delayMs: forgetDelayMs });
  }

  #snapshot<T>(body: (keys: ReadableKeys) => T): T {
    this.#assertOpen();
    try {
      return this.#store.snapshot(body);
    } catch (error) {
      throw asJournalError(error);
    }
  }

  #assertOpen(): void {
    if (this.#closed !== null) {
      throw new JournalError('The journal is closed. Open it again to use it.');
    }
  }
}

export function asJournalError(error: unknown): unknown {
  return asErrorOf(JournalError, error);
}
