/** A branch as plain data, for clients that write to a store without a service's own rules. */
import { shown } from '../../core/fields.ts';
import type { LockMode } from './locks.ts';
import type { Work } from './work.ts';

/** What a client sends as the payload of a branch. A version of 0 says that no record was there. */
export interface StorePayload {
  /** Versions that the transaction rests on: where another is current the vote is `CONFLICT`. */
  readonly reads?: readonly { readonly key: string; readonly version: number }[];
  /** What the commit writes and deletes: plain data. */
  readonly writes?: readonly (
    | { readonly key: string; readonly value: unknown }
    | { readonly key: string; readonly delete: true }
  )[];
  /** Keys that no one may write until the decision, whatever their versions are. */
  readonly locks?: readonly string[];
}

/** The payload cannot be read; the text says which field is wrong. */
export class StorePayloadError extends Error {
  override readonly name = 'StorePayloadError';
}

const maxEntries = 10_000;

/** In the order of keys, each in its strongest mode: such branches never wait in a cycle here. */
export async function carryOut(payload: StorePayload, work: Work): Promise<void> {
  const { reads = [], writes = [], locks = [] } = payload;
  const wanted = new Map<string, LockMode>();
  for (const key of locks) wanted.set(key, 'shared');
  for (const { key } of reads) wanted.set(key, 'shared');
  for (const { key } of writes) wanted.set(key, 'exclusive');
  for (const [key, mode] of [...wanted].sort(([one], [other]) => (one < other ? -1 : 1))) {
    await work.lock(key, mode);
  }
  for (const { key, version } of reads) await work.expect(key, version);
  for (const write of writes) {
    if ('delete' in write) await work.delete(write.key);
    else await work.write(write.key, write.value);
  }
}

/** Throws StorePayloadError. */
export function readPayload(payload: unknown): StorePayload {
  const { reads, writes, locks } = object(payload, 'payload', ['reads', 'writes', 'locks']);
  const read = list(reads, 'payload.reads').map((value, index) => {
    const at = `payload.reads[${index}]`;
    const { key, version } = object(value, at, ['key', 'version']);
    if (!Number.isSafeInteger(version) || (version as number) < 0) {
      throw new StorePayloadError(`${at}.version must be a whole number, 0 for no record.`);
    }
    return { key: keyOf(key, `${at}.key`), version: version as number };
  });
  const written = list(writes, 'payload.writes').map((given, index) => {
    const at = `payload.writes[${index}]`;
    const { key, value, delete: deletes } = object(given, at, ['key', 'value', 'delete']);
    const named = { key: keyOf(key, `${at}.key`) };
    if (deletes === true && value === undefined) return { ...named, delete: true as const };
    if (deletes === undefined && value !== undefined) return { ...named, value };
    throw new StorePayloadError(`${at} must have either a value or "delete": true.`);
  });
  if (new Set(written.map(({ key }) => key)).size !== written.length) {
    throw new StorePayloadError('payload.writes must name each key once.');
  }
  const locked = list(locks, 'payload.locks').map((key, index) =>
    keyOf(key, `payload.locks[${index}]`),
  );
  return { reads: read, writes: written, locks: locked };
}

/** Without others: a payload of `write` in place of `writes` would commit, and change nothing. */
function object<Field extends string>(
  value: unknown,
  at: string,
  fields: readonly Field[],
): Readonly<Partial<Record<Field, unknown>>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StorePayloadError(`${at} must be an object.`);
  }
  const unknown = Object.keys(value).find((name) => !fields.some((field) => field === name));
  if (unknown === undefined) return value as Readonly<Partial<Record<Field, unknown>>>;
  throw new StorePayloadError(
    `There is no field ${shown(unknown)} in ${at}. The fields are ${fields.join(', ')}.`,
  );
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.length <= maxEntries) return value;
  throw new StorePayloadError(`${at} must be a list of at most ${maxEntries}.`);
}

function keyOf(value: unknown, at: string): string {
  if (typeof value === 'string' && value !== '' && value.isWellFormed()) return value;
  throw new StorePayloadError(`${at} must be text.`);
}
