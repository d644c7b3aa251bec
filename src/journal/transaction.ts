import { isAhead } from '../core/judge.ts';
import type { Witness } from '../core/messages.ts';
import { type Epoch, epochZero, shardOf, type Txid } from '../core/txid.ts';
import type { BranchKey, JournalEntry, ServedCluster } from '../ports/journal.ts';
import { CountedKeys } from '../store/counted-keys.ts';
import { prefixRange, type ReadableKeys, type WritableKeys } from '../store/key-value.ts';
import type { EntryMemory } from './entry-memory.ts';
import {
  areaOf,
  areas,
  branchKey,
  clusterKey,
  epochKey,
  readEntries,
  readEntry,
  storedOf,
  witnessKey,
} from './keys.ts';

/** More branches of one transaction than one participant can have. */
const maxBranches = 1_024;

/**
 * One transaction on a journal. What the memory knows, which only a journal of one owner has, is
 * not read; without one everything is, for another process may have written it.
 */
export class JournalTransaction extends CountedKeys {
  readonly #memory: EntryMemory | null;

  constructor(keys: WritableKeys, memory: EntryMemory | null) {
    super(keys);
    this.#memory = memory;
  }

  find(key: BranchKey): JournalEntry | null {
    const known = this.#memory?.find(key);
    return known === undefined ? findEntry(this, key) : known;
  }

  /** All of a transaction's entries but tombstones. */
  entriesOf(txid: Txid): readonly JournalEntry[] {
    const known = this.#memory?.entriesOf(txid);
    if (known !== undefined) return known;
    return [areas.live, areas.readonly].flatMap((area) =>
      readEntries(this, { ...prefixRange(`${area}${txid}/`), limit: maxBranches }),
    );
  }

  replace(change: { readonly from: JournalEntry | null; readonly to: JournalEntry }): void {
    const { from, to } = change;
    const area = areaOf(to.state);
    if (from !== null && areaOf(from.state) !== area) {
      this.remove(branchKey(areaOf(from.state), from));
    }
    this.put(branchKey(area, to), storedOf(to));
    this.#memory?.wrote(to);
  }

  /** Only for what has ended: the memory keeps no such entry, and sends readers to the store. */
  drop(entry: JournalEntry): void {
    this.remove(branchKey(areaOf(entry.state), entry));
  }

  epoch(shard: number): Epoch {
    const known = this.#memory?.epoch(shard);
    if (known !== undefined) return known;
    const epoch = (this.get(epochKey(shard)) as Epoch | undefined) ?? epochZero;
    this.#memory?.setEpoch(shard, epoch);
    return epoch;
  }

  setEpoch(shard: number, epoch: Epoch): void {
    this.put(epochKey(shard), epoch);
    this.#memory?.setEpoch(shard, epoch);
  }

  /** What was known to be later stays. */
  sawLog(shard: number, witness: Witness): void {
    const known =
      this.#memory?.witness(shard) ?? (this.get(witnessKey(shard)) as Witness | undefined);
    if (known !== undefined && !isAhead(witness, known)) return;
    this.put(witnessKey(shard), witness);
    this.#memory?.setWitness(shard, witness);
  }

  forgetLog(shard: number): void {
    this.remove(witnessKey(shard));
    this.#memory?.setWitness(shard, null);
  }

  cluster(): ServedCluster | null {
    const known = this.#memory?.cluster;
    if (known !== undefined) return known;
    const cluster = (this.get(clusterKey) as ServedCluster | undefined) ?? null;
    this.#memory?.setCluster(cluster);
    return cluster;
  }

  setCluster(cluster: ServedCluster): void {
    this.put(clusterKey, cluster);
    this.#memory?.setCluster(cluster);
  }
}

export function findEntry(keys: ReadableKeys, key: BranchKey): JournalEntry | null {
  for (const area of [areas.live, areas.tombstones, areas.readonly]) {
    const entry = readEntry(keys, area, key);
    if (entry !== null) return entry;
  }
  return null;
}

/** By shard, the highest txid of which there is an entry. */
export function highestTxids(keys: ReadableKeys): Map<number, Txid> {
  const highest = new Map<number, Txid>();
  for (const area of Object.values(areas)) {
    const { start } = prefixRange(area);
    let { end } = prefixRange(area);
    for (;;) {
      const key = keys.last({ start, end });
      if (key === null) break;
      const txid = key.slice(area.length, key.indexOf('/', area.length)) as Txid;
      const shard = shardOf(txid);
      const before = highest.get(shard);
      if (before === undefined || txid > before) highest.set(shard, txid);
      // In front of all the shard's keys.
      end = `${area}${shard.toString(36)}.`;
    }
  }
  return highest;
}
