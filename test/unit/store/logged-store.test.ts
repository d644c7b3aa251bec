/** The log beside LMDB: what is read through it, and what a crash or a mistake leaves. */
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Layer } from '../../../src/store/layers.ts';
import { openLmdb } from '../../../src/store/lmdb.ts';
import { LoggedStore } from '../../../src/store/logged-store.ts';
import { StoreUnreadableError } from '../../../src/store/store-unreadable.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

let directory: { readonly path: string; remove(): void };
let opened: LoggedStore[];
beforeEach(() => {
  directory = temporaryDirectory();
  opened = [];
});
afterEach(async () => {
  for (const store of opened) await store.close();
  directory.remove();
});

const small = { maxLayerKeys: 10, maxLogBytes: 4_096, manyChanges: 3, maxTransactionKeys: 2 };

async function open(path = join(directory.path, 'own'), limits = small): Promise<LoggedStore> {
  const lmdb = openLmdb({
    directory: path,
    file: 'test.mdb',
    onFatal: (error) => {
      throw error;
    },
  });
  let store: LoggedStore;
  try {
    store = new LoggedStore(lmdb, limits);
  } catch (error) {
    await lmdb.close();
    throw error;
  }
  opened.push(store);
  await store.start();
  return store;
}

async function close(store: LoggedStore): Promise<void> {
  opened = opened.filter((each) => each !== store);
  await store.close();
}

/** As a crash leaves it: nothing is closed, and what was not written to a file is gone. */
function crashed(name: string): string {
  const copy = join(directory.path, name);
  cpSync(join(directory.path, 'own'), copy, { recursive: true });
  return copy;
}

const all = { start: ' ', end: '\u007f' };
// In UTF-8 the second of them stands behind the first, in UTF-16 before it.
const names = ['a', 'b/1', 'b/2', 'b/"\uffee"', 'b/"\u{1f600}"', 'c', 'd', 'e/1', 'e/2', 'zz'];

it('what a layer keeps holds no more than its own bytes', () => {
  const packed = Buffer.alloc(1_000).subarray(10, 13);
  const layer = new Layer();
  layer.keep('a', packed);
  layer.keep('b', null);
  expect(layer.get('a')).toEqual(new Uint8Array(3));
  expect(layer.get('a')?.buffer.byteLength).toBe(3);
  expect(layer.get('b')).toBeNull();
});

describe('a store with a log', () => {
  it('reads as one that keeps all in memory does, and so after every crash', async () => {
    const random = seededRandom(7);
    const pick = <T>(from: readonly T[]): T =>
      from[Math.floor(random.fraction() * from.length)] as T;
    const store = await open();
    const model = new Map<string, unknown>();
    const inOrder = () =>
      [...model].sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    for (let round = 0; round < 160; round += 1) {
      // Small ones, which go to the log, and for a while large ones, which do not.
      const size = round % 16 < 10 ? 1 : 12;
      await store.transact((keys) => {
        for (let change = 0; change < size; change += 1) {
          const key = pick(names);
          if (random.fraction() < 0.6) {
            const value = { round, change, text: 'x'.repeat(round) };
            keys.put(key, value);
            model.set(key, value);
          } else {
            keys.remove(key);
            model.delete(key);
          }
          expect(keys.get(key)).toEqual(model.get(key));
        }
        expect(keys.range({ ...all, limit: 100 })).toEqual(inOrder());
      });
      store.snapshot((keys) => {
        expect(keys.range({ ...all, limit: 3 })).toEqual(inOrder().slice(0, 3));
        const within = inOrder().filter(([key]) => key >= 'b/' && key < 'b0');
        expect(keys.range({ start: 'b/', end: 'b0', limit: 2 })).toEqual(within.slice(0, 2));
        expect(keys.last({ start: 'b/', end: 'b0' })).toBe(within.at(-1)?.[0] ?? null);
      });
      if (round % 7 !== 0) continue;
      const after = await open(crashed(`crash-${round}`));
      expect(after.snapshot((keys) => keys.range({ ...all, limit: 100 }))).toEqual(inOrder());
      await close(after);
    }
  });

  it('writes nothing of a transaction whose body throws', async () => {
    const store = await open();
    await store.transact((keys) => keys.put('a', 1));
    const failed = store.transact((keys) => {
      keys.put('a', 2);
      keys.remove('a');
      throw new Error('half-way');
    });
    await expect(failed).rejects.toThrow('half-way');
    expect(store.snapshot((keys) => keys.get('a'))).toBe(1);
    const after = await open(crashed('crash'));
    expect(after.snapshot((keys) => keys.get('a'))).toBe(1);
  });

  it('goes on where it was closed, and leaves no log', async () => {
    for (let run = 0; run < 3; run += 1) {
      const store = await open();
      expect(store.snapshot((keys) => keys.get('run'))).toBe(run === 0 ? undefined : run - 1);
      for (let index = 0; index < 20; index += 1) {
        await store.transact((keys) => keys.put(`key ${index}`, { run, index }));
      }
      await store.transact((keys) => keys.put('run', run));
      await close(store);
      const files = readdirSync(join(directory.path, 'own'));
      expect(files.filter((name) => name.includes('.log'))).toEqual([]);
    }
  });

  it('keeps its log short: the files are written over again', async () => {
    const store = await open();
    const value = 'x'.repeat(1_000);
    for (let index = 0; index < 3_000; index += 1) {
      await store.transact((keys) => keys.put('key', `${value}${index}`));
    }
    const logs = ['a', 'b'].map((end) => join(directory.path, 'own', `test.mdb.log-${end}`));
    for (const log of logs) expect(statSync(log).size).toBeLessThanOrEqual(1024 * 1024);
  });

  it('refuses a log that is missing, and one of another time or store', async () => {
    const store = await open();
    await store.transact((keys) => keys.put('a', 1));
    const early = crashed('early');
    for (let index = 0; index < 40; index += 1) {
      await store.transact((keys) => keys.put(`key ${index}`, index));
    }
    const missing = crashed('missing');
    rmSync(join(missing, 'test.mdb.log-b'));
    await expect(open(missing)).rejects.toThrow(StoreUnreadableError);
    await expect(open(missing)).rejects.toThrow(/is missing.*one backup/);
    const mixed = crashed('mixed');
    cpSync(join(early, 'test.mdb'), join(mixed, 'test.mdb'));
    await expect(open(mixed)).rejects.toThrow(/does not go on where the store ends/);
    const other = await open(join(directory.path, 'other'));
    for (let index = 0; index < 3; index += 1) {
      await other.transact((keys) => keys.put('b', index));
    }
    const strange = crashed('strange');
    for (const end of ['a', 'b']) {
      const name = `test.mdb.log-${end}`;
      cpSync(join(directory.path, 'other', name), join(strange, name));
    }
    cpSync(join(early, 'test.mdb'), join(strange, 'test.mdb'));
    await expect(open(strange)).rejects.toThrow(/does not go on where the store ends/);
  });

  it('takes one transaction at a time', async () => {
    const store = await open();
    const first = store.transact((keys) => keys.put('a', 1));
    await expect(store.transact((keys) => keys.put('a', 2))).rejects.toThrow('at a time');
    await first;
    expect(store.snapshot((keys) => keys.get('a'))).toBe(1);
  });
});
