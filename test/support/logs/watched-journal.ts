/**
 * The memory journal, watched: what was written, in order; what is there now; and writes that a
 * test holds back or lets fail. Several participants may use one at once, or one after the other.
 */

import type { Witness } from '../../../src/core/messages.ts';
import { branchId } from '../../../src/core/names.ts';
import { type Epoch, epochOf, type Txid } from '../../../src/core/txid.ts';
import * as rules from '../../../src/journal/journal-rules.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../../src/journal/memory/journal.ts';
import { findEntry, JournalTransaction } from '../../../src/journal/transaction.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type {
  BranchKey,
  Journal,
  JournalEntry,
  KeptVote,
  VoteWrite,
} from '../../../src/ports/journal.ts';
import { seededRandom } from '../samples/seeded-random.ts';

type Write = 'find' | 'vote' | 'committed' | 'tombstone' | 'forget' | 'adoptEpoch';

export class WatchedJournal implements Journal {
  readonly #store: MemoryJournalStore = new MemoryJournalStore();
  readonly #journal: Journal;
  readonly #held = new Map<Write, Promise<void>>();
  /** Changes, in order: `vote prepared stock`. */
  readonly log: string[] = [];
  /** Thrown by every write from now on. */
  fault: Error | null = null;
  /** Takes votes that the store keeps, and never writes them: its process dies before. */
  keeps = false;
  readonly #kept = new Set<string>();
  /** Set by the rig: ages entries. */
  wallMs: () => number = () => 0;

  constructor() {
    const clock: Clock = {
      monotonicMs: () => this.wallMs(),
      wallMs: () => this.wallMs(),
      // A `forget` waits for company; here for no longer than the turn.
      setTimer: (_delayMs, callback) => {
        queueMicrotask(callback);
        return { cancel: () => undefined };
      },
    };
    this.#journal = openMemoryJournal({
      store: this.#store,
      // `put` writes past it.
      shared: true,
      clock,
      random: seededRandom(),
    });
  }

  get instance(): string {
    return this.#journal.instance;
  }

  /**
   * Writes of this kind wait, before they take effect, until the returned function is called; a
   * `find` waits with what it has read.
   */
  hold(kind: Write): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(kind, promise);
    return () => {
      this.#held.delete(kind);
      resolve();
    };
  }

  /** What an earlier life of the process wrote. */
  put(
    entry: Partial<JournalEntry> & BranchKey & { state: VoteWrite['state'] | 'committed' },
  ): void {
    const { state } = entry;
    const base = { epoch: epochOf(entry.txid), witness: { generation: 0, revision: '1' }, atMs: 0 };
    const transaction = new JournalTransaction(this.#store.keys, null);
    rules.vote(transaction, {
      ...base,
      ...entry,
      state: state === 'committed' ? 'prepared' : state,
    });
    if (state === 'committed') rules.committed(transaction, entry, 0);
  }

  /** What an earlier life of the process knew of the log. */
  sawLog(shard: number, witness: Witness): void {
    new JournalTransaction(this.#store.keys, null).sawLog(shard, witness);
  }

  state(key: BranchKey): JournalEntry['state'] | null {
    return findEntry(this.#store.keys, key)?.state ?? null;
  }

  known(shard: number): Epoch | undefined {
    return rules.load(this.#store.keys).epochs.get(shard);
  }

  load(): ReturnType<Journal['load']> {
    return this.#journal.load();
  }

  isUnwritten(key: BranchKey): boolean {
    return this.#journal.isUnwritten(key);
  }

  async find(key: BranchKey): ReturnType<Journal['find']> {
    const entry = await this.#journal.find(key);
    await this.#held.get('find');
    return entry;
  }

  voteKept({ txid, branch }: KeptVote): Promise<void> | null {
    if (!this.keeps) return null;
    this.#kept.add(branchId({ txid, branch }));
    this.log.push(`kept ${branch}`);
    return new Promise(() => undefined);
  }

  async vote(entry: VoteWrite): ReturnType<Journal['vote']> {
    await this.#begin('vote');
    const result = await this.#journal.vote(entry);
    this.#note(result.kind, `vote ${entry.state} ${entry.branch}`);
    return result;
  }

  async committed(key: BranchKey): ReturnType<Journal['committed']> {
    if (this.#kept.has(branchId(key))) return { kind: 'written' };
    await this.#begin('committed');
    const result = await this.#journal.committed(key);
    this.#note(result.kind, `committed ${key.branch}`);
    return result;
  }

  async tombstone(
    key: BranchKey,
    more?: Parameters<Journal['tombstone']>[1],
  ): ReturnType<Journal['tombstone']> {
    await this.#begin('tombstone');
    const result = await this.#journal.tombstone(key, more);
    this.#note(result.kind, `tombstone ${key.branch}`);
    return result;
  }

  async forget(txids: readonly Txid[]): Promise<void> {
    await this.#begin('forget');
    await this.#journal.forget(txids);
    this.log.push(`forget ${txids.length}`);
  }

  bind(clusterId: string): Promise<boolean> {
    return this.#journal.bind(clusterId);
  }

  rebind(clusterId: string): Promise<void> {
    return this.#journal.rebind(clusterId);
  }

  started(run: string): Promise<readonly string[]> {
    return this.#journal.started(run);
  }

  async forgetReadonly(keys: readonly BranchKey[]): Promise<void> {
    await this.#begin('forget');
    await this.#journal.forgetReadonly(keys);
    this.log.push(`forget readonly ${keys.length}`);
  }

  async adoptEpoch(shard: number, epoch: Epoch): Promise<Epoch> {
    await this.#begin('adoptEpoch');
    const newest = await this.#journal.adoptEpoch(shard, epoch);
    this.log.push(`adopt ${shard}`);
    return newest;
  }

  sweep(options: { beforeMs: number; limit: number }): Promise<number> {
    return this.#journal.sweep(options);
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  async #begin(kind: Write): Promise<void> {
    await this.#held.get(kind);
    if (this.fault !== null) throw this.fault;
  }

  #note(kind: string, what: string): void {
    if (kind === 'written') this.log.push(what);
  }
}
