/**
 * What a versioned store holds beside its branches (branch-store.ts), and how it changes, as
 * functions on one transaction. `records/<key>` is the value and its version, one higher with every
 * write. `deleted` is the highest version ever deleted. A new record begins above it, so that no
 * version of a key returns with another value, and nothing need be kept of what is gone.
 */
import { checkFields, type Fields } from '../../core/fields.ts';
import {
  assertKeyFits,
  entriesUnder,
  keyPart,
  type ReadableKeys,
  type WritableKeys,
} from '../../store/key-value.ts';
import type { Contents } from '../../store/sealed-keys.ts';
import { readHeader } from '../../store/store-format.ts';
import { sendable } from '../../wire/sendable.ts';
import { allPrepared, type PreparedBy } from '../branch-store.ts';

export const storeFile = 'store.mdb';
/** The format that this program writes, and the newest that it reads. */
export const storeHeader = { kind: 'verdict versioned store', formatVersion: 2 } as const;

/** What of it is users' content. */
export const storeContents: Contents = { 'prepared/': ['writes'], 'records/': ['value'] };

/** What is stored under a key. */
export interface StoredRecord<Value = unknown> {
  /** As it was written. */
  readonly value: Value;
  /** Greater with each commit that writes the key. */
  readonly version: number;
}

/** What a new store begins with. */
export interface InitialRecord {
  /** Where it is stored. */
  readonly key: string;
  /** Plain data. */
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

export interface PreparedBranch extends PreparedBy {
  readonly writes: readonly RecordWrite[];
  /** The keys that it holds until the outcome: all that it writes are among the exclusive ones. */
  readonly exclusive: readonly string[];
  readonly shared: readonly string[];
}

const recordsPrefix = 'records/';
const deletedKey = 'deleted';

/** Throws RangeError where the key is too long for the store, or no well-formed text. */
export function recordKey(key: string): string {
  return assertKeyFits(recordsPrefix + keyPart(key));
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

/** What a prepared branch's commit does. */
export function applyWrites(keys: WritableKeys, { writes }: PreparedBranch): void {
  for (const write of writes) applyWrite(keys, write);
}

function applyWrite(keys: WritableKeys, { key, version, value }: RecordWrite): void {
  const current = getRecord(keys, key)?.version ?? 0;
  if (version === 0) {
    keys.remove(recordKey(key));
    if (current > deletedUpTo(keys)) keys.put(deletedKey, current);
    return;
  }
  // The branch held the key alone since it chose the version: no one else can have written.
  if (current !== 0 && current !== version - 1) {
    throw new Error(
      `The record ${key} has version ${current}, and ${version} is to be written: the store is broken. Restore it from a backup.`,
    );
  }
  keys.put(recordKey(key), { value, version });
}

/** Everything, for totals and checks. */
export function readContent(keys: ReadableKeys): {
  readonly records: ReadonlyMap<string, StoredRecord>;
  readonly prepared: readonly PreparedBranch[];
} {
  readHeader(keys, storeHeader);
  const records = new Map<string, StoredRecord>();
  for (const [key, value] of entriesUnder(keys, recordsPrefix)) {
    records.set(JSON.parse(key.slice(recordsPrefix.length)) as string, value as StoredRecord);
  }
  return { records, prepared: allPrepared(keys) };
}

export function wrongInitial(): TypeError {
  return new TypeError("initial must be a list of records, such as [{ key: 'lamp', value: 10 }].");
}

const initialFields: Fields<InitialRecord> = { key: 'text', value: 'any', version: 'count' };

/** What a new store begins with. */
export function putInitial(keys: WritableKeys, initial: Iterable<InitialRecord>): void {
  for (const record of initial) {
    if (typeof record?.key !== 'string') throw wrongInitial();
    checkFields(record, initialFields, 'initial');
    if (record.value === undefined) throw wrongInitial();
    const { key, value, version = 1 } = record;
    keys.put(recordKey(key), { value: sendable(value, `the value of ${key}`), version });
  }
}
