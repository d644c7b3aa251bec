/**
 * What a shop's store holds, and the rules of changing it, as functions on one transaction.
 *
 * Three areas of keys:
 * - `records/<key>`: the value and its version, one higher with every write;
 * - `prepared/<txid>/<branch>`: a branch that voted commit, with all that its commit will write;
 * - `applied/<txid>/<branch>`: a branch that was committed, so that a repeat changes nothing.
 */
import type { BranchRef } from '../../src/ports/resource.ts';
import {
  assertKeyFits,
  entriesUnder,
  keyPart,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../../src/system/key-value.ts';
import { metaKey, readHeader } from '../../src/system/store-format.ts';

export const storeFile = 'store.mdb';
/** The format that this program writes, and the newest that it reads. */
export const storeHeader = { kind: 'verdict shop store', formatVersion: 1 } as const;

export interface StoredRecord<Value = unknown> {
  readonly value: Value;
  readonly version: number;
}

/** A record as its transaction's commit will leave it. */
export interface RecordWrite extends StoredRecord {
  readonly key: string;
}

export interface PreparedBranch extends BranchRef {
  readonly writes: readonly RecordWrite[];
  /** Every key it holds until the outcome: those it writes, and those on which its vote rests. */
  readonly keys: readonly string[];
}

const recordsPrefix = 'records/';
const preparedPrefix = 'prepared/';
const appliedPrefix = 'applied/';

/** Throws where the key is too long for the store. */
export function recordKey(key: string): string {
  return assertKeyFits(recordsPrefix + key);
}

/** Names a branch in keys, and as an owner of locks. */
export function branchText(branch: BranchRef): string {
  return `${branch.txid}/${keyPart(branch.branch)}`;
}

export function getRecord(keys: ReadableKeys, key: string): StoredRecord | null {
  return (keys.get(recordKey(key)) as StoredRecord | undefined) ?? null;
}

export function getPrepared(keys: ReadableKeys, branch: BranchRef): PreparedBranch | null {
  return (keys.get(preparedPrefix + branchText(branch)) as PreparedBranch | undefined) ?? null;
}

function isApplied(keys: ReadableKeys, branch: BranchRef): boolean {
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
  for (const { key, value, version } of prepared.writes) {
    const current = getRecord(keys, key)?.version ?? 0;
    // The branch held the key's lock since it read it: nobody else can have written.
    if (current !== version - 1) {
      throw new Error(`The record ${key} has version ${current}; ${text} is to write ${version}.`);
    }
    keys.put(recordKey(key), { value, version });
  }
  keys.remove(preparedPrefix + text);
  keys.put(appliedPrefix + text, atMs);
}

/** Nothing held, nothing done. */
export function rollback(keys: WritableKeys, branch: BranchRef): void {
  if (isApplied(keys, branch)) {
    throw new Error(
      `The branch ${branchText(branch)} was committed here; it cannot be rolled back.`,
    );
  }
  keys.remove(preparedPrefix + branchText(branch));
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
    records.set(key.slice(recordsPrefix.length), value as StoredRecord);
  }
  return { records, prepared: allPrepared(keys) };
}

export function allPrepared(keys: ReadableKeys): readonly PreparedBranch[] {
  return entriesUnder(keys, preparedPrefix).map(([, value]) => value as PreparedBranch);
}

/** Makes an empty store one of ours; records that are there already stay as they are. */
export function begin(
  keys: WritableKeys,
  seed: readonly (readonly [key: string, record: StoredRecord])[],
): void {
  if (readHeader(keys, storeHeader) !== null) return;
  keys.put(metaKey, storeHeader);
  for (const [key, record] of seed) keys.put(recordKey(key), record);
}
