/**
 * The participant's durable memory of votes, outcomes and tombstones. Implementations:
 * `journal/lmdb`, `journal/sqlite`, `journal/memory`. A method that resolves has made its change
 * durable, unless it says otherwise.
 */
import type { VoteReason, Witness } from '../core/messages.ts';
import type { Epoch, Txid } from '../core/txid.ts';

export interface BranchKey {
  readonly txid: Txid;
  readonly branch: string;
}

/**
 * `started`: prepare is about to be called (only if the application cannot list what it holds).
 * `prepared`: voted commit, in doubt. `readonly`: voted readonly. `committed`: kept until `forget`.
 * `tombstone`: rolled back or forgotten (`forgotten` tells which); a prepare must not run again.
 */
export type JournalState = 'started' | 'prepared' | 'readonly' | 'committed' | 'tombstone';

export interface JournalEntry extends BranchKey {
  readonly state: JournalState;
  /** The epoch of the prepare (`epochZero` for a tombstone without one). */
  readonly epoch: Epoch;
  readonly witness: Witness | null;
  /** What commit and rollback get: the prepare's payload. Dropped with the outcome. */
  readonly payload?: unknown;
  /** What the vote brought back, for repeats. */
  readonly result?: unknown;
  /** Why the vote was `abort`, for repeats. */
  readonly reason?: VoteReason;
  /** Of a tombstone: it stands for a commit that was forgotten. Never false. */
  readonly forgotten?: true;
  /** Wall clock of the last change; ages tombstones. */
  readonly atMs: number;
}

export type VoteWrite = JournalEntry & { readonly state: 'started' | 'prepared' | 'readonly' };

/** See `Journal.voteKept`. */
export type KeptVote = VoteWrite & { readonly state: 'prepared' };

export type VoteWriteResult =
  | { readonly kind: 'written' }
  /** I7, no stale prepare: a newer epoch of the shard than the prepare's is known. */
  | { readonly kind: 'stale-epoch'; readonly known: Epoch }
  /**
   * I7, no stale prepare; 8.2: the branch has an outcome or a tombstone, or a vote that this one
   * would weaken (only `started` may become something else; the same vote again is `written`).
   */
  | { readonly kind: 'refused'; readonly entry: JournalEntry };

export type OutcomeWriteResult =
  | { readonly kind: 'written' }
  /** The same outcome was there. */
  | { readonly kind: 'repeated' }
  /** Something rules it out, or (for a commit) nothing was there: nothing changed; an alarm. */
  | { readonly kind: 'contradicted'; readonly entry: JournalEntry | null };

/** Whose log a journal's votes are promises to. */
export interface ServedCluster {
  readonly id: string;
  /** A vote was written for it. */
  readonly voted: boolean;
}

export interface JournalContents {
  /** Every entry that is not a tombstone. */
  readonly entries: readonly JournalEntry[];
  /** By shard, the newest that is known. */
  readonly epochs: ReadonlyMap<number, Epoch>;
  readonly cluster: ServedCluster | null;
  /** By shard, where the log stood at least: what a vote that was lost is asked about with. */
  readonly witnesses: ReadonlyMap<number, Witness>;
}

export interface Journal {
  /** An id made with the durable store and kept in it: not one of the process. */
  readonly instance: string;
  /** Read once, at the start. */
  load(): Promise<JournalContents>;
  /**
   * From now on this journal serves the cluster: call it before any write for it. False, and
   * nothing changes, if it voted for another. If it never voted, the other's epochs go.
   */
  bind(clusterId: string): Promise<boolean>;
  /**
   * An operator's act, before anything else: the journal serves only this cluster, and forgets what
   * ended. Rejects with JournalError if a branch is in doubt: the new cluster cannot know it.
   */
  rebind(clusterId: string): Promise<void>;
  /** A process starts on this journal: kept. Returns earlier ones, the newest first. */
  started(run: string): Promise<readonly string[]>;
  find(key: BranchKey): Promise<JournalEntry | null>;
  /**
   * True: this journal's owner never wrote anything about the branch; no need to `find` it. False
   * says nothing: it may cost a read, or another process may write it meanwhile.
   */
  isUnwritten(key: BranchKey): boolean;
  /**
   * Persists a vote. In the same atomic step: refuses a prepare of an older epoch than the newest
   * known for its shard, and one that meets an outcome or a tombstone; and remembers a newer epoch.
   * `abort` votes are tombstones: see `tombstone`.
   */
  vote(entry: VoteWrite): Promise<VoteWriteResult>;
  /**
   * A vote `commit` that the participant's store keeps as well: it counts from now on, is written
   * within a second or so, and may be lost with the process until then. Rejects where that failed.
   *
   * Null where only `vote` can tell: the first of its shard and epoch, which binds the journal to
   * its cluster and makes the epoch durable; a branch of which something is written; a newer epoch
   * on its way; a journal that others write; too many that wait.
   */
  voteKept(entry: KeptVote): Promise<void> | null;
  /**
   * `prepared` (or `started`) -> `committed`; the payload goes. `committed`, forgotten or not:
   * `repeated`; any other tombstone or nothing: `contradicted` (I4, a vote binds).
   *
   * At once, where the vote was taken by `voteKept` and is not being written: both are durable
   * together or not at all (!: with the vote alone on disk, a branch that was acknowledged would be
   * in doubt when its record is collected).
   */
  committed(key: BranchKey): Promise<OutcomeWriteResult>;
  /** All else, or nothing -> `tombstone`; `committed`, even forgotten: `contradicted`. */
  tombstone(
    key: BranchKey,
    more?: { readonly reason?: VoteReason; readonly epoch?: Epoch },
  ): Promise<OutcomeWriteResult>;
  /** Not in doubt: `committed`, `readonly` -> `tombstone`. May be lazy: reports repeat it. */
  forget(txids: readonly Txid[]): Promise<void>;
  /**
   * Only these branches' `readonly` entries -> `tombstone`: a participant drops them by age. Lazy,
   * as `forget` is.
   */
  forgetReadonly(keys: readonly BranchKey[]): Promise<void>;
  /**
   * A newer epoch of the shard, durable before it resolves; then tombstones and `readonly` entries
   * of older ones may go (8.8). One that is not newer changes nothing. Returns the newest known.
   */
  adoptEpoch(shard: number, epoch: Epoch): Promise<Epoch>;
  /**
   * Removes up to `limit` of: tombstones and `readonly` entries of older epochs than the newest
   * known of their shard, and tombstones last changed before `beforeMs` (8.8). Returns how many
   * went; fewer than `limit`: none is left, except tombstones behind as many younger ones of older
   * transactions.
   */
  sweep(options: { readonly beforeMs: number; readonly limit: number }): Promise<number>;
  close(): Promise<void>;
}

/** The journal is broken, of a newer format or another process's. The text says what to do. */
export class JournalError extends Error {
  /** Always this. */
  override readonly name = 'JournalError';
}
