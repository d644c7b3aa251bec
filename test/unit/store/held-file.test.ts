import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { DirectoryLockedError } from '../../../src/store/directory-locked.ts';
import { openLmdb } from '../../../src/store/lmdb.ts';
import { StoreFailedError } from '../../../src/store/store-failed.ts';
import { realClock, temporaryDirectory } from '../../support/logs/stores.ts';

let root: ReturnType<typeof temporaryDirectory>;
let directory: string;
let fatal: Error[];

beforeEach(() => {
  root = temporaryDirectory();
  directory = join(root.path, 'data');
  mkdirSync(directory);
  fatal = [];
});
afterEach(() => root.remove());

const open = (at = directory, shared = false) =>
  openLmdb({ directory: at, file: 'store.mdb', shared, onFatal: (error) => fatal.push(error) });

describe('a store whose directory is', () => {
  it.each([
    ['removed', () => rmSync(directory, { recursive: true })],
    ['moved away', () => renameSync(directory, `${directory}-old`)],
    [
      'replaced',
      () => {
        renameSync(directory, `${directory}-old`);
        mkdirSync(directory);
      },
    ],
  ])('%s promises nothing any more, and ends its owner', async (_what, act) => {
    const store = open();
    await store.transact((keys) => keys.put('a', 1));
    act();
    const written = store.transact((keys) => keys.put('b', 2));
    await expect(written).rejects.toThrow(StoreFailedError);
    expect(fatal).toHaveLength(1);
    expect(fatal[0]?.message).toMatch(/store\.mdb failed: the file was removed or replaced/);
    await store.close();
  });

  it('owned has one owner still when owner.lock was removed, by whatever path', async () => {
    const lock = lockDirectory({ directory, purpose: 'test', clock: realClock });
    const store = open();
    rmSync(join(directory, 'owner.lock'));
    symlinkSync(directory, join(root.path, 'link'));
    expect(existsSync(join(root.path, 'link', 'store.mdb'))).toBe(true);
    for (const at of [directory, join(root.path, 'link')]) {
      expect(() => open(at)).toThrow(DirectoryLockedError);
      expect(() => open(at, true)).toThrow(/someone removed it/);
    }
    await store.transact((keys) => keys.put('a', 1));
    await store.close();
    lock.release();
    const next = open();
    expect(next.snapshot((keys) => keys.get('a'))).toBe(1);
    await next.close();
  });

  it('shared is open to those who share it', async () => {
    const [one, two] = [open(directory, true), open(directory, true)];
    await one.transact((keys) => keys.put('a', 1));
    expect(two.snapshot((keys) => keys.get('a'))).toBe(1);
    expect(() => open()).toThrow(DirectoryLockedError);
    await Promise.all([one.close(), two.close()]);
  });
});
