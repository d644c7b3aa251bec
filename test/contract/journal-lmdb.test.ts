import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochZero } from '../../src/core/txid.ts';
import { type LmdbJournalOptions, openLmdbJournal } from '../../src/journal/lmdb/journal.ts';
import { viewLmdbJournal } from '../../src/journal/lmdb/read.ts';
import { JournalError } from '../../src/ports/journal.ts';
import type { WritableKeys } from '../../src/store/key-value.ts';
import { openLmdb } from '../../src/store/lmdb.ts';
import type { StoreHeader } from '../../src/store/store-format.ts';
import { payloadCipher } from '../../src/system/payload-cipher.ts';
import { realClock, realRandom, temporaryDirectory, txidAt } from '../support/logs/stores.ts';
import { type JournalFixture, journalContract } from './journal.ts';
import { journalFixture } from './journal-fixture.ts';
import { journalKills } from './journal-kills.ts';

const onFatal = (error: Error): never => {
  throw error;
};

function optionsFor(directory: string): LmdbJournalOptions {
  return { directory, clock: realClock, random: realRandom, onFatal };
}

const cipher = payloadCipher({ current: 'k1', keys: { k1: randomBytes(32) } });

journalContract('LMDB', () => lmdbFixture({}));
journalContract('LMDB, sealed', () => lmdbFixture({ cipher }));

function lmdbFixture(sealed: Pick<LmdbJournalOptions, 'cipher'>): Promise<JournalFixture> {
  return journalFixture(({ directory, shared }) =>
    openLmdbJournal({ ...optionsFor(directory), ...sealed, shared }),
  );
}

describe('LMDB journal', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());
  const open = (shared = false) => openLmdbJournal({ ...optionsFor(directory.path), shared });

  it('refuses a second owner, shared or not', async () => {
    const journal = await open();
    await expect(open()).rejects.toThrow(JournalError);
    await expect(open(true)).rejects.toThrow(/in use by this same process/);
    await journal.close();
    const shared = await open(true);
    await expect(open()).rejects.toThrow(JournalError);
    await shared.close();
  });

  it('refuses a newer format, and a store of another kind', async () => {
    await (await open()).close();
    const rewrite = async (meta: unknown): Promise<void> => {
      const store = openLmdb({ directory: directory.path, file: 'journal.mdb', onFatal });
      await store.transact((keys) => keys.put('meta', meta));
      await store.close();
    };
    await rewrite({ kind: 'verdict journal', formatVersion: 4, instance: 'i' });
    await expect(open()).rejects.toThrow(/format 4.*newer program/);
    await rewrite({ kind: 'verdict decision log', formatVersion: 1 });
    await expect(open()).rejects.toThrow(/not a verdict journal/);
    await rewrite({ kind: 'verdict journal', formatVersion: 1 });
    await expect(open()).rejects.toThrow(/not a verdict journal/);
  });

  const sealed = { cipher };
  const voted = (at: number) => ({
    ...{ txid: txidAt(epochZero, at), branch: 'b', state: 'prepared' as const, epoch: epochZero },
    ...{ witness: null, payload: { at }, result: { at }, atMs: 1 },
  });
  const rawWrite = async (body: (keys: WritableKeys) => void): Promise<void> => {
    const store = openLmdb({ directory: directory.path, file: 'journal.mdb', onFatal });
    await store.transact(body);
    await store.close();
  };

  it('has a format of its own exactly where it may hold what is sealed', async () => {
    const formats: unknown[] = [];
    for (const more of [{}, sealed, {}]) {
      await (await openLmdbJournal({ ...optionsFor(directory.path), ...more })).close();
      await rawWrite((keys) => formats.push((keys.get('meta') as StoreHeader).formatVersion));
    }
    expect(formats).toEqual([2, 3, 2]);
  });

  it('takes an entry that does not open for broken, never for absent', async () => {
    const journal = await openLmdbJournal({ ...optionsFor(directory.path), ...sealed });
    const [one, other] = [voted(1), voted(2)];
    await journal.vote(one);
    await journal.vote(other);
    await journal.close();
    // Of one transaction at the place of another.
    await rawWrite((keys) => {
      const [first, second] = keys.range({ start: 'l/', end: 'l0', limit: 2 });
      keys.put(String(second?.[0]), first?.[1]);
    });
    const again = await openLmdbJournal({ ...optionsFor(directory.path), ...sealed });
    await expect(again.load()).rejects.toThrow(JournalError);
    const broken = await Promise.allSettled([
      again.find(other),
      again.vote(other),
      again.committed(other),
      again.tombstone(other),
    ]);
    for (const each of broken) {
      expect(each).toMatchObject({ status: 'rejected', reason: { name: 'JournalError' } });
      expect(String((each as PromiseRejectedResult).reason)).toMatch(/restore the directory/);
    }
    expect(await again.find(one)).toEqual(one);
    await again.close();
    // Votes and outcomes are told without any key.
    const view = await viewLmdbJournal(directory.path);
    expect(view?.entries.map(({ txid, state }) => [txid, state])).toEqual([
      [one.txid, 'prepared'],
      [other.txid, 'prepared'],
    ]);
    expect(JSON.stringify(view)).not.toContain('sealed');
  });

  it('shared: one that has no keys does not take what another sealed for empty', async () => {
    const clear = await open(true);
    const sealing = await openLmdbJournal({
      ...optionsFor(directory.path),
      ...sealed,
      shared: true,
    });
    await sealing.vote(voted(1));
    await expect(clear.find(voted(1))).rejects.toThrow(/Give all of them the same option/);
    await expect(clear.committed(voted(1))).rejects.toThrow(JournalError);
    await clear.vote(voted(2));
    expect(await sealing.find(voted(2))).toEqual(voted(2));
    await clear.close();
    await sealing.close();
  });
});

journalKills('lmdb', ({ directory, shared }) =>
  openLmdbJournal({ ...optionsFor(directory), shared }),
);
