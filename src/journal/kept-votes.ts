/**
 * Votes that the participant's store keeps as well (docs/PROTOCOL.md, 8.11), and what became of
 * them, until they are written: soon after the outcome, or a second after the vote where none comes
 * before. A crash loses them.
 *
 * - Vote and outcome reach the disk in one transaction, or the outcome is flushed like any other:
 *   the outcome of what is being written (`taken`) waits for a transaction of its own.
 * - What is taken is found here until it is durable: a prepare may come late.
 */
import type { Txid } from '../core/txid.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { BranchKey, JournalEntry } from '../ports/journal.ts';

/** As long as a `forget` may wait. */
const writeAfterMs = 100;
/** Most are decided before: their vote is never written by itself. */
const writeVoteAfterMs = 1_000;
/** Past it votes are written like any other's. */
const maxKept = 10_000;

interface Kept {
  /** As it was given. */
  readonly vote: JournalEntry;
  /** As far as it has come since. */
  entry: JournalEntry;
  readonly sinceMs: number;
  taken: boolean;
}

type WriteKept = (
  entries: readonly JournalEntry[],
  votes: readonly JournalEntry[],
) => Promise<void>;

export class KeptVotes {
  readonly #clock: Clock;
  /** Resolves when they are durable. */
  readonly #write: WriteKept;
  readonly #kept = new Map<Txid, readonly Kept[]>();
  #timer: Timer | null = null;
  /** Settled with the next write, or with the one after it. */
  #next: PromiseWithResolvers<void> | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(clock: Clock, write: WriteKept) {
    this.#clock = clock;
    this.#write = write;
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  get isFull(): boolean {
    return this.#kept.size >= maxKept;
  }

  find(key: BranchKey): JournalEntry | null {
    return this.#find(key)?.entry ?? null;
  }

  /** Resolves when something was written since; rejects where that failed. */
  add(entry: JournalEntry): Promise<void> {
    const others = this.#kept.get(entry.txid) ?? [];
    const kept = { vote: entry, entry, sinceMs: this.#clock.monotonicMs(), taken: false };
    this.#kept.set(entry.txid, [...others, kept]);
    return this.#soon();
  }

  /** False where it is not here, or is being written. */
  committed(key: BranchKey, atMs: number): boolean {
    const kept = this.#find(key);
    if (kept === undefined || kept.taken || kept.entry.state === 'tombstone') return false;
    const { payload: _payload, ...rest } = kept.entry;
    kept.entry = { ...rest, state: 'committed', atMs };
    return true;
  }

  /** Null where no commit of the transaction is here, or it is being written. */
  forget(txid: Txid, atMs: number): Promise<void> | null {
    const all = this.#kept.get(txid);
    if (all === undefined || all.some(({ taken }) => taken)) return null;
    // What is in doubt stays, and no one waits for its end.
    if (all.every(({ entry }) => entry.state !== 'committed')) return null;
    for (const kept of all) {
      const { branch, state, epoch } = kept.entry;
      if (state !== 'committed') continue;
      const grave = { txid, branch, state: 'tombstone', epoch, witness: null, atMs } as const;
      kept.entry = { ...grave, forgotten: true };
    }
    return this.#soon();
  }

  /** What follows says all that there is to say. */
  drop(key: BranchKey): void {
    const kept = this.#find(key);
    if (kept !== undefined && !kept.taken) this.#remove(kept);
  }

  /** All of them, now. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#writeRipe(Number.NEGATIVE_INFINITY);
    this.#timer?.cancel();
  }

  /** As a crash would. */
  clear(): void {
    this.#timer?.cancel();
    this.#kept.clear();
  }

  #find({ txid, branch }: BranchKey): Kept | undefined {
    return this.#kept.get(txid)?.find(({ entry }) => entry.branch === branch);
  }

  #soon(): Promise<void> {
    this.#timer ??= this.#clock.setTimer(writeAfterMs, () => this.#due());
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }

  #due(): void {
    this.#timer = null;
    // Why it failed is told to those who wait for it.
    this.#writing = this.#writeRipe(writeVoteAfterMs).catch(() => undefined);
    if (this.#kept.size > 0) this.#timer = this.#clock.setTimer(writeAfterMs, () => this.#due());
  }

  async #writeRipe(voteAgeMs: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const ripe = [...this.#kept.values()].flat().filter((kept) => {
      const { entry, sinceMs, taken } = kept;
      return !taken && (entry.state !== 'prepared' || nowMs - sinceMs >= voteAgeMs);
    });
    if (ripe.length === 0) return;
    for (const kept of ripe) kept.taken = true;
    const told = this.#next;
    this.#next = null;
    try {
      await this.#write(
        ripe.map(({ entry }) => entry),
        ripe.map(({ vote }) => vote),
      );
      for (const kept of ripe) this.#remove(kept);
      told?.resolve();
    } catch (error) {
      told?.reject(error);
      throw error;
    }
  }

  #remove(kept: Kept): void {
    const { txid } = kept.entry;
    const others = (this.#kept.get(txid) ?? []).filter((other) => other !== kept);
    if (others.length > 0) this.#kept.set(txid, others);
    else this.#kept.delete(txid);
  }
}
