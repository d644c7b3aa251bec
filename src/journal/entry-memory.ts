/**
 * What the one owner of a journal knows without reading: most branches are over within
 * milliseconds, and a read before each write would cost more than the write.
 *
 * The invariant behind every answer: where the store holds an entry of a transaction, all its
 * entries are in `#held`, or its txid is not above its shard's `#unknownUpTo`. It holds because
 * - at the start `#held` is empty and `#unknownUpTo` is the highest txid in the store;
 * - every write of the one owner passes through here, in the transaction that writes;
 * - what leaves `#held`, because it ended or to make room, raises `#unknownUpTo`;
 * - after a failed transaction, when the store may hold less than noted here, nothing is known.
 *
 * Txids rise: a new one is nearly always above those that ended, and known to be new.
 *
 * What was there at the start is in `#loaded`: all entries of a transaction but its tombstones. So
 * it says what there is to forget, and what is live; what it does not name may be a tombstone. A
 * participant that comes back to a hundred thousand votes would else read each again to commit it,
 * and a range of keys to forget it.
 */
import type { Witness } from '../core/messages.ts';
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import type { BranchKey, JournalEntry, ServedCluster } from '../ports/journal.ts';

/** Of what was there at the start, for each one that is held later: it only becomes less. */
const loadedForHeld = 4;

/** Where there is no room for one more. */
const partDropped = 1 / 8;

function isHeld({ state }: JournalEntry): boolean {
  return state === 'started' || state === 'prepared' || state === 'committed';
}

export class EntryMemory {
  readonly #maxHeld: number;
  readonly #held = new Map<Txid, readonly JournalEntry[]>();
  /** Of what is live alone: what else a transaction has is swept without a word to this. */
  readonly #loaded = new Map<Txid, readonly JournalEntry[]>();
  #hasWritten = false;
  /** What was found there last: a check and the write behind it ask for the same. */
  #lastTxid: Txid | null = null;
  #lastHeld: readonly JournalEntry[] = [];
  readonly #unknownUpTo: Map<number, Txid>;
  readonly #epochs = new Map<number, Epoch>();
  readonly #witnesses = new Map<number, Witness>();
  /** undefined: the store must be asked. */
  #cluster: ServedCluster | null | undefined = undefined;
  #nothingKnown = false;

  /** `highest`: by shard, the highest txid of which the store holds an entry. */
  constructor(highest: ReadonlyMap<number, Txid>, maxHeld = 32_768) {
    this.#maxHeld = maxHeld;
    this.#unknownUpTo = new Map(highest);
  }

  /** What the store held before the first write, but tombstones: as much as may be kept. */
  loaded(entries: readonly JournalEntry[]): void {
    // What was read may be older than what is written by now.
    if (this.#hasWritten || this.#nothingKnown) return;
    const maxLoaded = loadedForHeld * this.#maxHeld;
    const others = new Set<Txid>();
    for (const entry of entries) {
      const { txid } = entry;
      const known = this.#loaded.get(txid);
      if (!isHeld(entry)) others.add(txid);
      else if (known !== undefined) this.#loaded.set(txid, [...known, entry]);
      else if (this.#loaded.size < maxLoaded) this.#loaded.set(txid, [entry]);
    }
    for (const txid of others) this.#loaded.delete(txid);
  }

  /** The entry, or null where there certainly is none; undefined: the store must be asked. */
  find({ txid, branch }: BranchKey): JournalEntry | null | undefined {
    const entries = this.entriesOf(txid);
    if (entries === undefined) return undefined;
    for (const entry of entries) if (entry.branch === branch) return entry;
    return this.#loaded.has(txid) ? undefined : null;
  }

  /** All entries of a transaction but tombstones; undefined: the store must be asked. */
  entriesOf(txid: Txid): readonly JournalEntry[] | undefined {
    if (this.#nothingKnown) return undefined;
    if (txid === this.#lastTxid) return this.#lastHeld;
    const held = this.#held.get(txid);
    if (held !== undefined) {
      this.#lastTxid = txid;
      this.#lastHeld = held;
      return held;
    }
    const loaded = this.#loaded.get(txid);
    if (loaded !== undefined) return loaded;
    const unknownUpTo = this.#unknownUpTo.get(shardOf(txid));
    return unknownUpTo === undefined || txid > unknownUpTo ? [] : undefined;
  }

  /** To be called with every write of an entry, in the transaction that writes it. */
  wrote(entry: JournalEntry): void {
    this.#hasWritten = true;
    if (this.#nothingKnown) return;
    const { txid } = entry;
    const loaded = this.#loaded.get(txid);
    if (loaded !== undefined) {
      this.#wroteLoaded(entry, loaded);
      return;
    }
    if (!isHeld(entry)) {
      this.#letGo(txid);
      return;
    }
    const others = this.entriesOf(txid);
    if (others === undefined) return;
    this.#lastTxid = null;
    if (others.length === 0) this.#held.set(txid, [entry]);
    else {
      const rest = others.filter((other) => other.branch !== entry.branch);
      this.#held.set(txid, [...rest, entry]);
    }
    if (this.#held.size > this.#maxHeld) this.#dropSome();
  }

  #wroteLoaded(entry: JournalEntry, before: readonly JournalEntry[]): void {
    const { txid, branch, state } = entry;
    const others =
      before.length === 1 && before[0]?.branch === branch
        ? []
        : before.filter((other) => other.branch !== branch);
    const left = isHeld(entry) ? [...others, entry] : others;
    // What else it may have become is swept: the store is asked from now on.
    if (left.length === 0 || (!isHeld(entry) && state !== 'tombstone')) this.#loaded.delete(txid);
    else this.#loaded.set(txid, left);
  }

  epoch(shard: number): Epoch | undefined {
    return this.#epochs.get(shard);
  }

  setEpoch(shard: number, epoch: Epoch): void {
    if (!this.#nothingKnown) this.#epochs.set(shard, epoch);
  }

  /** Undefined where the store must be asked. */
  witness(shard: number): Witness | undefined {
    return this.#witnesses.get(shard);
  }

  setWitness(shard: number, witness: Witness | null): void {
    if (witness === null) this.#witnesses.delete(shard);
    else if (!this.#nothingKnown) this.#witnesses.set(shard, witness);
  }

  get cluster(): ServedCluster | null | undefined {
    return this.#cluster;
  }

  setCluster(cluster: ServedCluster | null): void {
    if (!this.#nothingKnown) this.#cluster = cluster;
  }

  /** A transaction failed: from now on the store is asked every time. */
  forgetAll(): void {
    this.#nothingKnown = true;
    this.#held.clear();
    this.#loaded.clear();
    this.#epochs.clear();
    this.#witnesses.clear();
    this.#cluster = undefined;
  }

  /**
   * The oldest, many at once: each walk from the first on steps over all that was deleted. (!: An
   * iterator that was kept for the next time kept every table that the map had outgrown.)
   */
  #dropSome(): void {
    let left = Math.ceil(this.#maxHeld * partDropped);
    for (const txid of this.#held.keys()) {
      this.#letGo(txid);
      left -= 1;
      if (left === 0) return;
    }
  }

  #letGo(txid: Txid): void {
    this.#held.delete(txid);
    this.#lastTxid = null;
    const shard = shardOf(txid);
    const unknownUpTo = this.#unknownUpTo.get(shard);
    if (unknownUpTo === undefined || txid > unknownUpTo) this.#unknownUpTo.set(shard, txid);
  }
}
