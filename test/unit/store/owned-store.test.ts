/** A store that one process had alone and others share now, and what its log holds then. */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOwnedStore } from '../../../src/store/owned-store.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

let directory: { readonly path: string; remove(): void };
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

const open = async (path: string, shared: boolean, log = true) => {
  const { store } = await openOwnedStore({
    directory: path,
    file: 'test.mdb',
    shared,
    log,
    purpose: 'test',
    clock: systemClock,
    onFatal: (error) => {
      throw error;
    },
    check: (keys) => {
      if (keys.get('format') === 2) throw new Error('made by a newer program');
    },
    begin: () => undefined,
  });
  return store;
};

/** As an owner leaves it that is killed. */
async function killedOwner(format = 1): Promise<string> {
  const own = join(directory.path, 'own');
  const copy = join(directory.path, 'copy');
  const store = await open(own, false);
  await store.transact((keys) => keys.put('format', format));
  for (const value of [1, 2]) await store.transact((keys) => keys.put('a', value));
  await store.transact((keys) => keys.remove('a'));
  await store.transact((keys) => keys.put('b', { text: 'left' }));
  cpSync(own, copy, { recursive: true });
  await store.close();
  return copy;
}

it('is read whole by those that share it, however many open it at once', async () => {
  const path = await killedOwner();
  const stores = await Promise.all([open(path, true), open(path, true)]);
  for (const store of stores) {
    expect(store.snapshot((keys) => [keys.get('a'), keys.get('b')])).toEqual([
      undefined,
      { text: 'left' },
    ]);
  }
  expect(existsSync(join(path, 'test.mdb.log-a'))).toBe(false);
  for (const store of stores) await store.close();
});

it('does not get the log a second time from one that came too late to remove it', async () => {
  const path = await killedOwner();
  const logs = ['log-a', 'log-b'].map((end) => join(path, `test.mdb.${end}`));
  for (const log of logs) cpSync(log, `${log}.copy`);
  const first = await open(path, true);
  await first.transact((keys) => keys.put('b', 'newer'));
  for (const log of logs) cpSync(`${log}.copy`, log);
  const second = await open(path, true);
  expect(second.snapshot((keys) => keys.get('b'))).toBe('newer');
  await second.close();
  await first.close();
  const alone = await open(path, false);
  expect(alone.snapshot((keys) => keys.get('b'))).toBe('newer');
  await alone.close();
});

it('is read whole by an owner that keeps no log, and gets none', async () => {
  const path = await killedOwner();
  const store = await open(path, false, false);
  expect(store.snapshot((keys) => [keys.get('a'), keys.get('b')])).toEqual([
    undefined,
    { text: 'left' },
  ]);
  await store.transact((keys) => keys.put('b', 'newer'));
  expect(existsSync(join(path, 'test.mdb.log-a'))).toBe(false);
  await expect(open(path, false, false)).rejects.toThrow('is in use by');
  await store.close();
});

it.each([true, false])(
  'is refused without its log, and by what the log says (%s)',
  async (shared) => {
    const newer = await killedOwner(2);
    await expect(open(newer, shared)).rejects.toThrow('made by a newer program');
    for (const end of ['log-a', 'log-b']) {
      rmSync(join(newer, `test.mdb.${end}`));
      await expect(open(newer, shared)).rejects.toThrow(/is missing.*one backup/);
    }
  },
);
