import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { epochZero } from '../../src/core/txid.ts';
import { openLmdbJournal } from '../../src/journal/lmdb/journal.ts';
import { openSqliteJournal, type SqliteJournalOptions } from '../../src/journal/sqlite/journal.ts';
import { viewSqliteJournal } from '../../src/journal/sqlite/read.ts';
import { JournalError } from '../../src/ports/journal.ts';
import { payloadCipher } from '../../src/system/payload-cipher.ts';
import { realClock, realRandom, temporaryDirectory, txidAt } from '../support/logs/stores.ts';
import { type JournalFixture, journalContract } from './journal.ts';
import { journalFixture } from './journal-fixture.ts';
import { journalKills } from './journal-kills.ts';

const writer = fileURLToPath(new URL('../support/logs/journal-writer.ts', import.meta.url));
const onFatal = (error: Error): never => {
  throw error;
};
const cipher = payloadCipher({ current: 'k1', keys: { k1: randomBytes(32) } });

function optionsFor(directory: string): SqliteJournalOptions {
  return { directory, clock: realClock, random: realRandom, onFatal };
}

journalContract('SQLite', () => sqliteFixture({}));
journalContract('SQLite, sealed', () => sqliteFixture({ cipher }));
journalKills('sqlite', ({ directory, shared }) =>
  openSqliteJournal({ ...optionsFor(directory), shared }),
);

function sqliteFixture(sealed: Pick<SqliteJournalOptions, 'cipher'>): Promise<JournalFixture> {
  return journalFixture(({ directory, shared }) =>
    openSqliteJournal({ ...optionsFor(directory), ...sealed, shared }),
  );
}

describe('SQLite journal', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());
  const open = (shared = false) => openSqliteJournal({ ...optionsFor(directory.path), shared });
  const file = () => join(directory.path, 'journal.sqlite');
  const raw = (act: (database: DatabaseSync) => void): void => {
    const database = new DatabaseSync(file());
    act(database);
    database.close();
  };
  const voteAt = (at: number) => ({
    ...{ txid: txidAt(epochZero, at), branch: 'b', state: 'prepared' as const, epoch: epochZero },
    ...{ witness: null, payload: { at, secret: 'plain text' }, atMs: 1 },
  });

  it('refuses a second owner of this process, shared or not', async () => {
    const journal = await open();
    await expect(open()).rejects.toThrow(JournalError);
    await expect(open(true)).rejects.toThrow(/in use by this same process/);
    // Still owned after those: what they closed took no lock away.
    await expect(ownerElsewhere()).resolves.toMatch(/in use by the process with pid/);
    await journal.vote(voteAt(1));
    await journal.close();
    const shared = await open(true);
    await expect(open()).rejects.toThrow(JournalError);
    await expect(ownerElsewhere()).resolves.toMatch(/in use by/);
    await shared.close();
  }, 60_000);

  /** What another process says that wants to own it. */
  async function ownerElsewhere(): Promise<string> {
    const child = spawn(process.execPath, [writer, 'sqlite', directory.path, '1'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    for await (const line of createInterface({ input: child.stderr })) said += `${line}\n`;
    return said;
  }

  it('refuses a journal of the other kind, and leaves nothing beside it', async () => {
    await (await openLmdbJournal(optionsFor(directory.path))).close();
    await expect(open()).rejects.toThrow(/has a journal in LMDB .*journalKind: 'lmdb'/);
    expect(existsSync(file())).toBe(false);
    rmSync(directory.path, { recursive: true });
    await (await open()).close();
    const before = readdirSync(directory.path);
    await expect(openLmdbJournal(optionsFor(directory.path))).rejects.toThrow(
      /has a journal in SQLite .*journalKind: 'sqlite'/,
    );
    expect(readdirSync(directory.path)).toEqual(before);
    writeFileSync(join(directory.path, 'journal.mdb'), '');
    await expect(open()).rejects.toThrow(/has two journals.*Move away/);
  });

  it('of two kinds begun at once in one directory at most one lives, and none is in the way later', async () => {
    for (let round = 0; round < 20; round += 1) {
      const begun = await Promise.allSettled([open(), openLmdbJournal(optionsFor(directory.path))]);
      const journals = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      expect(journals.length).toBeLessThanOrEqual(1);
      for (const each of begun) {
        if (each.status === 'rejected') expect(String(each.reason)).toMatch(/has a journal in/);
      }
      for (const journal of journals) await journal.close();
      rmSync(directory.path, { recursive: true });
    }
  });

  it('refuses a newer format, another database, and what is none; and changes none of them', async () => {
    await (await open()).close();
    raw((database) => database.exec('CREATE TABLE other (a)'));
    await (await open()).close();
    raw((database) => database.exec('PRAGMA application_id = 7'));
    await expect(open()).rejects.toThrow(/a database of another program/);
    raw((database) => {
      expect(Object.values(database.prepare('PRAGMA application_id').get() ?? {})).toEqual([7]);
    });
    writeFileSync(file(), 'no database, but long enough to be taken for one'.repeat(100));
    await expect(open()).rejects.toThrow(/cannot be opened: file is not a database/);
  });

  it('shows votes and outcomes to an operator once no participant has it open', async () => {
    expect(await viewSqliteJournal(directory.path)).toBeNull();
    const journal = await openSqliteJournal({ ...optionsFor(directory.path), cipher });
    await journal.vote(voteAt(1));
    await expect(viewSqliteJournal(directory.path)).rejects.toThrow(/in use by this same process/);
    await journal.close();
    const view = await viewSqliteJournal(directory.path);
    expect(view?.instance).toBe(journal.instance);
    expect(view?.entries.map(({ state }) => state)).toEqual(['prepared']);
    expect(JSON.stringify(view)).not.toContain('plain text');
  });

  it('keeps its file for its account alone', async () => {
    const journal = await open();
    await journal.vote(voteAt(1));
    for (const name of ['journal.sqlite', 'journal.sqlite-wal', 'owner.lock']) {
      expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600);
    }
    await journal.close();
  });

  it('shows no content of what is sealed in its file', async () => {
    for (const [more, count] of [
      [{}, 1],
      [{ cipher }, 0],
    ] as const) {
      const journal = await openSqliteJournal({ ...optionsFor(directory.path), ...more });
      await journal.vote(voteAt(1));
      await journal.close();
      let found = -1;
      raw((database) => {
        const values = database.prepare('SELECT value FROM entries').all();
        found = values.filter(({ value }) =>
          Buffer.from(value as Uint8Array).includes('plain text'),
        ).length;
      });
      expect(found).toBe(count);
    }
  });

  it.each(['journal.sqlite', 'journal.sqlite-wal'])(
    'ends when %s is taken away from under it',
    async (name) => {
      const failures: Error[] = [];
      const journal = await openSqliteJournal({
        ...optionsFor(directory.path),
        onFatal: (error) => failures.push(error),
      });
      await journal.vote(voteAt(1));
      renameSync(join(directory.path, name), join(directory.path, 'away'));
      await expect(journal.vote(voteAt(2))).rejects.toThrow(/removed or replaced/);
      await expect(journal.vote(voteAt(3))).rejects.toThrow(JournalError);
      expect(failures).toHaveLength(1);
      await journal.close();
    },
  );
});
