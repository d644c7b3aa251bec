/**
 * The rules of the participant's journal (docs/PROTOCOL.md, section 8), as functions on one
 * transaction; the memory journal and the LMDB one run these same ones.
 *
 *     (nothing) --vote--> started --vote--> prepared --committed--> committed --forget--> tombstone
 *         |      \------------------------>    |                                              ^
 *         |       \--vote--> readonly -----------------forget, tombstone----------------------|
 *         +---tombstone---> (also from started and prepared) ---------------------------------+
 */
import { maxEarlierRuns, type Witness } from '../core/messages.ts';
import { type Epoch, epochZero, shardOf, type Txid } from '../core/txid.ts';
import {
  type BranchKey,
  type JournalContents,
  type JournalEntry,
  JournalError,
  type OutcomeWriteResult,
  type ServedCluster,
  type VoteWrite,
  type VoteWriteResult,
} from '../ports/journal.ts';
import { entriesUnder, prefixRange, type ReadableKeys } from '../store/key-value.ts';
import {
  allEntries,
  areas,
  clusterKey,
  epochsPrefix,
  readEntries,
  runsKey,
  shardOfEpochKey,
  shardOfWitnessKey,
  witnessPrefix,
} from './keys.ts';
import type { JournalTransaction } from './transaction.ts';

/**
 * The format that this program writes, and the newest that it reads. 2: votes that the store keeps
 * may be missing (!: a program that knows only 1 rolls back what it finds there without a vote).
 */
export const journalHeader = { kind: 'verdict journal', formatVersion: 2 } as const;

type TombstoneMore = Pick<JournalEntry, 'reason'> & { readonly epoch?: Epoch };

/** Both checks of I7, no stale prepare, and the write of the vote: one atomic step. */
export function vote(transaction: JournalTransaction, entry: VoteWrite): VoteWriteResult {
  const shard = shardOf(entry.txid);
  const known = transaction.epoch(shard);
  if (entry.epoch < known) return { kind: 'stale-epoch', known };
  const there = transaction.find(entry);
  if (there !== null && !mayFollow(entry, there)) return { kind: 'refused', entry: there };
  transaction.replace({ from: there, to: entry });
  const cluster = transaction.cluster();
  if (cluster?.voted === false) transaction.setCluster({ ...cluster, voted: true });
  if (entry.epoch > known) transaction.setEpoch(shard, entry.epoch);
  return { kind: 'written' };
}

/**
 * I4, a vote binds: it may be repeated, never weakened. And a branch is begun once: of two
 * processes that share the resource and get one prepare, the other could abort what one voted for.
 */
function mayFollow(entry: VoteWrite, there: JournalEntry): boolean {
  if (entry.state === 'started') return false;
  return there.state === 'started' || there.state === entry.state;
}

/** A vote that is not written yet, given again. */
export function voteAgain(entry: VoteWrite, there: JournalEntry): VoteWriteResult {
  return mayFollow(entry, there) ? { kind: 'written' } : { kind: 'refused', entry: there };
}

/** Votes that counted before they were written, each as far as it has come since. */
export function writeKept(
  transaction: JournalTransaction,
  entries: readonly JournalEntry[],
  votes: readonly JournalEntry[],
): void {
  for (const to of entries) transaction.replace({ from: transaction.find(to), to });
  sawLog(transaction, votes);
}

/** Where the log stood: a vote that is lost with the process is asked about with it. */
export function sawLog(transaction: JournalTransaction, entries: readonly JournalEntry[]): void {
  for (const { txid, witness } of entries) {
    if (witness !== null) transaction.sawLog(shardOf(txid), witness);
  }
}

export function committed(
  transaction: JournalTransaction,
  key: BranchKey,
  atMs: number,
): OutcomeWriteResult {
  const there = transaction.find(key);
  if (there?.state === 'committed' || there?.forgotten === true) return { kind: 'repeated' };
  if (there?.state !== 'prepared' && there?.state !== 'started') {
    return { kind: 'contradicted', entry: there };
  }
  // Whoever commits has what the payload said; only the answer is needed again.
  const to = { ...there, payload: undefined, state: 'committed', atMs } as const;
  transaction.replace({ from: there, to });
  return { kind: 'written' };
}

export function tombstone(
  transaction: JournalTransaction,
  key: BranchKey,
  more: TombstoneMore & { readonly atMs: number },
): OutcomeWriteResult {
  const there = transaction.find(key);
  if (there?.state === 'committed' || there?.forgotten === true) {
    return { kind: 'contradicted', entry: there };
  }
  if (there?.state === 'tombstone') return { kind: 'repeated' };
  bury(transaction, { key, there, more });
  return { kind: 'written' };
}

function bury(
  transaction: JournalTransaction,
  grave: {
    readonly key: BranchKey;
    readonly there: JournalEntry | null;
    readonly more: TombstoneMore & { readonly atMs: number };
  },
): void {
  const { key, there, more } = grave;
  transaction.replace({
    from: there,
    to: {
      txid: key.txid,
      branch: key.branch,
      state: 'tombstone',
      epoch: more.epoch ?? there?.epoch ?? epochZero,
      witness: null,
      // A late repeat of the commit is then told from a commit of what was rolled back.
      ...(there?.state === 'committed' ? { forgotten: true } : {}),
      ...(more.reason === undefined ? {} : { reason: more.reason }),
      atMs: more.atMs,
    },
  });
}

/** What is in doubt stays (I4, a vote binds): a node's `forget` is not an outcome. */
export function forget(
  transaction: JournalTransaction,
  txids: readonly Txid[],
  atMs: number,
): void {
  for (const txid of txids) {
    for (const there of transaction.entriesOf(txid)) {
      if (there.state !== 'committed' && there.state !== 'readonly') continue;
      bury(transaction, { key: there, there, more: { atMs } });
    }
  }
}

/** By branch: another branch of the transaction may be a commit, which waits for `forget` (8.5). */
export function forgetReadonly(
  transaction: JournalTransaction,
  keys: readonly BranchKey[],
  atMs: number,
): void {
  for (const key of keys) {
    const there = transaction.find(key);
    if (there?.state === 'readonly') bury(transaction, { key, there, more: { atMs } });
  }
}

export function adoptEpoch(
  transaction: JournalTransaction,
  newer: { readonly shard: number; readonly epoch: Epoch },
): Epoch {
  const known = transaction.epoch(newer.shard);
  if (newer.epoch <= known) return known;
  transaction.setEpoch(newer.shard, newer.epoch);
  return newer.epoch;
}

/** A vote is a promise to one log. Any other knows nothing of it, and would presume the abort. */
export function bind(transaction: JournalTransaction, id: string): boolean {
  const cluster = transaction.cluster();
  if (cluster?.id === id) return true;
  if (cluster?.voted === true) return false;
  dropEpochs(transaction);
  transaction.setCluster({ id, voted: false });
  return true;
}

export function rebind(
  transaction: JournalTransaction,
  { id, atMs }: { readonly id: string; readonly atMs: number },
): void {
  if (transaction.cluster()?.id === id) return;
  const live = allEntries(transaction, areas.live);
  const doubtful = live.filter(({ state }) => state !== 'committed');
  if (doubtful.length > 0) throw stillInDoubt(doubtful);
  // No node of the new cluster would ever say `forget`.
  const ended = new Set(
    [...live, ...allEntries(transaction, areas.readonly)].map(({ txid }) => txid),
  );
  forget(transaction, [...ended], atMs);
  dropEpochs(transaction);
  transaction.setCluster({ id, voted: false });
}

/** Earlier runs, newest first. A copy of the journal has them too: they came before it. */
export function started(transaction: JournalTransaction, run: string): readonly string[] {
  const earlier = (transaction.get(runsKey) as readonly string[] | undefined) ?? [];
  transaction.put(runsKey, [run, ...earlier].slice(0, maxEarlierRuns));
  return earlier;
}

function dropEpochs(transaction: JournalTransaction): void {
  // Positions of another cluster's log.
  for (const [key] of entriesUnder(transaction, witnessPrefix)) {
    transaction.forgetLog(shardOfWitnessKey(key));
  }
  for (const [key] of entriesUnder(transaction, epochsPrefix)) {
    transaction.setEpoch(shardOfEpochKey(key), epochZero);
  }
}

function stillInDoubt(branches: readonly BranchKey[]): JournalError {
  const some = branches.slice(0, 10).map(({ txid, branch }) => `${txid} (${branch})`);
  const more = branches.length > some.length ? ` and ${branches.length - some.length} more` : '';
  return new JournalError(
    `The journal holds branches in doubt, of which no other cluster knows anything: ${some.join(', ')}${more}. Find out what became of each (docs/OPERATING.md, "A recreated decision log") and say so, before the journal serves another cluster.`,
  );
}

/** Throws where two processes that share the store were given different clusters to serve. */
export function assertServes(transaction: JournalTransaction, id: string | null): void {
  const cluster = transaction.cluster();
  if (id === null || cluster === null || cluster.id === id) return;
  throw new JournalError(
    `Another process of this resource serves another cluster (${cluster.id}) with the same journal; this one was welcomed by ${id}. Point all of them to one.`,
  );
}

export function load(keys: ReadableKeys): JournalContents {
  const entries = [...allEntries(keys, areas.live), ...allEntries(keys, areas.readonly)];
  const epochs = entriesUnder(keys, epochsPrefix);
  return {
    entries,
    cluster: (keys.get(clusterKey) as ServedCluster | undefined) ?? null,
    epochs: new Map(epochs.map(([key, epoch]) => [shardOfEpochKey(key), epoch as Epoch])),
    witnesses: new Map(
      entriesUnder(keys, witnessPrefix).map(([key, value]) => [
        shardOfWitnessKey(key),
        value as Witness,
      ]),
    ),
  };
}

interface SweepOptions {
  readonly beforeMs: number;
  readonly limit: number;
}

/** One bounded step of forgetting what no late prepare can meet any more (8.8). */
export function sweep(transaction: JournalTransaction, options: SweepOptions): number {
  const { limit } = options;
  const swept = sweepOlderEpochs(transaction, limit);
  return swept + sweepAged(transaction, { ...options, limit: limit - swept });
}

function sweepOlderEpochs(transaction: JournalTransaction, limit: number): number {
  let left = limit;
  for (const [key, epoch] of entriesUnder(transaction, epochsPrefix)) {
    const shard = shardOfEpochKey(key).toString(36);
    for (const area of [areas.tombstones, areas.readonly]) {
      // All ids of the shard's older epochs lie in front of those of the known one.
      const start = `${area}${shard}.`;
      const end = `${start}${epoch as Epoch}`;
      const old = readEntries(transaction, { start, end, limit: left });
      for (const entry of old) transaction.drop(entry);
      left -= old.length;
      if (left === 0) return limit;
    }
  }
  return limit - left;
}

/**
 * From the front of each shard's tombstones, where the oldest transactions lie. They are in order
 * of beginning, not of burial: an old one may lie behind too many younger ones, and goes later.
 */
function sweepAged(transaction: JournalTransaction, options: SweepOptions): number {
  const { end } = prefixRange(areas.tombstones);
  let { start } = prefixRange(areas.tombstones);
  let left = options.limit;
  while (left > 0) {
    const [first] = readEntries(transaction, { start, end, limit: 1 });
    if (first === undefined) break;
    const shard = `${areas.tombstones}${shardOf(first.txid).toString(36)}`;
    // '/' follows '.' in the order of characters: behind all the shard's keys.
    const shardEnd = `${shard}/`;
    for (const entry of readEntries(transaction, { start, end: shardEnd, limit: left })) {
      if (entry.atMs >= options.beforeMs) continue;
      transaction.drop(entry);
      left -= 1;
    }
    start = shardEnd;
  }
  return options.limit - left;
}
