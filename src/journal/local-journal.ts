/**
 * The Journal port over a store in this process, in memory or LMDB. Every check is made in the
 * transaction that writes. A store's one owner remembers what it wrote (`EntryMemory`) and reads
 * only what it does not know; where several share it, each check reads.
 */
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import {
  type BranchKey,
  type Journal,
  type JournalContents,
  type JournalEntry,
  JournalError,
  type KeptVote,
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
import { KeptVotes } from './kept-votes.ts';
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
  readonly #kept: KeptVotes;
  /** By shard, the epoch of the newest vote of this process that is durable. */
  readonly #votedIn = new Map<number, Epoch>();
  /** By shard, the newest epoch that is durable or on its way. */
  readonly #adopting = new Map<number, Epoch>();
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
    this.#kept = new KeptVotes(this.#clock, (entries, votes) =>
      this.#group.run((transaction) => rules.writeKept(transaction, entries, votes)),
    );
  }

  async load(): Promise<JournalContents> {
    const contents = this.#snapshot(rules.load);
    this.#memory?.loaded(contents.entries);
    return contents;
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
    const kept = this.#kept.find(key);
    if (kept !== null) return kept;
    return this.#snapshot((keys) => findEntry(keys, key));
  }

  isUnwritten(key: BranchKey): boolean {
    if (this.#closed !== null || this.#memory?.find(key) !== null) return false;
    return this.#kept.find(key) === null;
  }

  vote(entry: VoteWrite): Promise<VoteWriteResult> {
    const kept = this.#kept.find(entry);
    if (kept !== null) return Promise.resolve(rules.voteAgain(entry, kept));
    const shard = shardOf(entry.txid);
    const isFirst = this.#votedIn.get(shard) !== entry.epoch;
    const written = this.#write(entry, (transaction) => {
      rules.assertServes(transaction, this.#clusterId);
      const result = rules.vote(transaction, entry);
      if (isFirst && result.kind === 'written') rules.sawLog(transaction, [entry]);
      return result;
    });
    if (!isFirst) return written;
    return written.then((result) => {
      if (result.kind === 'written') this.#votedIn.set(shard, entry.epoch);
      return result;
    });
  }

  voteKept(entry: KeptVote): Promise<void> | null {
    const { txid, epoch } = entry;
    const shard = shardOf(txid);
    if (this.#votedIn.get(shard) !== epoch) return null;
    // The report under the newer one may be on its way (I7, no stale prepare).
    if ((this.#adopting.get(shard) ?? epoch) > epoch) return null;
    if (this.#kept.isFull || !this.isUnwritten(entry)) return null;
    return this.#kept.add(entry);
  }

  committed(key: BranchKey): Promise<OutcomeWriteResult> {
    const atMs = this.#wallMs();
    if (this.#kept.committed(key, atMs)) return Promise.resolve({ kind: 'written' });
    return this.#write(key, (transaction) => rules.committed(transaction, key, atMs));
  }

  tombstone(
    key: BranchKey,
    more: Pick<JournalEntry, 'reason'> & { readonly epoch?: Epoch } = {},
  ): Promise<OutcomeWriteResult> {
    const atMs = this.#wallMs();
    // Of a commit it is written first, and contradicts.
    if (this.#kept.find(key)?.state === 'prepared') this.#kept.drop(key);
    return this.#write(key, (transaction) => rules.tombstone(transaction, key, { ...more, atMs }));
  }

  async forget(txids: readonly Txid[]): Promise<void> {
    const atMs = this.#wallMs();
    if (this.#kept.isEmpty)
      return this.#writeLazily((transaction) => rules.forget(transaction, txids, atMs));
    const others: Txid[] = [];
    let kept: Promise<void> | null = null;
    for (const txid of txids) {
      const written = this.#kept.forget(txid, atMs);
      if (written === null || this.#memory?.entriesOf(txid)?.length !== 0) others.push(txid);
      kept = written ?? kept;
    }
    if (others.length > 0)
      await this.#writeLazily((transaction) => rules.forget(transaction, others, atMs));
    await kept;
  }

  forgetReadonly(keys: readonly BranchKey[]): Promise<void> {
    const atMs = this.#wallMs();
    return this.#writeLazily((transaction) => rules.forgetReadonly(transaction, keys, atMs));
  }

  adoptEpoch(shard: number, epoch: Epoch): Promise<Epoch> {
    if (epoch > (this.#adopting.get(shard) ?? '')) this.#adopting.set(shard, epoch);
    return this.#write(null, (transaction) => {
      rules.assertServes(transaction, this.#clusterId);
      return rules.adoptEpoch(transaction, { shard, epoch });
    });
  }

  sweep(options: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    return this.#write(null, (transaction) => rules.sweep(transaction, options));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#kept.flush();
    } finally {
      await this.#group.idle();
      await this.#store.close();
    }
  }

  /** Loses what was not yet written, answers nothing more: the process as good as died. */
  crash(): void {
    this.#closed ??= Promise.resolve();
    this.#kept.clear();
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
