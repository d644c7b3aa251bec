import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readContent, storeFile } from '../../../cluster/shop/records.ts';
import {
  type BranchRequest,
  type StoreOptions,
  VersionedStore,
} from '../../../cluster/shop/store.ts';
import { epochZero, type Txid } from '../../../src/core/txid.ts';
import type { BranchRef } from '../../../src/ports/resource.ts';
import { readLmdb } from '../../../src/system/lmdb.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { never, realClock, temporaryDirectory, txidAt } from '../../support/stores.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let store: VersionedStore;

const seed: StoreOptions['seed'] = [
  ['a', { value: 10, version: 2 }],
  ['b', { value: 20, version: 2 }],
];

async function open(more: Partial<StoreOptions> = {}): Promise<void> {
  store = await VersionedStore.open({
    directory: directory.path,
    seed,
    clock: realClock,
    lockWaitMs: 5_000,
    ...more,
  });
}

async function reopen(more: Partial<StoreOptions> = {}): Promise<void> {
  await store.close();
  await open(more);
}

beforeEach(async () => {
  directory = temporaryDirectory();
  await open();
});

afterEach(async () => {
  await store.close();
  directory.remove();
});

function branch(sequence: number): BranchRef {
  return { txid: txidAt(epochZero, sequence) as Txid, branch: 'branch' };
}

/** Subtracts one from each key. */
function takes(ref: BranchRef, keys: readonly string[], more: Partial<BranchRequest> = {}) {
  return store.prepare({
    ...ref,
    keys,
    versions: new Map(),
    signal: never,
    plan: (read) => ({
      writes: new Map(keys.map((key) => [key, Number(read(key)?.value ?? 0) - 1])),
    }),
    ...more,
  });
}

describe('the store of versioned records', () => {
  it('shows what a branch writes only once it is committed', async () => {
    expect(await takes(branch(1), ['a'])).toEqual({ versions: { a: 3 } });
    expect(store.get('a')).toEqual({ value: 10, version: 2 });
    await store.commit(branch(1));
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
    expect(store.inDoubt()).toEqual([]);
  });

  it('drops what a branch would write when it is rolled back, and gives its keys back', async () => {
    await takes(branch(1), ['a']);
    await store.rollback(branch(1));
    expect(store.get('a')).toEqual({ value: 10, version: 2 });
    expect(await takes(branch(2), ['a'])).toEqual({ versions: { a: 3 } });
  });

  it('refuses a stale version, naming key, expected and actual, and holds nothing then', async () => {
    const refused = await takes(branch(1), ['a', 'b'], { versions: new Map([['b', 1]]) });
    expect(refused).toMatchObject({
      refused: {
        code: 'CONFLICT',
        retryable: true,
        detail: { key: 'b', expected: 1, actual: 2 },
      },
    });
    expect(await takes(branch(2), ['a', 'b'])).toHaveProperty('versions');
  });

  it('takes a version that is current, and 0 for a record that is not there', async () => {
    const versions = new Map([
      ['a', 2],
      ['new', 0],
    ]);
    expect(await takes(branch(1), ['a', 'new'], { versions })).toEqual({
      versions: { a: 3, new: 1 },
    });
  });

  it('keeps a competing write waiting until the outcome, and lets it see that', async () => {
    await takes(branch(1), ['a']);
    let settled = false;
    const competing = takes(branch(2), ['a']).finally(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(settled).toBe(false);
    await store.commit(branch(1));
    expect(await competing).toEqual({ versions: { a: 4 } });
    await store.commit(branch(2));
    expect(store.get('a')).toEqual({ value: 8, version: 4 });
  });

  it('compares versions after the wait: the winner makes the waiting one stale', async () => {
    await takes(branch(1), ['a']);
    const competing = takes(branch(2), ['a'], { versions: new Map([['a', 2]]) });
    await store.commit(branch(1));
    expect(await competing).toMatchObject({
      refused: { code: 'CONFLICT', detail: { expected: 2, actual: 3 } },
    });
  });

  it('refuses a competing write whose wait is over, retryable, and gives back what it had taken', async () => {
    const clock = new ManualClock();
    await reopen({ clock, lockWaitMs: 100 });
    await takes(branch(1), ['b']);
    const competing = takes(branch(2), ['a', 'b']);
    await clock.advance(100);
    expect(await competing).toMatchObject({
      refused: { code: 'LOCK_TIMEOUT', retryable: true, detail: { key: 'b' } },
    });
    expect(await takes(branch(3), ['a'])).toHaveProperty('versions');
  });

  it('loses no update when many compete for one record', async () => {
    const refs = Array.from({ length: 20 }, (_, index) => branch(index + 1));
    await Promise.all(
      refs.map(async (ref) => {
        expect(await takes(ref, ['a', 'b'])).toHaveProperty('versions');
        await store.commit(ref);
      }),
    );
    expect(store.get('a')).toEqual({ value: -10, version: 22 });
    expect(store.get('b')).toEqual({ value: 0, version: 22 });
  });

  it('gives the keys back when the plan refuses or throws', async () => {
    const refused = { code: 'VOTED_ABORT', message: 'Too little.' } as const;
    expect(await takes(branch(1), ['a'], { plan: () => ({ refused }) })).toEqual({ refused });
    const broken = takes(branch(2), ['a'], {
      plan: () => {
        throw new Error('broken');
      },
    });
    await expect(broken).rejects.toThrow('broken');
    await expect(
      takes(branch(3), ['a'], { plan: () => ({ writes: new Map([['b', 1]]) }) }),
    ).rejects.toThrow('without its lock');
    expect(await takes(branch(4), ['a'])).toHaveProperty('versions');
  });

  it('commits once, however often it is told to, also after a restart', async () => {
    await takes(branch(1), ['a']);
    await Promise.all([store.commit(branch(1)), store.commit(branch(1))]);
    await reopen();
    await store.commit(branch(1));
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
  });

  it('rolls back as often as it is told to, and what was never prepared', async () => {
    await takes(branch(1), ['a']);
    await store.rollback(branch(1));
    await store.rollback(branch(1));
    await store.rollback(branch(7));
    expect(store.get('a')).toEqual({ value: 10, version: 2 });
  });

  it('never acknowledges a commit of what it does not hold, nor undoes one', async () => {
    await expect(store.commit(branch(1))).rejects.toMatchObject({ name: 'UnknownBranchError' });
    await takes(branch(2), ['a']);
    await store.rollback(branch(2));
    await expect(store.commit(branch(2))).rejects.toMatchObject({ name: 'UnknownBranchError' });
    await takes(branch(3), ['a']);
    await store.commit(branch(3));
    await expect(store.rollback(branch(3))).rejects.toThrow('was committed');
    await expect(takes(branch(3), ['a'])).rejects.toThrow('was committed');
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
  });

  it('answers a repeated prepare with the same, whatever it says, and goes on holding the keys', async () => {
    await reopen({ lockWaitMs: 10 });
    await takes(branch(1), ['a']);
    const refused = { code: 'VOTED_ABORT', message: 'Otherwise now.' } as const;
    const again = await takes(branch(1), ['a'], { plan: () => ({ refused }) });
    expect(again).toEqual({ versions: { a: 3 } });
    expect(await takes(branch(2), ['a'])).toMatchObject({ refused: { code: 'LOCK_TIMEOUT' } });
    await store.commit(branch(1));
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
  });

  it('keeps what is prepared over a restart: in doubt, its keys locked, ready for either end', async () => {
    await takes(branch(1), ['a']);
    await takes(branch(2), ['b']);
    await reopen({ lockWaitMs: 10 });
    expect(store.inDoubt()).toMatchObject([branch(1), branch(2)]);
    expect(await takes(branch(3), ['a'])).toMatchObject({ refused: { code: 'LOCK_TIMEOUT' } });
    await store.commit(branch(1));
    await store.rollback(branch(2));
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
    expect(store.get('b')).toEqual({ value: 20, version: 2 });
    expect(await takes(branch(3), ['a', 'b'])).toHaveProperty('versions');
  });

  it('is seeded once', async () => {
    await takes(branch(1), ['a']);
    await store.commit(branch(1));
    await reopen();
    expect(store.get('a')).toEqual({ value: 9, version: 3 });
  });

  it('has one owner', async () => {
    const second = VersionedStore.open({ directory: directory.path, seed, clock: realClock });
    await expect(second).rejects.toThrow(/in use by/);
  });

  it('forgets what was applied when it is old, but not soon after a start', async () => {
    const clock = new ManualClock();
    await reopen({ clock, appliedKeepMs: 1_000 });
    await takes(branch(1), ['a']);
    await store.commit(branch(1));
    clock.jump(5_000);
    // Old by the wall clock, but this process has only just begun.
    await reopen({ clock, appliedKeepMs: 1_000 });
    await commitMany(100);
    await store.commit(branch(1));
    clock.jump(5_000);
    await commitMany(200);
    await expect(store.commit(branch(1))).rejects.toMatchObject({ name: 'UnknownBranchError' });
  });

  it('can be read from its file', async () => {
    await takes(branch(1), ['a']);
    await store.commit(branch(1));
    await takes(branch(2), ['b']);
    const options = { directory: directory.path, file: storeFile };
    await store.close();
    const content = await readLmdb(options, readContent);
    await open();
    expect(content?.records.get('a')).toEqual({ value: 9, version: 3 });
    expect(content?.prepared).toMatchObject([branch(2)]);
    expect(await readLmdb({ ...options, file: 'none.mdb' }, readContent)).toBeNull();
  });
});

let nextSequence = 1_000;

async function commitMany(count: number): Promise<void> {
  const refs = Array.from({ length: count }, () => branch(nextSequence++));
  await Promise.all(
    refs.map(async (ref) => {
      await takes(ref, [`own/${ref.txid}`]);
      await store.commit(ref);
    }),
  );
}
