/**
 * The durable side of a resource that keeps its data in ordered keys: one LMDB file with its
 * branches, group commit, and the sweep of old notes.
 *
 * - `prepared/<txid>/<branch>`: a branch that voted commit, what its commit will do, and who voted;
 * - `applied/<txid>/<branch>`: a branch that was committed, so that a repeat changes nothing.
 *
 * A journal may be lost where the store beside it is not: only the decision then ends what an
 * earlier instance voted for (!). The new one knows of no vote, and would take it for unfinished
 * work.
 */
import type { Clock } from '../ports/clock.ts';
import {
  BranchEndedError,
  type BranchRef,
  type EndCall,
  type HeldBranch,
} from '../ports/resource.ts';
import { CountedKeys } from '../store/counted-keys.ts';
import { fileNumber } from '../store/file-number.ts';
import { GroupCommit } from '../store/group-commit.ts';
import {
  entriesUnder,
  keyPart,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../store/key-value.ts';
import type { LmdbStore, OnFatal } from '../store/lmdb.ts';
import { openOwnedStore } from '../store/owned-store.ts';
import type { Contents } from '../store/sealed-keys.ts';
import { metaKey, readHeader, type StoreHeader, sealedHeader } from '../store/store-format.ts';
import { type EncryptionChoice, payloadCipher } from '../system/payload-cipher.ts';
import { systemRandom } from '../system/random.ts';
import { steadyWall } from '../system/steady-wall.ts';

/** As every prepared branch is kept. */
export interface PreparedBy extends BranchRef {
  /** Whose journal has the vote. */
  readonly instance?: string;
}

export type BranchEnd = Omit<EndCall<unknown>, 'payload'>;

export interface BranchStoreOptions<Prepared extends PreparedBy> {
  readonly dataDirectory: string;
  readonly file: string;
  readonly header: StoreHeader;
  /** Seals the content. Default: it is kept in clear. */
  readonly encryption?: EncryptionChoice;
  /** What of it is users' content. Default: nothing. */
  readonly contents?: Contents;
  /** What an empty file begins with. Default: nothing. */
  readonly begin?: (keys: WritableKeys) => void;
  /** What the commit of a branch does, within the transaction that ends it. */
  readonly apply: (keys: WritableKeys, branch: Prepared) => void;
  readonly clock: Clock;
  /**
   * How long it is remembered that a branch was committed, in milliseconds. Default an hour; where
   * a sibling committed it a week, if that is longer.
   */
  readonly appliedKeepMs?: number;
  /** Called once, when a write or a flush failed. Default: says why on stderr; exits with 70. */
  readonly onFatal?: OnFatal;
}

interface Applied {
  readonly atMs: number;
  /** Another instance had voted, and this was acknowledged in its place. */
  readonly takenOver: boolean;
}

const preparedPrefix = 'prepared/';
const appliedPrefix = 'applied/';
const identityKey = 'identity';
const identityDigits = 16;

/** How often a commit also takes a step through the notes of what was applied. */
const commitsPerSweep = 64;
const siblingKeepMs = 7 * 24 * 3_600_000;
const sweepLimit = 256;

/** Throws a TypeError where a store is opened without options, or without a place to keep it. */
export function checkPlace(caller: string, options: { readonly dataDirectory: string }): void {
  const directory: unknown = options?.dataDirectory;
  if (typeof directory === 'string' && directory !== '') return;
  throw new TypeError(
    `${caller} needs dataDirectory: the path of a directory of its own, such as { dataDirectory: './data/store' }.`,
  );
}

/** Everything that it resolves is on disk: LMDB's transactions resolve after their flush. */
export class BranchStore<Prepared extends PreparedBy> {
  /** Made with the file, and anew for a copy: what is done to one is not done to the other. */
  readonly identity: string;
  readonly #lmdb: LmdbStore;
  readonly #group: GroupCommit<CountedKeys>;
  readonly #apply: BranchStoreOptions<Prepared>['apply'];
  readonly #clock: Clock;
  readonly #wallMs: () => number;
  readonly #appliedKeepMs: number;
  readonly #openedAtMs: number;
  #commits = 0;
  #sweptTo: string | null = null;

  /** Rejects where the directory has an owner, or holds what this program cannot read. */
  static async open<Prepared extends PreparedBy>(
    options: BranchStoreOptions<Prepared>,
  ): Promise<BranchStore<Prepared>> {
    const { dataDirectory: directory, file, clock, onFatal, contents = {}, encryption } = options;
    const cipher = encryption === undefined ? null : payloadCipher(encryption);
    const header = cipher === null ? options.header : sealedHeader(options.header);
    const newest = sealedHeader(options.header);
    const { store, begun } = await openOwnedStore({
      log: false,
      directory,
      file,
      purpose: header.kind,
      clock,
      onFatal,
      sealing: { cipher, contents },
      check: (keys) => readHeader(keys, newest),
      begin: (keys) => {
        const before = readHeader(keys, newest);
        if (before === null) options.begin?.(keys);
        const wasSealed = before?.['formatVersion'] === newest.formatVersion;
        if (before === null || wasSealed !== (cipher !== null)) keys.put(metaKey, header);
        const made = keys.get(identityKey) ?? systemRandom.token(identityDigits);
        keys.put(identityKey, made);
        return `${header.kind.replaceAll(' ', '-')}-${made}-${fileNumber(directory, file)}`;
      },
    });
    return new BranchStore(options, store, begun);
  }

  private constructor(options: BranchStoreOptions<Prepared>, lmdb: LmdbStore, identity: string) {
    this.identity = identity;
    this.#lmdb = lmdb;
    this.#group = new GroupCommit({
      transact: (body) => lmdb.transact((keys) => body(new CountedKeys(keys))),
    });
    this.#apply = options.apply;
    this.#clock = options.clock;
    this.#wallMs = steadyWall(options.clock);
    this.#appliedKeepMs = options.appliedKeepMs ?? 3_600_000;
    this.#openedAtMs = options.clock.monotonicMs();
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#lmdb.snapshot(body);
  }

  prepared(branch: BranchRef): Prepared | null {
    return this.#lmdb.snapshot((keys) => getPrepared<Prepared>(keys, branch));
  }

  /** Throws where another instance has prepared it. */
  ownPrepared(branch: PreparedBy): Prepared | null {
    const before = this.prepared(branch);
    if (before !== null) assertOwn(before, branch);
    return before;
  }

  allPrepared(): readonly Prepared[] {
    return this.#lmdb.snapshot((keys) => allPrepared<Prepared>(keys));
  }

  refs(): readonly BranchRef[] {
    return this.allPrepared().map(({ txid, branch }) => ({ txid, branch }));
  }

  /** All of them, and whether this instance voted for them. */
  inDoubt(instance: string | undefined): readonly HeldBranch[] {
    return this.allPrepared().map(({ txid, branch, instance: by }) => ({
      txid,
      branch,
      mine: instance === undefined || by === instance,
    }));
  }

  /** Keeps what the branch's commit will do. Resolves when it is durable. */
  prepare(
    { txid, branch, instance }: PreparedBy,
    content: Omit<Prepared, keyof PreparedBy>,
  ): Promise<void> {
    const by = instance === undefined ? {} : { instance };
    const prepared: PreparedBy = { txid, branch, ...content, ...by };
    return this.#group.run((keys) => {
      const text = branchText(prepared);
      if (getApplied(keys, prepared) !== null) {
        throw new Error(`The branch ${text} was committed here; it cannot be prepared.`);
      }
      const before = getPrepared<PreparedBy>(keys, prepared);
      if (before !== null) assertOwn(before, prepared);
      keys.put(preparedPrefix + text, prepared);
    });
  }

  /**
   * Applies what the branch does, ends it and notes that it was applied, in one atomic step.
   * Resolves when it is durable. Repeats change nothing. Rejects with BranchEndedError.
   */
  commit(branch: BranchEnd): Promise<void> {
    return this.#group.run((keys) => {
      this.#commit(keys, branch);
      this.#sweep(keys);
    });
  }

  #commit(keys: WritableKeys, branch: BranchEnd): void {
    const text = branchText(branch);
    const { takenOver = false } = branch;
    const prepared = getPrepared<Prepared>(keys, branch);
    if (prepared === null) {
      const applied = getApplied(keys, branch);
      if (applied !== null) {
        // (!) Who voted may have died ahead of its journal. Back when the record is gone, it is
        // told "abort", and sees here that no one committed by hand.
        if (takenOver && !applied.takenOver)
          keys.put(appliedPrefix + text, { ...applied, takenOver } satisfies Applied);
        return;
      }
      // It must never be acknowledged.
      throw new BranchEndedError(
        'nothing',
        `The branch ${text} is neither prepared nor committed here. Look at the store's backup and at the transaction: npx verdict tx show ${branch.txid}`,
      );
    }
    this.#apply(keys, prepared);
    keys.remove(preparedPrefix + text);
    keys.put(appliedPrefix + text, { atMs: this.#wallMs(), takenOver } satisfies Applied);
  }

  /** Resolves when it is durably gone: nothing held or done. Rejects with BranchEndedError. */
  async rollback(branch: BranchEnd): Promise<void> {
    if (!this.#lmdb.snapshot((keys) => isToRollBack(keys, branch))) return;
    await this.#group.run((keys) => {
      if (isToRollBack(keys, branch)) keys.remove(preparedPrefix + branchText(branch));
    });
  }

  /** Resolves when what `operation` changed is durable; it shares its transaction with others. */
  run<T>(operation: (keys: WritableKeys) => T): Promise<T> {
    return this.#group.run(operation);
  }

  async close(): Promise<void> {
    await this.#group.idle();
    await this.#lmdb.close();
  }

  /**
   * A bounded step through the notes of what was applied, from where the last one ended.
   *
   * The journal may ask for a commit again until it has recorded it: while the process runs, that
   * is over long before the limit. One that was down for a day may ask right after its start, so
   * nothing is swept before it has run for as long.
   */
  #sweep(keys: CountedKeys): void {
    this.#commits += 1;
    if (this.#commits % commitsPerSweep !== 0) return;
    if (this.#clock.monotonicMs() - this.#openedAtMs < this.#appliedKeepMs) return;
    const beforeMs = this.#wallMs() - this.#appliedKeepMs;
    const range = prefixRange(appliedPrefix, this.#sweptTo ?? undefined);
    const page = keys.range({ ...range, limit: sweepLimit });
    for (const [key, value] of page) {
      const { atMs, takenOver } = value as Applied;
      // Who voted may come back as late as that (PROTOCOL, 8.7).
      if (atMs < (takenOver ? Math.min(beforeMs, this.#wallMs() - siblingKeepMs) : beforeMs))
        keys.remove(key);
    }
    this.#sweptTo = page.length < sweepLimit ? null : (page.at(-1)?.[0] ?? null);
  }
}

/** Names a branch in keys, and as an owner of locks. */
export function branchText(branch: BranchRef): string {
  return `${branch.txid}/${keyPart(branch.branch)}`;
}

export function allPrepared<Prepared extends BranchRef>(keys: ReadableKeys): readonly Prepared[] {
  return entriesUnder(keys, preparedPrefix).map(([, value]) => value as Prepared);
}

function getPrepared<Prepared>(keys: ReadableKeys, branch: BranchRef): Prepared | null {
  return (keys.get(preparedPrefix + branchText(branch)) as Prepared | undefined) ?? null;
}

function getApplied(keys: ReadableKeys, branch: BranchRef): Applied | null {
  return (keys.get(appliedPrefix + branchText(branch)) as Applied | undefined) ?? null;
}

/** A vote is its instance's own: no one repeats it for another. */
function assertOwn(before: PreparedBy, { instance }: PreparedBy): void {
  if (before.instance === instance) return;
  throw new Error(`The branch ${branchText(before)} was prepared here under another journal.`);
}

/** Nothing that another instance holds, unless it was decided so. Throws where it was committed. */
function isToRollBack(keys: ReadableKeys, branch: BranchEnd): boolean {
  const applied = getApplied(keys, branch);
  if (applied !== null) {
    throw new BranchEndedError(
      applied.takenOver ? 'committed-by-sibling' : 'committed',
      `The branch ${branchText(branch)} was committed here; it cannot be rolled back.`,
    );
  }
  const prepared = getPrepared<PreparedBy>(keys, branch);
  return prepared !== null && (branch.takenOver === true || prepared.instance === branch.instance);
}
