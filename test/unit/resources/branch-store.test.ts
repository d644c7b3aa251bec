/** What all branch stores have in common: how they lie on disk, and what they tell siblings. */
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeEpoch } from '../../../src/core/txid.ts';
import { openOutbox } from '../../../src/outbox.ts';
import { BranchStore, type PreparedBy } from '../../../src/resources/branch-store.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';
import { temporaryDirectory, txidAt } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

let directory: { readonly path: string; remove(): void };
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

// They read ranges for each branch, and what a log holds has no order (ADR 5).
it.each([
  ['versioned store', () => openVersionedStore({ dataDirectory: directory.path })],
  ['outbox', () => openOutbox({ dataDirectory: directory.path, publish: async () => undefined })],
])('%s: is kept without a log', async (_name, open) => {
  const store = await open();
  const files = readdirSync(directory.path);
  await store.close();
  expect(files.some((file) => file.endsWith('.mdb'))).toBe(true);
  expect(files.filter((file) => file.includes('.log-'))).toEqual([]);
});

// It died ahead of its journal, and comes back when the record is gone (PROTOCOL, 8.7).
it('a commit that a sibling finds done, and acknowledges, is told from one by hand', async () => {
  const store = await BranchStore.open<PreparedBy>({
    dataDirectory: directory.path,
    file: 'store.mdb',
    header: { kind: 'a store', formatVersion: 1 },
    apply: () => undefined,
    clock: new ManualClock(),
  });
  const txid = txidAt(makeEpoch({ generation: 0, revision: 1n }), 1);
  const own = { txid, branch: 'stock', instance: 'a' };
  await store.prepare(own, {});
  await store.commit(own);
  await expect(store.rollback(own)).rejects.toMatchObject({ found: 'committed' });
  await store.commit({ ...own, instance: 'b', takenOver: true });
  await expect(store.rollback(own)).rejects.toMatchObject({ found: 'committed-by-sibling' });
  // A repeat of its own takes nothing of that back.
  await store.commit(own);
  await expect(store.rollback(own)).rejects.toMatchObject({ found: 'committed-by-sibling' });
  await store.close();
});

it('what was committed is remembered for an hour, and for a week where a sibling did it', async () => {
  const clock = new ManualClock();
  const store = await BranchStore.open<PreparedBy>({
    dataDirectory: directory.path,
    file: 'store.mdb',
    header: { kind: 'a store', formatVersion: 1 },
    apply: () => undefined,
    clock,
  });
  const epoch = makeEpoch({ generation: 0, revision: 1n });
  const branchAt = (sequence: number) => ({
    txid: txidAt(epoch, sequence),
    branch: 'stock',
    instance: 'a',
  });
  const [own, left] = [branchAt(1), branchAt(2)];
  for (const branch of [own, left]) await store.prepare(branch, {});
  await store.commit(own);
  await store.commit({ ...left, instance: 'b', takenOver: true });

  let next = 3;
  /** Enough that every note was looked at. */
  async function commitMany(): Promise<void> {
    for (const end = next + 1_000; next < end; next += 1) {
      const branch = branchAt(next);
      await store.prepare(branch, {});
      await store.commit(branch);
    }
  }
  await clock.advance(2 * 3_600_000);
  await commitMany();
  // Forgotten: nothing is there to roll back.
  await expect(store.rollback(own)).resolves.toBeUndefined();
  await expect(store.rollback(left)).rejects.toMatchObject({ found: 'committed-by-sibling' });
  await clock.advance(7 * 24 * 3_600_000);
  await commitMany();
  await expect(store.rollback(left)).resolves.toBeUndefined();
  await store.close();
}, 60_000);
