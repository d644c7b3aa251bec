import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PayloadCipher } from '../../../src/ports/cipher.ts';
import type { ReadableKeys, WritableKeys } from '../../../src/store/key-value.ts';
import { type LmdbStore, openLmdb } from '../../../src/store/lmdb.ts';
import { openOwnedStore } from '../../../src/store/owned-store.ts';
import { payloadCipher, sealedBy } from '../../../src/system/payload-cipher.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';

const k1 = randomBytes(32);
const k2 = randomBytes(32);
const first = payloadCipher({ current: 'k1', keys: { k1 } });
const both = payloadCipher({ current: 'k2', keys: { k1, k2 } });
const second = payloadCipher({ current: 'k2', keys: { k2 } });

const file = 'a.mdb';
const contents = { 'v/': ['payload'] };
const onFatal = (error: Error): never => {
  throw error;
};

describe('a store with sealed content', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  async function open(
    cipher: PayloadCipher | null,
    shared = false,
    begin: (keys: WritableKeys) => void = () => undefined,
  ): Promise<LmdbStore> {
    const { store } = await openOwnedStore({
      directory: directory.path,
      file,
      purpose: 'test',
      shared,
      clock: realClock,
      onFatal,
      check: () => undefined,
      begin,
      sealing: { cipher, contents },
    });
    return store;
  }

  async function raw<T>(body: (keys: ReadableKeys) => T): Promise<T> {
    const store = openLmdb({ directory: directory.path, file, onFatal });
    try {
      return store.snapshot(body);
    } finally {
      await store.close();
    }
  }

  /** By which key each value is sealed; `clear` for what is not. */
  const seals = (): Promise<readonly string[]> =>
    raw((keys) =>
      keys.range({ start: 'v/', end: 'v0', limit: 10_000 }).map(([, value]) => {
        const { sealed } = value as { readonly sealed?: Uint8Array };
        return sealed === undefined ? 'clear' : sealedBy(sealed);
      }),
    );

  const put = async (store: LmdbStore, from: number, to: number): Promise<void> => {
    await store.transact((keys) => {
      for (let at = from; at < to; at += 1) keys.put(keyAt(at), valueAt(at));
    });
  };
  const without = (record: unknown, id: string): unknown => {
    const { keys, ...rest } = record as { readonly keys: Readonly<Record<string, unknown>> };
    return {
      ...rest,
      keys: Object.fromEntries(Object.entries(keys).filter(([key]) => key !== id)),
    };
  };
  const keyAt = (at: number): string => `v/${String(at).padStart(4, '0')}/b`;
  const valueAt = (at: number): unknown => ({ state: 'in doubt', payload: { at, text: 'apples' } });
  const assertAll = (store: LmdbStore, count: number): void => {
    const found = store.snapshot((keys) => keys.range({ start: 'v/', end: 'v0', limit: 10_000 }));
    expect(found).toEqual(Array.from({ length: count }, (_, at) => [keyAt(at), valueAt(at)]));
  };

  it('seals the fields of users alone, and gives values back as they were put', async () => {
    const store = await open(first);
    await put(store, 0, 3);
    await store.transact((keys) => {
      keys.put('v/none', { state: 'voted' });
      keys.put('other', { payload: 'of no one' });
      expect(keys.get(keyAt(0))).toEqual(valueAt(0));
    });
    await store.close();
    expect(await raw((keys) => keys.get(keyAt(0)))).toEqual({
      state: 'in doubt',
      sealed: expect.any(Uint8Array),
    });
    expect(await raw((keys) => keys.get('v/none'))).toEqual({ state: 'voted' });
    expect(await raw((keys) => keys.get('other'))).toEqual({ payload: 'of no one' });
  });

  it('seals what a new store begins with, before it is written', async () => {
    const store = await open(first, false, (keys) => keys.put(keyAt(0), valueAt(0)));
    assertAll(store, 1);
    await store.close();
    const bytes = readdirSync(directory.path).map((name) =>
      readFileSync(join(directory.path, name)),
    );
    expect(bytes.some((each) => each.includes('in doubt'))).toBe(true);
    expect(bytes.some((each) => each.includes('apples'))).toBe(false);
  });

  it('seals at the start what was in clear', async () => {
    const clear = await open(null);
    await put(clear, 0, 300);
    await clear.close();
    expect(new Set(await seals())).toEqual(new Set(['clear']));
    const store = await open(first);
    assertAll(store, 300);
    await store.close();
    expect(new Set(await seals())).toEqual(new Set(['k1']));
  });

  it('seals anew with another current key; then the old one can go', async () => {
    const old = await open(first);
    await put(old, 0, 300);
    await old.close();
    const rotating = await open(both);
    assertAll(rotating, 300);
    await rotating.close();
    expect(new Set(await seals())).toEqual(new Set(['k2']));
    const store = await open(second);
    assertAll(store, 300);
    await store.close();
  });

  it.each([
    ['without keys', null],
    ['with another key alone', second],
  ])('refuses a start %s, and changes nothing', async (_, cipher) => {
    const store = await open(first);
    await put(store, 0, 3);
    await store.close();
    await expect(open(cipher)).rejects.toThrow(/sealed with the key k1, which is not given/);
    const again = await open(first);
    assertAll(again, 3);
    await again.close();
  });

  it('refuses a key with the right id and other bytes, though it has sealed nothing', async () => {
    await (await open(first)).close();
    const other = payloadCipher({ current: 'k1', keys: { k1: k2 } });
    await expect(open(other)).rejects.toThrow(/key has other bytes.*Give the right key/);
  });

  it('needs no key any more once nothing is sealed', async () => {
    const store = await open(first);
    await put(store, 0, 3);
    await store.transact((keys) => {
      for (let at = 0; at < 3; at += 1) keys.remove(keyAt(at));
    });
    await store.close();
    const clear = await open(null);
    await put(clear, 0, 1);
    await clear.close();
    expect(await seals()).toEqual(['clear']);
    await (await open(second)).close();
    expect(await seals()).toEqual(['k2']);
  });

  it('throws for a value that belongs to another entry, and for one that was changed', async () => {
    const store = await open(first);
    await put(store, 0, 2);
    await store.close();
    const writing = openLmdb({ directory: directory.path, file, onFatal });
    await writing.transact((keys) => keys.put(keyAt(1), keys.get(keyAt(0))));
    await writing.close();
    const swapped = await open(first);
    expect(swapped.snapshot((keys) => keys.get(keyAt(0)))).toEqual(valueAt(0));
    expect(() => swapped.snapshot((keys) => keys.get(keyAt(1)))).toThrow(/does not open/);
    await expect(swapped.transact((keys) => keys.get(keyAt(1)))).rejects.toThrow(/does not open/);
    await swapped.close();
  });

  it('throws for a value that was taken from another store with the same keys', async () => {
    const store = await open(first);
    await put(store, 0, 1);
    await store.close();
    const taken = await raw((keys) => keys.get(keyAt(0)));
    directory.remove();
    const other = await open(first);
    await put(other, 0, 1);
    await other.close();
    const writing = openLmdb({ directory: directory.path, file, onFatal });
    await writing.transact((keys) => keys.put(keyAt(0), taken));
    await writing.close();
    const again = await open(first);
    expect(() => again.snapshot((keys) => keys.get(keyAt(0)))).toThrow(/does not open/);
    await again.close();
  });

  it.each([true, false])(
    'shared (then: %s): finds what is sealed by a key that is not named',
    async (shared) => {
      await (await open(second)).close();
      const one = await open(first, true);
      const other = await open(both, true);
      await other.transact((keys) => keys.put('sealing', without(keys.get('sealing'), 'k1')));
      await put(one, 0, 1);
      await one.close();
      await other.close();
      await expect(open(second, shared)).rejects.toThrow(
        /sealed with the key k1.*Nothing was changed/,
      );
    },
  );

  it('shared: refuses who has no keys, though nothing is sealed yet', async () => {
    const one = await open(first, true);
    await expect(open(null, true)).rejects.toThrow(/key k1, which is not given/);
    await one.close();
  });
});
