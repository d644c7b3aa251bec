/**
 * What a versioned store holds, and the rules of changing it, as functions on one transaction.
 *
 * Three areas of keys:
 * - `records/<key>`: the value and its version, one higher with every write;
 * - `prepared/<txid>/<branch>`: a branch that voted commit, with all that its commit will write and all
 *   that it holds;
 * - `applied/<txid>/<branch>`: a branch that was committed, so that a repeat changes nothing.
 *
 * And one number, `deleted`: the highest version that was ever deleted. A record that is made begins above it,
 * so that no version of a key ever comes back with another value, and nothing need be kept of what is gone.
 */
import type { BranchRef } from '../../../ports/resource.ts';
import {
  assertKeyFits,
  entriesUnder,
  keyPart,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../../../system/key-value.ts';
import { metaKey, readHeader } from '../../../system/store-format.ts';

export const storeFile = 'store.mdb';
/** The format that this program writes, and the newest that it reads. */
export const storeHeader = { kind: 'verdict versioned store', formatVersion: 1 } as const;

export interface StoredRecord<Value = unknown> {
  readonly value: Value;
  readonly version: number;
}

/** What a new store begins with. */
export interface InitialRecord {
  readonly key: string;
  readonly value: unknown;
  /** Default 1. */
  readonly version?: number;
}

/** A record as its branch's commit will leave it. `version` is 0 where it deletes. */
export interface RecordWrite {
  readonly key: string;
  readonly version: number;
  readonly value?: unknown;
}

export interface PreparedBranch extends BranchRef {
  readonly writes: readonly RecordWrite[];
  /** The keys that it holds until the outcome: all that it writes are among the exclusive ones. */
  readonly exclusive: readonly string[];
  readonly shared: readonly string[];
}

const recordsPrefix = 'records/';
const preparedPrefix = 'prepared/';
const appliedPrefix = 'applied/';
const deletedKey = 'deleted';

/** Throws RangeError where the key is too long for the store, or no well-formed text. */
export function recordKey(key: string): string {
  return assertKeyFits(recordsPrefix + keyPart(key));
}

/** Names a branch in keys, and as an owner of locks. */
export function branchText(branch: BranchRef): string {
  return `${branch.txid}/${keyPart(branch.branch)}`;
}

export function getRecord(keys: ReadableKeys, key: string): StoredRecord | null {
  return (keys.get(recordKey(key)) as StoredRecord | undefined) ?? null;
}

/** What a write of the key brings it to. */
export function versionAfter(keys: ReadableKeys, key: string): number {
  return (getRecord(keys, key)?.version ?? deletedUpTo(keys)) + 1;
}

function deletedUpTo(keys: ReadableKeys): number {
  return (keys.get(deletedKey) as number | undefined) ?? 0;
}

export function getPrepared(keys: ReadableKeys, branch: BranchRef): PreparedBranch | null {
  return (keys.get(preparedPrefix + branchText(branch)) as PreparedBranch | undefined) ?? null;
}

export function allPrepared(keys: ReadableKeys): readonly PreparedBranch[] {
  return entriesUnder(keys, preparedPrefix).map(([, value]) => value as PreparedBranch);
}

export function isApplied(keys: ReadableKeys, branch: BranchRef): boolean {
  return keys.get(appliedPrefix + branchText(branch)) !== undefined;
}

/** Keeps what the branch will write. */
export function prepare(keys: WritableKeys, branch: PreparedBranch): void {
  if (isApplied(keys, branch)) {
    throw new Error(`The branch ${branchText(branch)} was committed here; it cannot be prepared.`);
  }
  keys.put(preparedPrefix + branchText(branch), branch);
}

/** A commit was asked for a branch that is neither prepared nor committed: it must never be acknowledged. */
export class UnknownBranchError extends Error {
  override readonly name = 'UnknownBranchError';
}

/** The writes, the end of the prepared branch and the note that it was applied: one atomic step. */
export function commit(keys: WritableKeys, branch: BranchRef, atMs: number): void {
  const text = branchText(branch);
  const prepared = getPrepared(keys, branch);
  if (prepared === null) {
    if (isApplied(keys, branch)) return;
    throw new UnknownBranchError(
      `The branch ${text} is neither prepared nor committed here. Look at the store's backup and at the transaction: npx verdict tx show ${branch.txid}`,
    );
  }
  for (const write of prepared.writes) apply(keys, write);
  keys.remove(preparedPrefix + text);
  keys.put(appliedPrefix + text, atMs);
}

function apply(keys: WritableKeys, { key, version, value }: RecordWrite): void {
  const current = getRecord(keys, key)?.version ?? 0;
  if (version === 0) {
    keys.remove(recordKey(key));
    if (current > deletedUpTo(keys)) keys.put(deletedKey, current);
    return;
  }
  // The branch held the key alone since it chose the version: nobody else can have written.
  if (current !== 0 && current !== version - 1) {
    throw new Error(
      `The record ${key} has version ${current}, and ${version} is to be written: the store is broken. Restore it from a backup.`,
    );
  }
  keys.put(recordKey(key), { value, version });
}

/** Nothing held, nothing done. */
export function rollback(keys: WritableKeys, branch: BranchRef): void {
  assertNotApplied(keys, branch);
  keys.remove(preparedPrefix + branchText(branch));
}

export function assertNotApplied(keys: ReadableKeys, branch: BranchRef): void {
  if (!isApplied(keys, branch)) return;
  throw new Error(`The branch ${branchText(branch)} was committed here; it cannot be rolled back.`);
}

/**
 * One bounded step through the applied notes, from where the last one ended: removes those made before
 * `beforeMs`. Returns where to go on; null at the end.
 */
export function sweepApplied(
  keys: WritableKeys,
  options: { readonly after: string | null; readonly beforeMs: number; readonly limit: number },
): string | null {
  const { after, beforeMs, limit } = options;
  const range = prefixRange(appliedPrefix, after ?? undefined);
  const page = keys.range({ ...range, limit });
  for (const [key, atMs] of page) if ((atMs as number) < beforeMs) keys.remove(key);
  return page.length < limit ? null : (page.at(-1)?.[0] ?? null);
}

export interface StoreContent {
  /** By key. */
  readonly records: ReadonlyMap<string, StoredRecord>;
  readonly prepared: readonly PreparedBranch[];
}

/** Everything, for totals and checks. */
export function readContent(keys: ReadableKeys): StoreContent {
  readHeader(keys, storeHeader);
  const records = new Map<string, StoredRecord>();
  for (const [key, value] of entriesUnder(keys, recordsPrefix)) {
    records.set(JSON.parse(key.slice(recordsPrefix.length)) as string, value as StoredRecord);
  }
  return { records, prepared: allPrepared(keys) };
}

/** Makes an empty store one of ours; records that are there already stay as they are. */
export function begin(keys: WritableKeys, initial: Iterable<InitialRecord>): void {
  if (readHeader(keys, storeHeader) !== null) return;
  keys.put(metaKey, storeHeader);
  for (const { key, value, version = 1 } of initial) keys.put(recordKey(key), { value, version });
}
