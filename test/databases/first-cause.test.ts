/**
 * What is told of a transaction is what it failed of first. On PostgreSQL every statement after a
 * failed one is refused ("current transaction is aborted"), on MariaDB every one after a deadlock.
 * A function comes to hear of the refusal alone where it sends two statements at once and awaits
 * the later one first, or catches the first failure and goes on:
 *
 *     A: UPDATE, waits for a lock    B: sent behind it    the wait is over: A fails    B is refused
 *
 * A lock is waited for no longer than the transaction's time-out. So it is near its time-out that
 * this was seen: the refusal came in place of the time-out, or of the lock's.
 */
import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Kysely, PostgresDialect, sql as text } from 'kysely';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { ormClient, postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import type { Database } from '../../src/resources/sql/database.ts';
import type { Sql } from '../../src/resources/sql/sql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

const tables = 'CREATE TABLE held (id int PRIMARY KEY, n int NOT NULL)';
const rows = 'INSERT INTO held VALUES (1, 0), (2, 0)';
const update = 'UPDATE held SET n = n + 1 WHERE id = 1';
const updateOther = 'UPDATE held SET n = n + 1 WHERE id = 2';

async function runOn(database: Database, work: (sql: Sql) => Promise<unknown>): Promise<unknown> {
  const directory = temporaryDirectory();
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: { one: database },
    logger: silentLogger,
  });
  try {
    return await db.run(({ one }) => work(one), { maxAttempts: 1 });
  } finally {
    await db.close();
    directory.remove();
  }
}

describe('on PostgreSQL', () => {
  let server: TestPostgresql;
  let address: Awaited<ReturnType<TestPostgresql['database']>>;
  beforeAll(async () => {
    server = await startPostgresql();
  });
  afterAll(() => server?.dispose());
  beforeEach(async () => {
    address = await server.database(`${tables};${rows}`);
    const holder = new pg.Client(address);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query(update);
    onTestFinished(() => holder.end());
  });
  const impatient = () => postgresqlDatabase({ ...address, lockWaitMs: 100 });
  const lockTimeout = { name: 'TransactionAbortedError', reason: { code: 'LOCK_TIMEOUT' } };

  it.each<[how: string, work: (sql: Sql) => Promise<unknown>]>([
    [
      'a statement was sent behind it',
      async (sql) => {
        const first = sql.query(update);
        const behind = sql.query('SELECT 1');
        await behind.finally(() => first.catch(() => undefined));
      },
    ],
    [
      'a statement came after it was caught',
      async (sql) => {
        await sql.query(update).catch(() => undefined);
        await sql.query('SELECT 1');
      },
    ],
    ['it was caught, and nothing written', (sql) => sql.query(update).catch(() => undefined)],
    [
      'it was caught after a write',
      async (sql) => {
        await sql.query('INSERT INTO held VALUES (3, 0)');
        await sql.query(update).catch(() => undefined);
      },
    ],
    [
      'Drizzle was told of it, and went on',
      async (sql) => {
        const db = drizzle({ client: ormClient(sql) });
        await db.execute(update).catch(() => undefined);
        await db.execute('SELECT 1');
      },
    ],
    [
      'Kysely was told of it, and went on',
      async (sql) => {
        const db = new Kysely<object>({ dialect: new PostgresDialect({ pool: ormClient(sql) }) });
        await text
          .raw(update)
          .execute(db)
          .catch(() => undefined);
        await text.raw('SELECT 1').execute(db);
      },
    ],
  ])('a lock that was not free in time is told, though %s', async (_how, work) => {
    await expect(runOn(impatient(), work)).rejects.toMatchObject(lockTimeout);
  });

  it("a failure of the service's own is named with the refusal, which is not tried again", async () => {
    const failed = runOn(impatient(), async (sql) => {
      await sql.query('INSERT INTO held VALUES (2, 0)').catch(() => undefined);
      await sql.query('SELECT 1');
    });
    await expect(failed).rejects.toMatchObject({
      code: '25P02',
      message: expect.stringMatching(
        /aborted.*"INSERT INTO held VALUES \(2, 0\)" failed.*held_pkey/,
      ),
      cause: { code: '23505' },
    });
  });

  it('a failure that a savepoint undid is told of no later one', async () => {
    const failed = runOn(impatient(), async (sql) => {
      await sql.query('SAVEPOINT mine');
      await sql.query(update).catch(() => undefined);
      await sql.query('ROLLBACK TO SAVEPOINT mine');
      await sql.query('INSERT INTO held VALUES (2, 0)').catch(() => undefined);
      await sql.query('SELECT 1');
    });
    await expect(failed).rejects.toMatchObject({ code: '25P02', cause: { code: '23505' } });
  });
});

const noMariadb = await mariadbMissing();
describe.skipIf(noMariadb !== null)('on MariaDB', () => {
  let server: TestMariadb;
  beforeAll(async () => {
    server = await startMariadb();
  });
  afterAll(() => server?.dispose());

  /** Who writes more, whom the server lets live, and holds a row. */
  async function heavier() {
    const address = await server.database([tables, rows]);
    const other = await mysql.createConnection(address);
    onTestFinished(() => other.end());
    await other.query('BEGIN');
    await other.query('INSERT INTO held SELECT 10 + seq, 0 FROM seq_1_to_50');
    await other.query(updateOther);
    return { address, other };
  }

  it.each<[string, { caught: boolean; behind: string | null; passed?: boolean }]>([
    ['a statement was sent behind it', { caught: false, behind: update }],
    ['a statement was sent after it was caught', { caught: true, behind: update }],
    ['what changes no row was sent after it was caught', { caught: true, behind: 'DO 1' }],
    ['what reads no table was sent after it was caught', { caught: true, behind: 'SELECT 1' }],
    ['it was caught, and what is no SQL', { caught: true, behind: 'SELECT FROM', passed: true }],
    ['it was caught', { caught: true, behind: null }],
  ])('a deadlock is told, though %s', async (_how, { caught, behind, passed = false }) => {
    const { address, other } = await heavier();
    let crossing: Promise<unknown> = Promise.resolve();
    const failed = runOn(mariadbDatabase(address), async (sql) => {
      await sql.query(update);
      crossing = other.query(update);
      const first = sql.query(updateOther);
      if (caught) await first.catch(() => undefined);
      if (behind === null) return;
      const later = sql.query(behind).finally(() => first.catch(() => undefined));
      await later.catch((error: unknown) => {
        if (!passed) throw error;
      });
    });
    await expect(failed).rejects.toMatchObject({
      name: 'TransactionAbortedError',
      reason: { code: 'DEADLOCK' },
    });
    await crossing;
  });

  it('a deadlock is told of a run that only read, and passed over it: its locks are gone', async () => {
    const { address, other } = await heavier();
    let crossing: Promise<unknown> = Promise.resolve();
    const failed = runOn(mariadbDatabase(address), async (sql) => {
      await sql.query('SELECT n FROM held WHERE id = 1');
      crossing = other.query(update);
      await sql.query('SELECT n FROM held WHERE id = 2').catch(() => undefined);
    });
    await expect(failed).rejects.toMatchObject({ reason: { code: 'DEADLOCK' } });
    await crossing;
  });

  it('a row that was changed is told, though what changes no row was sent behind it', async () => {
    const address = await server.database([tables, rows]);
    const isolation = 'repeatable read';
    const failed = runOn(mariadbDatabase({ ...address, isolation }), async (sql) => {
      await sql.query('SET SESSION innodb_snapshot_isolation = ON');
      await sql.query('SELECT n FROM held');
      await server.query(address, update);
      await sql.query(update).catch(() => undefined);
      await sql.query('DO 1');
    });
    await expect(failed).rejects.toMatchObject({ reason: { code: 'CONFLICT' } });
  });
});
