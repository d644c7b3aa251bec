/**
 * What an outbox holds beside its branches (branch-store.ts): `queue/<number>`, a message of a
 * committed branch that is not known to be published, in commit order; and `next`, the next number.
 */
import type { Txid } from '../../core/txid.ts';
import {
  entriesUnder,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../../store/key-value.ts';
import type { Contents } from '../../store/sealed-keys.ts';
import { readHeader } from '../../store/store-format.ts';
import { allPrepared, type PreparedBy } from '../branch-store.ts';

export const outboxFile = 'outbox.mdb';
/** The format that this program writes, and the newest that it reads. */
export const outboxHeader = { kind: 'verdict outbox', formatVersion: 2 } as const;

/** What of it is users' content. */
export const outboxContents: Contents = { 'prepared/': ['bodies'], 'queue/': ['body'] };

/** A message of a committed transaction, as `publish` gets it. */
export interface OutboxMessage<Body = unknown> {
  /** The same for each publication of this message, and no other's: receivers drop repeats. */
  readonly id: string;
  /** The transaction that committed it. */
  readonly txid: Txid;
  /** The branch that it was part of. */
  readonly branch: string;
  /** What the branch said is to be published. */
  readonly body: Body;
}

export interface PreparedMessages extends PreparedBy {
  readonly bodies: readonly unknown[];
}

export interface Queued {
  readonly key: string;
  readonly message: OutboxMessage;
}

const queuePrefix = 'queue/';
const nextKey = 'next';
/** Every whole number that JavaScript counts exactly. */
const numberDigits = 16;

/** What a prepared branch's commit does. */
export function enqueue(keys: WritableKeys, { txid, branch, bodies }: PreparedMessages): void {
  let next = nextNumber(keys);
  for (const [index, body] of bodies.entries()) {
    const id = `${txid}/${encodeURIComponent(branch)}/${index}`;
    const message: OutboxMessage = { id, txid, branch, body };
    keys.put(queuePrefix + String(next).padStart(numberDigits, '0'), message);
    next += 1;
  }
  keys.put(nextKey, next);
}

/** The oldest message behind `after`, which is a key or null for the start. */
export function headOf(keys: ReadableKeys, after: string | null): Queued | null {
  const found = keys.range({ ...prefixRange(queuePrefix, after ?? undefined), limit: 1 })[0];
  return found === undefined ? null : { key: found[0], message: found[1] as OutboxMessage };
}

/** They go in order, so those that are left have consecutive numbers. */
export function countOf(keys: ReadableKeys): number {
  const head = headOf(keys, null);
  return head === null ? 0 : nextNumber(keys) - Number(head.key.slice(queuePrefix.length));
}

/** Everything, for totals and checks. `queued`: committed, and not known to be published. */
export function readContent(keys: ReadableKeys): {
  readonly queued: readonly OutboxMessage[];
  readonly prepared: readonly PreparedMessages[];
} {
  readHeader(keys, outboxHeader);
  const queued = entriesUnder(keys, queuePrefix).map(([, message]) => message as OutboxMessage);
  return { queued, prepared: allPrepared(keys) };
}

function nextNumber(keys: ReadableKeys): number {
  return (keys.get(nextKey) as number | undefined) ?? 0;
}
