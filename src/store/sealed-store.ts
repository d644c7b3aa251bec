/**
 * A store whose users' content is sealed (docs/adr/0008-encryption-at-rest.md).
 *
 * `sealing` names every key that may have sealed something in the store, and is written before that
 * has: so a start that lacks one is refused before it answers anything, whatever was killed when.
 *
 *     start: a key that sealed something is missing? -> refused, nothing is written
 *            -> `sealing` names the current key too   (one transaction, with the store's header)
 *            -> what is in clear or of an older key is sealed anew, some at a time
 *            -> `sealing` names the current key alone
 *
 * Killed at any point, the next start with the same keys goes on. One with the old keys alone finds
 * the new one named, and is refused if it has sealed anything.
 */
import { randomBytes } from 'node:crypto';
import { thrownText } from '../core/thrown.ts';
import type { PayloadCipher } from '../ports/cipher.ts';
import { sealedBy } from '../system/payload-cipher.ts';
import { type KeyRange, prefixRange, type ReadableKeys, type WritableKeys } from './key-value.ts';
import type { LmdbStore } from './lmdb.ts';
import { forOperator } from './operator-error.ts';
import {
  type Contents,
  contentFields,
  OpenedKeys,
  SealedKeys,
  sealedIn,
  ValueSealer,
} from './sealed-keys.ts';
import { StoreUnreadableError } from './store-unreadable.ts';

export interface Sealing {
  /** null: nothing is sealed. */
  readonly cipher: PayloadCipher | null;
  readonly contents: Contents;
}

interface SealingRecord {
  /** Random, made with the record: what is sealed belongs to this store. */
  readonly store: string;
  /** By its id, nothing sealed by the key: it opens with the same key alone. */
  readonly keys: Readonly<Record<string, Uint8Array>>;
  /**
   * There may be content in clear, or sealed by a key that is not named: until all was sealed anew
   * by one owner. Of a store that is shared always: others may have the file open with less.
   */
  readonly clear: boolean;
}

const sealingKey = 'sealing';
const pageSize = 128;

function recordOf(keys: ReadableKeys): SealingRecord | undefined {
  return keys.get(sealingKey) as SealingRecord | undefined;
}

/**
 * Throws StoreUnreadableError where something is sealed by a key that is not given, or is given
 * with other bytes.
 */
export function assertOpenable(
  keys: ReadableKeys,
  { cipher, contents }: Sealing,
  where: { readonly directory: string; readonly shared: boolean },
): void {
  const record = recordOf(keys);
  if (record === undefined) return;
  const missing: string[] = [];
  for (const [id, proof] of Object.entries(record.keys)) {
    if (cipher?.has(id) === true) assertSame(cipher, proof, record.store);
    else missing.push(id);
  }
  // Of a store that is or was shared some may be named no more that seal.
  if (missing.length === 0 && !record.clear) return;
  const found = sealedByOther(keys, contents, cipher);
  // Another process that shares the store may seal the next one.
  const isWithout = where.shared && cipher === null;
  if (found === null && !isWithout) return;
  const [id = ''] = missing;
  throw forOperator(
    new StoreUnreadableError(
      `What is kept in ${where.directory} is sealed with the key ${found ?? id}, which is not given. Nothing was changed. Start with this key among the keys of the option encryption; once it has started with another current key, all is sealed with that one, and this one can go.`,
    ),
  );
}

function assertSame(cipher: PayloadCipher, proof: Uint8Array, store: string): void {
  try {
    cipher.open(proof, store);
  } catch (error) {
    throw forOperator(new StoreUnreadableError(thrownText(error), { cause: error }));
  }
}

/** The first key that is not given and by which something is sealed. */
function sealedByOther(
  keys: ReadableKeys,
  contents: Contents,
  cipher: PayloadCipher | null,
): string | null {
  for (const prefix of Object.keys(contents)) {
    let { start, end }: KeyRange = prefixRange(prefix);
    for (;;) {
      const page = keys.range({ start, end, limit: pageSize });
      for (const [key, value] of page) {
        const sealed = sealedIn(contents, key, value);
        if (sealed === undefined) continue;
        const id = sealedBy(sealed);
        if (cipher?.has(id) !== true) return id;
      }
      if (page.length < pageSize) break;
      start = prefixRange(prefix, page.at(-1)?.[0]).start;
    }
  }
  return null;
}

/** The store's first transaction: what it begins with is sealed too (!). */
export function beginSealed<Begun>(
  keys: WritableKeys,
  { cipher, contents, shared }: Sealing & { readonly shared: boolean },
  begin: (keys: WritableKeys) => Begun,
): Begun {
  const before = recordOf(keys);
  if (cipher === null) {
    if (before !== undefined) keys.remove(sealingKey);
    return begin(keys);
  }
  const store = before?.store ?? randomBytes(12).toString('base64url');
  const known = Object.entries(before?.keys ?? {}).filter(([id]) => cipher.has(id));
  // First, for what it begins with depends on whether the store is empty.
  const begun = begin(new SealedKeys(keys, new ValueSealer({ cipher, contents, store })));
  keys.put(sealingKey, {
    store,
    keys: { ...named(cipher, store), ...Object.fromEntries(known) },
    clear: shared || (before?.clear ?? true),
  } satisfies SealingRecord);
  return begun;
}

function named(cipher: PayloadCipher, store: string): SealingRecord['keys'] {
  return { [cipher.current]: cipher.seal(new Uint8Array(), store) };
}

/** Seals what is not sealed by the current key, and then whatever is written. */
export async function sealStore(
  store: LmdbStore,
  sealing: Sealing & { readonly shared: boolean },
): Promise<LmdbStore> {
  const { cipher, contents, shared } = sealing;
  if (cipher === null) return store;
  const record = store.snapshot(recordOf);
  if (record === undefined) throw new Error('beginSealed comes first.');
  const sealer = new ValueSealer({ cipher, contents, store: record.store });
  const sealed = new SealedStore(store, sealer);
  const isDone = Object.keys(record.keys).length === 1 && !record.clear && !shared;
  if (!isDone) {
    for (const prefix of Object.keys(contents)) await sealAnew(store, sealer, prefix);
    if (!shared) {
      await store.transact((keys) =>
        keys.put(sealingKey, {
          ...record,
          keys: named(cipher, record.store),
          clear: false,
        } satisfies SealingRecord),
      );
    }
  }
  return sealed;
}

async function sealAnew(store: LmdbStore, sealer: ValueSealer, prefix: string): Promise<void> {
  const { contents, cipher } = sealer;
  for (let after: string | undefined; ; ) {
    const range = { ...prefixRange(prefix, after), limit: pageSize };
    const page = store.snapshot((keys) => keys.range(range));
    const stale = page.filter(([key, value]) => isStale(contents, cipher, key, value));
    if (stale.length > 0) {
      await store.transact((keys) => {
        for (const [key] of stale) {
          // Read again: a process that shares the store may have changed it.
          const value = keys.get(key);
          if (value === undefined) continue;
          keys.put(key, sealer.seal(key, sealer.open(key, value)));
        }
      });
    }
    after = page.at(-1)?.[0];
    if (page.length < pageSize) return;
  }
}

function isStale(contents: Contents, cipher: PayloadCipher, key: string, value: unknown): boolean {
  const sealed = sealedIn(contents, key, value);
  if (sealed !== undefined) return sealedBy(sealed) !== cipher.current;
  const fields = value as Readonly<Record<string, unknown>>;
  return (contentFields(contents, key) ?? []).some((name) => fields[name] !== undefined);
}

class SealedStore implements LmdbStore {
  readonly #store: LmdbStore;
  readonly #sealer: ValueSealer;

  constructor(store: LmdbStore, sealer: ValueSealer) {
    this.#store = store;
    this.#sealer = sealer;
  }

  transact<T>(body: (keys: WritableKeys) => T): Promise<T> {
    return this.#store.transact((keys) => body(new SealedKeys(keys, this.#sealer)));
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#store.snapshot((keys) => body(new OpenedKeys(keys, this.#sealer)));
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
