/**
 * A durable store of versioned records, as a participant's resource.
 *
 *     (nothing) - work -> locked, in memory - prepare -> prepared, on disk - commit -> applied
 *         ^                      |                           |
 *         +----------------------+-------- rollback ---------+
 *
 * Two-phase locking, with versions for those who read outside of it: a branch locks each key that
 * it touches (shared to read, exclusive to write) until the decision, and only its commit changes
 * records. After a restart the locks of every prepared branch are taken again before anything else.
 */
import { checkFields, type Fields, isIterable, shown } from '../../core/fields.ts';
import type { Txid } from '../../core/txid.ts';
import type { EnlistOptions } from '../../participant/enlist.ts';
import { checkedVote, vote } from '../../participant/vote.ts';
import type { EncryptionKeys } from '../../ports/cipher.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  AbortVote,
  BranchRef,
  PrepareCall,
  PrepareResult,
  Resource,
  ResultVote,
} from '../../ports/resource.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { systemClock } from '../../system/clock.ts';
import { type BranchEnd, BranchStore, branchText, checkPlace } from '../branch-store.ts';
import { KeyLocks } from './locks.ts';
import { carryOut, readPayload, StorePayloadError } from './payload.ts';
import {
  applyWrites,
  getRecord,
  type InitialRecord,
  type PreparedBranch,
  putInitial,
  type RecordWrite,
  type StoredRecord,
  storeContents,
  storeFile,
  storeHeader,
  versionAfter,
  wrongInitial,
} from './records.ts';
import { RefusedError } from './refusals.ts';
import { type StoreTransaction, Work } from './work.ts';

/** What `openVersionedStore` takes. */
export interface VersionedStoreOptions {
  /** Made where it is missing. It belongs to this store alone. */
  readonly dataDirectory: string;
  /** What a new store begins with. Default: nothing. */
  readonly initial?: Iterable<InitialRecord>;
  /**
   * Seals values with AES-256-GCM; keys stay in clear. As for `serveParticipant`. Default: all is
   * kept in clear, in files that only this account can read.
   */
  readonly encryption?: EncryptionKeys | { readonly file: string };
  /** How long a branch waits for a key that is held, before it votes `abort`. Default 2,000. */
  readonly lockWaitMs?: number;
  /** How many may wait for keys at once; one more votes `abort` without waiting. Default 10,000. */
  readonly maxLockWaiters?: number;
  /**
   * How long a branch's commit is remembered, in milliseconds. Default 3,600,000 (1 h); where
   * another instance committed it, a week at least.
   */
  readonly appliedKeepMs?: number;
  /**
   * Called once, when a write failed: the store is dead, and the process should end and start
   * again. Default: says why on stderr and ends the process with code 70.
   */
  readonly onFatal?: OnFatal;
  /** @internal Default: the system's. */
  readonly clock?: Clock;
}

/**
 * A service's own rules, called with the branch and its payload at prepare. They return
 * `vote.commit(result)` or `vote.abort(message)`, or `vote.readonly(result)` where they wrote
 * nothing. Without a result the client gets `{versions}`, which the commit leaves behind. Anything
 * else, nothing included, aborts the transaction with a message that says what to return.
 */
export type BranchRules<Payload, Result> = (
  tx: StoreTransaction,
  call: PrepareCall<Payload>,
) => Promise<PrepareResult<Result>> | PrepareResult<Result>;

/** The same, of rules that give a result with every vote for it: the client gets no other. */
export type ResultRules<Payload, Result extends {}> = (
  tx: StoreTransaction,
  call: PrepareCall<Payload>,
) => Promise<ResultVote<Result> | AbortVote> | ResultVote<Result> | AbortVote;

/** By key; 0 for what was deleted. */
export interface WrittenVersions {
  /** The version of each key that the branch wrote. */
  readonly versions: Readonly<Record<string, number>>;
}

/** Options of `VersionedStore.enlist`. */
export interface StoreEnlistOptions extends Omit<EnlistOptions, 'payload'> {
  /**
   * Default `decision`. `vote` releases the shared locks with the vote; a branch that wrote nothing
   * then votes `readonly`. Safe only where *every* branch of the transaction has taken *all* its
   * locks before the client asks for the commit. A branch that works at its prepare (any that the
   * client named in `transact`, or in `enlist` with a payload) may still take locks when this one
   * votes: that would break two-phase locking. Only who writes the transaction knows that of the
   * others.
   */
  readonly readLocksUntil?: 'decision' | 'vote';
}

/** The part of a participant that is needed to enlist. */
export interface Enlister {
  /** As `ParticipantHandle.enlist`. */
  enlist(txid: Txid, options?: EnlistOptions): Promise<BranchRef>;
}

/** An enlist under way: the branch's end may come in before the store hears of the answer. */
interface Enlisting {
  readonly txid: Txid;
  /** Branches of this transaction that were rolled back, or asked to prepare, meanwhile. */
  readonly ended: Set<string>;
}

const optionFields: Fields<VersionedStoreOptions> = {
  dataDirectory: 'text',
  initial: 'any',
  encryption: 'object',
  lockWaitMs: 'ms',
  maxLockWaiters: 'count',
  appliedKeepMs: 'ms',
  onFatal: 'method',
  clock: 'internal',
};

/** A durable key-value store that takes part in transactions, made by `openVersionedStore`. */
export class VersionedStore {
  readonly #disk: BranchStore<PreparedBranch>;
  readonly #locks: KeyLocks;
  readonly #works = new Map<string, Work>();
  /** Of prepared branches, for a prepare that is repeated. */
  readonly #results = new Map<string, unknown>();
  readonly #enlisting = new Set<Enlisting>();

  /** @internal What `openVersionedStore` calls. */
  static async open(options: VersionedStoreOptions): Promise<VersionedStore> {
    checkPlace('openVersionedStore', options);
    checkFields(options, optionFields, 'openVersionedStore');
    const { initial = [] } = options;
    if (!isIterable(initial)) throw wrongInitial();
    const disk = await BranchStore.open<PreparedBranch>({
      ...options,
      clock: options.clock ?? systemClock,
      file: storeFile,
      header: storeHeader,
      contents: storeContents,
      begin: (keys) => putInitial(keys, initial),
      apply: applyWrites,
    });
    try {
      return new VersionedStore(options, disk);
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  private constructor(options: VersionedStoreOptions, disk: BranchStore<PreparedBranch>) {
    const { clock = systemClock, lockWaitMs = 2_000, maxLockWaiters = 10_000 } = options;
    this.#disk = disk;
    this.#locks = new KeyLocks({ clock, waitMs: lockWaitMs, maxWaiters: maxLockWaiters });
    // Whoever was prepared before the restart still holds its keys.
    for (const branch of disk.allPrepared()) this.#lockAgain(branch);
  }

  /** The last commit's value, with its version; null for nothing. See `StorePayload.reads`. */
  read<Value = unknown>(key: string): StoredRecord<Value> | null {
    if (typeof key !== 'string') throw new TypeError(`A key must be a string, not ${shown(key)}.`);
    return this.#disk.snapshot((keys) => getRecord(keys, key)) as StoredRecord<Value> | null;
  }

  /** Several at one moment. */
  readMany<Value = unknown>(keys: Iterable<string>): Map<string, StoredRecord<Value> | null> {
    return this.#disk.snapshot((stored) => {
      const found = new Map<string, StoredRecord<Value> | null>();
      for (const key of keys) found.set(key, getRecord(stored, key) as StoredRecord<Value> | null);
      return found;
    });
  }

  /** The branches that are prepared: on disk, with their keys locked. */
  inDoubt(): readonly BranchRef[] {
    return this.#disk.refs();
  }

  /** For `serveParticipant`: branches whose payload is a `StorePayload`. */
  resource(): Resource<unknown, WrittenVersions>;
  /**
   * For `serveParticipant`: branches with rules of their own. With `vote.commit(result)` in each
   * place it fits the `result` of a contract.
   */
  resource<Payload, Result extends {}>(
    rules: ResultRules<Payload, Result>,
  ): Resource<Payload, Result>;
  /** The same, where a vote may come without a result. */
  resource<Payload, Result>(
    rules: BranchRules<Payload, Result>,
  ): Resource<Payload, Result | WrittenVersions>;
  resource(rules: BranchRules<never, unknown> = dataRules): Resource<never, unknown> {
    return {
      identity: this.#disk.identity,
      prepare: (call) => this.#prepare(call, rules),
      commit: async (branch) => {
        await this.#disk.commit(branch);
        this.#results.delete(branchText(branch));
        this.#locks.release(branchText(branch));
      },
      rollback: (branch) => this.#rollback(branch),
      inDoubt: (call) => this.#disk.inDoubt(call?.instance),
    };
  }

  /**
   * Joins a running transaction: asks the leader, then gives the branch to work on. What is read
   * and written there is prepared when the client commits; the rules then find it done in `tx`, and
   * a branch of data needs none. Work that a restart of this process lost votes `abort`. Throws
   * what `ParticipantHandle.enlist` throws, and RefusedError where the transaction ended first.
   */
  async enlist(
    participant: Enlister,
    txid: Txid,
    options: StoreEnlistOptions = {},
  ): Promise<StoreTransaction> {
    const { readLocksUntil = 'decision', ...call } = options;
    if (readLocksUntil !== 'decision' && readLocksUntil !== 'vote') {
      throw new TypeError(
        `readLocksUntil must be 'decision' or 'vote', not ${shown(readLocksUntil)}.`,
      );
    }
    const enlisting: Enlisting = { txid, ended: new Set() };
    this.#enlisting.add(enlisting);
    try {
      const ref = await participant.enlist(txid, { ...call, payload: enlistedPayload });
      if (enlisting.ended.has(ref.branch)) {
        const message = `The transaction ${txid} ended before the work on it began. Begin another one.`;
        throw new RefusedError({ message, retryable: true });
      }
      const known = this.#works.get(branchText(ref));
      if (known !== undefined) return known;
      if (this.#disk.prepared(ref) !== null)
        throw new RefusedError({ message: `The branch ${branchText(ref)} is prepared already.` });
      return this.#work(ref, readLocksUntil === 'vote');
    } finally {
      this.#enlisting.delete(enlisting);
    }
  }

  /** What is prepared stays on disk; who waits for a key is refused. */
  async close(): Promise<void> {
    this.#locks.close();
    await this.#disk.close();
  }

  #work(branch: BranchRef, readLocksUntilVote: boolean): Work {
    const work = new Work({
      branch: { txid: branch.txid, branch: branch.branch },
      locks: this.#locks,
      current: (key) => this.read(key),
      versionAfter: (key) => this.#disk.snapshot((keys) => versionAfter(keys, key)),
      readLocksUntilVote,
    });
    this.#works.set(work.owner, work);
    return work;
  }

  async #prepare(
    call: PrepareCall<never>,
    rules: BranchRules<never, unknown>,
  ): Promise<PrepareResult<unknown>> {
    const before = this.#disk.ownPrepared(call);
    if (before !== null) {
      return vote.commit(this.#results.get(branchText(call)) ?? versionsOf(before.writes));
    }
    const enlisted = this.#works.get(branchText(call)) ?? null;
    if (enlisted === null && isEnlisted(call.payload)) {
      this.#endEnlisting(call);
      return vote.abort(
        'There is no work to prepare: it was lost when its service was started again, or had not begun. Retry.',
        { retryable: true },
      );
    }
    const work = enlisted ?? this.#work(call, false);
    let prepared = false;
    try {
      work.beginPrepare(() => call.signal);
      const returned = await rules(work, call);
      if (work.refusal !== null) return { vote: 'abort', reason: work.refusal };
      const answer = checkedVote(returned);
      if (answer.vote === 'abort') return answer;
      const result = await this.#keep(work, answer, call);
      prepared = result.vote === 'commit';
      return result;
    } catch (error) {
      if (error instanceof RefusedError) return { vote: 'abort', reason: error.reason };
      throw error;
    } finally {
      work.end();
      this.#works.delete(work.owner);
      if (!prepared) this.#locks.release(work.owner);
    }
  }

  /** Makes the vote certain: what the branch holds until its outcome is on disk first. */
  async #keep(
    work: Work,
    answer: Exclude<PrepareResult<unknown>, AbortVote>,
    call: PrepareCall<never>,
  ): Promise<PrepareResult<unknown>> {
    const { owner } = work;
    const writes = work.finish();
    if (answer.vote === 'readonly' && writes.length > 0)
      throw new TypeError('prepare returned vote.readonly() and wrote: return vote.commit()');
    const exclusive = this.#locks.keysOf(owner, 'exclusive');
    const shared = work.readLocksUntilVote ? [] : this.#locks.keysOf(owner, 'shared');
    const said = answer.result ?? versionsOf(writes);
    if (exclusive.length + shared.length === 0) return vote.readonly(said);
    await this.#disk.prepare(call, { writes, exclusive, shared });
    if (answer.result != null) this.#results.set(owner, answer.result);
    if (work.readLocksUntilVote) this.#locks.releaseShared(owner);
    return vote.commit(said);
  }

  async #rollback(branch: BranchEnd): Promise<void> {
    this.#endEnlisting(branch);
    const owner = branchText(branch);
    this.#works.get(owner)?.end();
    this.#works.delete(owner);
    // Not before it is gone from the disk: a restart would find its keys held twice.
    await this.#disk.rollback(branch);
    if (this.#disk.prepared(branch) !== null) return;
    this.#results.delete(owner);
    this.#locks.release(owner);
  }

  /** No one would be left to end work that began now. */
  #endEnlisting(branch: BranchRef): void {
    for (const { txid, ended } of this.#enlisting) {
      if (txid === branch.txid) ended.add(branch.branch);
    }
  }

  #lockAgain(branch: PreparedBranch): void {
    const owner = branchText(branch);
    for (const mode of ['exclusive', 'shared'] as const) {
      for (const key of branch[mode]) {
        if (this.#locks.tryTake({ owner, key, mode })) continue;
        throw new Error(
          `Two prepared branches hold the key ${key}: the store is broken. Restore it from a backup.`,
        );
      }
    }
  }
}

/** Says in a prepare that the branch's work had been done before, in this store. */
const enlistedPayload = { enlisted: true } as const;

function isEnlisted(payload: unknown): boolean {
  return (payload as { enlisted?: unknown } | null | undefined)?.enlisted === true;
}

async function dataRules(
  tx: StoreTransaction,
  { payload }: PrepareCall<never>,
): Promise<PrepareResult<never>> {
  if (isEnlisted(payload)) return vote.commit();
  try {
    await carryOut(readPayload(payload), tx as Work);
  } catch (error) {
    if (error instanceof StorePayloadError) return vote.abort(error.message);
    throw error;
  }
  return vote.commit();
}

function versionsOf(writes: readonly RecordWrite[]): WrittenVersions {
  return { versions: Object.fromEntries(writes.map(({ key, version }) => [key, version])) };
}
