/**
 * Where a journal keeps what, and in which form.
 *
 * Three areas of entries, so that what is swept lies together and a start reads no tombstones: live
 * (started, prepared, committed), readonly, tombstones. Within an area and a shard keys are ordered
 * as transactions began, nearly by age. A value leaves out what its key says.
 */
import { type Epoch, epochOf, type Txid } from '../core/txid.ts';
import { SealedError } from '../ports/cipher.ts';
import type { BranchKey, JournalEntry, JournalState } from '../ports/journal.ts';
import {
  assertKeyFits,
  entriesUnder,
  type KeyRange,
  keyPart,
  type ReadableKeys,
} from '../store/key-value.ts';

export const areas = { live: 'l/', readonly: 'r/', tombstones: 't/' } as const;
type Area = (typeof areas)[keyof typeof areas];

export const epochsPrefix = 'epochs/';
export const witnessPrefix = 'witness/';
export const clusterKey = 'cluster';
export const runsKey = 'runs';

const content = ['payload', 'result', 'reason'] as const;
/** By area, what of an entry is a user's: all else stays in clear, and is decided by. */
export const journalContents: Readonly<Record<Area, readonly string[]>> = {
  'l/': content,
  'r/': content,
  't/': content,
};

/** The value of an entry: a MessagePack map. */
interface Stored {
  readonly state: JournalState;
  /** Absent: the epoch of the txid. */
  readonly epoch?: Epoch;
  readonly witness?: readonly [generation: number, revision: string];
  readonly payload?: unknown;
  readonly result?: unknown;
  readonly reason?: NonNullable<JournalEntry['reason']>;
  readonly forgotten?: true;
  readonly atMs: number;
}

export function epochKey(shard: number): string {
  return `${epochsPrefix}${shard.toString(36)}`;
}

export function shardOfEpochKey(key: string): number {
  return Number.parseInt(key.slice(epochsPrefix.length), 36);
}

export function witnessKey(shard: number): string {
  return `${witnessPrefix}${shard.toString(36)}`;
}

export function shardOfWitnessKey(key: string): number {
  return Number.parseInt(key.slice(witnessPrefix.length), 36);
}

export function branchKey(area: Area, key: BranchKey): string {
  return `${area}${key.txid}/${keyPart(key.branch)}`;
}

/** Throws where the branch's name is too long for a key: asked before a transaction begins. */
export function assertBranch(key: BranchKey): void {
  assertKeyFits(branchKey(areas.live, key));
}

export function areaOf(state: JournalState): Area {
  if (state === 'tombstone') return areas.tombstones;
  return state === 'readonly' ? areas.readonly : areas.live;
}

export function storedOf(entry: JournalEntry): Stored {
  const { txid, state, epoch, witness, payload, result, reason, forgotten, atMs } = entry;
  const stored: { -readonly [Name in keyof Stored]: Stored[Name] } = { state, atMs };
  if (epoch !== epochOf(txid)) stored.epoch = epoch;
  if (witness !== null) stored.witness = [witness.generation, witness.revision];
  if (payload !== undefined) stored.payload = payload;
  if (result !== undefined) stored.result = result;
  if (reason !== undefined) stored.reason = reason;
  if (forgotten !== undefined) stored.forgotten = forgotten;
  return stored;
}

function entryOf({ txid, branch }: BranchKey, value: unknown): JournalEntry {
  const { epoch = epochOf(txid), witness: shown, ...rest } = value as Stored;
  if ('sealed' in rest) throw sealedWithoutKeys();
  const witness = shown === undefined ? null : { generation: shown[0], revision: shown[1] };
  return { txid, branch, ...rest, epoch, witness };
}

/** (!) A commit must not be called without its payload. */
function sealedWithoutKeys(): SealedError {
  return new SealedError(
    'The journal holds an entry that another process of the shared resource has sealed, and this one has no keys. Give all of them the same option encryption.',
  );
}

export function readEntry(keys: ReadableKeys, area: Area, key: BranchKey): JournalEntry | null {
  const value = keys.get(branchKey(area, key));
  return value === undefined ? null : entryOf(key, value);
}

export function readEntries(
  keys: ReadableKeys,
  range: KeyRange & { readonly limit: number },
): JournalEntry[] {
  return keys.range(range).map(([key, value]) => entryOf(keyOf(key), value));
}

export function allEntries(keys: ReadableKeys, prefix: Area | `${Area}${Txid}/`): JournalEntry[] {
  return entriesUnder(keys, prefix).map(([key, value]) => entryOf(keyOf(key), value));
}

function keyOf(key: string): BranchKey {
  const start = key.indexOf('/') + 1;
  const end = key.indexOf('/', start);
  return { txid: key.slice(start, end) as Txid, branch: JSON.parse(key.slice(end + 1)) as string };
}
