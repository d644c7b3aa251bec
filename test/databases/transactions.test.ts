/** `openTransactions` on real servers: what commits, what does not, and what it costs. */
import { join } from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  openTransactions,
  TransactionAbortedError,
  type Transactions,
  type TransactionsOptions,
} from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { ormClient, postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import { TransactionsProcess } from '../support/library/transactions-process.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const tables = [
  'CREATE TABLE account (id int PRIMARY KEY, cents int NOT NULL)',
  'CREATE TABLE moved (id varchar(60) PRIMARY KEY)',
  'CREATE TABLE alone (id varchar(60) PRIMARY KEY)',
  'INSERT INTO account VALUES (1, 100), (2, 100)',
];

type Address = Awaited<ReturnType<TestPostgresql['database']>>;
let postgresql: TestPostgresql;
let orders: Address;
let stock: Address;

beforeAll(async () => {
  postgresql = await startPostgresql();
});
afterAll(() => postgresql?.dispose());
beforeEach(async () => {
  orders = await postgresql.database(tables.join(';'));
  stock = await postgresql.database(tables.join(';'));
});

interface Opened {
  readonly db: Transactions<'orders' | 'stock'>;
  /** Crash points passed, in order. */
  readonly passed: string[];
}

async function opened(
  more: Partial<TransactionsOptions<'orders' | 'stock'>> = {},
): Promise<Opened> {
  const directory = temporaryDirectory();
  const passed: string[] = [];
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: { orders: postgresqlDatabase(orders), stock: postgresqlDatabase(stock) },
    logger: silentLogger,
    reached: (point) => void passed.push(point),
    ...more,
  });
  onTestFinished(async () => {
    await db.close();
    directory.remove();
  });
  return { db, passed };
}

async function cents(of: Address, id = 1): Promise<number> {
  const text = `SELECT cents FROM account WHERE id = ${id}`;
  return (await postgresql.query<{ cents: number }>(of, text))[0]?.cents ?? Number.NaN;
}

const take = 'UPDATE account SET cents = cents - 1 WHERE id = $1';
const give = 'UPDATE account SET cents = cents + 1 WHERE id = $1';
const prepared = (passed: readonly string[]): number =>
  passed.filter((point) => point === 'prepared').length;

describe('a run', () => {
  it('commits in both, visibly, before it resolves, and returns what the function did', async () => {
    const { db, passed } = await opened();
    const value = await db.run(async ({ orders: from, stock: to }, { attempt }) => {
      await Promise.all([from.query(take, [1]), to.query(give, [1])]);
      return attempt;
    });
    expect(value).toBe(1);
    expect([await cents(orders), await cents(stock)]).toEqual([99, 101]);
    expect(passed).toContain('decision-durable');
  });

  it('leaves nothing anywhere when the function throws, and throws the same', async () => {
    const { db } = await opened();
    const whim = new Error('Sold out.');
    const running = db.run(async ({ orders: from, stock: to }) => {
      await from.query(take, [1]);
      await to.query(give, [1]);
      throw whim;
    });
    await expect(running).rejects.toBe(whim);
    expect([await cents(orders), await cents(stock)]).toEqual([100, 100]);
  });

  it('throws what a database said of a statement, and does not call the function again', async () => {
    const { db } = await opened();
    let calls = 0;
    const running = db.run(async ({ orders: from, stock: to }) => {
      calls += 1;
      await from.query(take, [1]);
      await to.query('INSERT INTO account VALUES (1, 1)');
    });
    await expect(running).rejects.toMatchObject({ code: '23505' });
    expect(calls).toBe(1);
    expect(await cents(orders)).toBe(100);
  });

  it('logs and prepares nothing where one database was written', async () => {
    const { db, passed } = await opened();
    await db.run(async ({ orders: from, stock: to }) => {
      await to.query('SELECT cents FROM account WHERE id = 1');
      await from.query(take, [1]);
    });
    expect(await cents(orders)).toBe(99);
    expect(passed).toContain('committed-alone');
    expect(prepared(passed)).toBe(0);
    expect(passed).not.toContain('decision-durable');
  });

  it('prepares what wrote behind a SELECT, and what locked a row for the other', async () => {
    const { db, passed } = await opened();
    await postgresql.query(
      stock,
      "CREATE FUNCTION note() RETURNS int LANGUAGE sql AS 'UPDATE account SET cents = 7 WHERE id = 2 RETURNING 1'",
    );
    await db.run(async ({ orders: from, stock: to }) => {
      await from.query(take, [1]);
      await to.query('SELECT note()');
    });
    expect(prepared(passed)).toBe(2);
    expect(await cents(stock, 2)).toBe(7);
    await db.run(async ({ orders: from, stock: to }) => {
      await to.query('SELECT 1 FROM account WHERE id = 1 FOR UPDATE');
      await from.query(take, [1]);
    });
    expect(prepared(passed)).toBe(4);
  });

  it('is called again after a serialization failure, until both counts are right', async () => {
    const { db } = await opened();
    let calls = 0;
    const bump = () =>
      db.run(
        async ({ orders: from, stock: to }) => {
          calls += 1;
          for (const one of [from, to]) {
            const { rows } = await one.query<{ cents: number }>(
              'SELECT cents FROM account WHERE id = 1',
            );
            await one.query('UPDATE account SET cents = $1 WHERE id = 1', [
              (rows[0]?.cents ?? 0) + 1,
            ]);
          }
        },
        { maxAttempts: 50, retryDelayMs: 5 },
      );
    await Promise.all(Array.from({ length: 4 }, bump));
    expect([await cents(orders), await cents(stock)]).toEqual([104, 104]);
    expect(calls).toBeGreaterThan(4);
  });

  it('is called again when a session was lost in the middle', async () => {
    const { db } = await opened();
    const attempts = await db.run(async ({ orders: from, stock: to }, { attempt }) => {
      await to.query(give, [1]);
      const { rows } = await from.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      if (attempt === 1) {
        await postgresql.query(orders, `SELECT pg_terminate_backend(${rows[0]?.pid})`);
      }
      await from.query(take, [1]);
      return attempt;
    });
    expect(attempts).toBe(2);
    expect([await cents(orders), await cents(stock)]).toEqual([99, 101]);
  });

  it('is given up when its time is over, with what it held', async () => {
    const { db } = await opened();
    const running = db.run(
      async ({ orders: from, stock: to }) => {
        await from.query(take, [1]);
        await to.query(give, [1]);
        await new Promise(() => undefined);
      },
      { timeoutMs: 200 },
    );
    await expect(running).rejects.toMatchObject({
      name: 'TransactionAbortedError',
      reason: { code: 'TRANSACTION_TIMEOUT' },
    });
    // Waits where the rows were still held.
    await postgresql.query(orders, 'UPDATE account SET cents = cents + 1 WHERE id = 1');
    expect([await cents(orders), await cents(stock)]).toEqual([101, 100]);
  });

  it('is given up by its signal', async () => {
    const { db } = await opened();
    const stop = new AbortController();
    const running = db.run(
      async ({ orders: from }) => {
        await from.query(take, [1]);
        stop.abort();
        await from.query(take, [1]);
      },
      { signal: stop.signal },
    );
    await expect(running).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER' });
    expect(await cents(orders)).toBe(100);
  });

  it('refuses a COMMIT by hand, and a query that was not awaited', async () => {
    const { db } = await opened();
    const byHand = db.run(async ({ orders: from }) => {
      await from.query(take, [1]);
      await from.query('COMMIT').catch(() => undefined);
    });
    await expect(byHand).rejects.toThrow(/neither begins nor ends its transaction/);
    const loose = db.run(async ({ orders: from }) => {
      void from.query('SELECT pg_sleep(0.1)');
    });
    await expect(loose).rejects.toThrow(/await every query/);
    expect(await cents(orders)).toBe(100);
  });

  it('lets more runs be begun than there are sessions, in either order of the databases', async () => {
    const { db } = await opened({
      databases: {
        orders: postgresqlDatabase({ ...orders, maxSessions: 2, isolation: 'read committed' }),
        stock: postgresqlDatabase({ ...stock, maxSessions: 2, isolation: 'read committed' }),
      },
    });
    const one = (_: unknown, index: number): Promise<void> =>
      db.run(async ({ orders: from, stock: to }) => {
        const [first, second] = index % 2 === 0 ? [from, to] : [to, from];
        await first.query(index % 2 === 0 ? take : give, [1 + (index % 2)]);
        await second.query(index % 2 === 0 ? give : take, [1 + (index % 2)]);
      });
    await Promise.all(Array.from({ length: 12 }, one));
    expect([await cents(orders, 1), await cents(stock, 1)]).toEqual([94, 106]);
  });

  it('takes an ORM on its handles, whose transactions are savepoints', async () => {
    const { db } = await opened();
    interface Tables {
      account: { id: number; cents: number };
    }
    await db.run(async ({ orders: from, stock: to }) => {
      const kysely = new Kysely<Tables>({
        dialect: new PostgresDialect({ pool: ormClient(from) }),
      });
      await kysely.updateTable('account').set({ cents: 1 }).where('id', '=', 1).execute();
      await kysely
        .transaction()
        .execute(async (inner) => {
          await inner.updateTable('account').set({ cents: 2 }).where('id', '=', 1).execute();
          throw new Error('Undone.');
        })
        .catch(() => undefined);
      await to.query(give, [1]);
    });
    expect([await cents(orders), await cents(stock)]).toEqual([1, 101]);
  });
});

describe('a directory', () => {
  it('belongs to one process, and another over the same databases touches nothing of it', async () => {
    const directory = temporaryDirectory();
    onTestFinished(() => directory.remove());
    const settings = {
      directory: join(directory.path, 'first'),
      from: { kind: 'postgresql', connection: orders },
      to: { kind: 'postgresql', connection: stock },
      seed: 3,
      loops: 1,
    } as const;
    const killed = new TransactionsProcess({
      ...settings,
      crashAt: { point: 'before-decision', times: 3 },
    });
    await killed.child.exited;
    const held = async () =>
      (await postgresql.query(orders, 'SELECT gid FROM pg_prepared_xacts')).length;
    expect(await held()).toBe(2);
    const other = new TransactionsProcess({
      ...settings,
      directory: join(directory.path, 'second'),
      recoverOnly: true,
    });
    await other.child.exited;
    expect(await held()).toBe(2);
    const first = await openTransactions({
      directory: settings.directory,
      databases: { source: postgresqlDatabase(orders), target: postgresqlDatabase(stock) },
      logger: silentLogger,
    });
    expect(await held()).toBe(0);
    const second = new TransactionsProcess({ ...settings, recoverOnly: true });
    const { code } = await second.child.exited;
    expect(code).not.toBe(0);
    expect(second.child.lines.join('\n')).toMatch(/another process|in use|locked/i);
    await first.close();
  });

  it('is refused where an option or a name cannot be', async () => {
    const databases = { orders: postgresqlDatabase(orders) };
    await expect(openTransactions({ databases } as never)).rejects.toThrow(/needs directory/);
    await expect(openTransactions({ directory: '/x', databases: {} })).rejects.toThrow(
      /needs databases/,
    );
    await expect(
      openTransactions({ directory: '/x', databases: { 'a b': postgresqlDatabase(orders) } }),
    ).rejects.toThrow(/no name for a database/);
    await expect(
      openTransactions({ directory: '/x', databases: { a: {} as never } }),
    ).rejects.toThrow(/must be made by/);
  });
});

describe('a database that is gone', () => {
  let other: TestPostgresql;
  let far: Address;
  beforeAll(async () => {
    other = await startPostgresql();
    far = await other.database(tables.join(';'));
  });
  afterAll(() => other?.dispose());

  it('when the decision is made: committed all the same, and it commits when it is back', async () => {
    let gone: Promise<unknown> | null = null;
    let txid: Parameters<Transactions['whenSettled']>[0] | null = null;
    const { db } = await opened({
      databases: { orders: postgresqlDatabase(orders), stock: postgresqlDatabase(far) },
      reached: (point) => {
        if (point === 'decision-in-flight') gone = other.server.kill();
      },
    });
    const value = await db.run(async ({ orders: from, stock: to }, context) => {
      txid = context.txid;
      await from.query(take, [1]);
      await to.query(give, [1]);
      return 'sold';
    });
    expect(value).toBe('sold');
    await gone;
    expect(await cents(orders)).toBe(99);
    await other.server.start();
    if (txid === null) throw new Error('The function was not called.');
    await db.whenSettled(txid, { timeoutMs: 60_000 });
    const [row] = await other.query<{ cents: number }>(
      far,
      'SELECT cents FROM account WHERE id = 1',
    );
    expect(row?.cents).toBe(101);
    expect(await other.query(far, 'SELECT gid FROM pg_prepared_xacts')).toEqual([]);
  });

  it('while the run works: an abort that says so, and nothing stays in the other', async () => {
    const { db } = await opened({
      databases: { orders: postgresqlDatabase(orders), stock: postgresqlDatabase(far) },
    });
    const running = db.run(
      async ({ orders: from, stock: to }) => {
        await from.query(take, [1]);
        await other.server.kill();
        await to.query(give, [1]);
      },
      { maxAttempts: 2 },
    );
    await expect(running).rejects.toBeInstanceOf(TransactionAbortedError);
    await expect(running).rejects.toMatchObject({
      attempts: 2,
      reason: { code: 'RESOURCE_UNAVAILABLE', participant: 'stock' },
    });
    expect(await cents(orders)).toBe(100);
    await other.server.start();
  });
});

describe.skipIf(noMariadb !== null)('with MariaDB', () => {
  let mariadb: TestMariadb;
  beforeAll(async () => {
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb?.dispose());

  it('commits on both, alone, or not at all; a reader is not prepared', async () => {
    const address = await mariadb.database(tables);
    const { db, passed } = await opened({
      databases: { orders: postgresqlDatabase(orders), stock: mariadbDatabase(address) },
    });
    const free = async (): Promise<unknown> =>
      (await mariadb.query<{ cents: number }>(address, 'SELECT cents FROM account WHERE id = 1'))[0]
        ?.cents;
    const add = 'UPDATE account SET cents = cents + 1 WHERE id = ?';
    await db.run(async ({ orders: from, stock: to }) => {
      await from.query(take, [1]);
      await to.query(add, [1]);
    });
    expect([await cents(orders), await free(), prepared(passed)]).toEqual([99, 101, 2]);
    await db.run(async ({ stock: to }) => {
      await to.query(add, [1]);
    });
    expect([await free(), prepared(passed)]).toEqual([102, 2]);
    await db.run(async ({ orders: from, stock: to }) => {
      await to.query('SELECT cents FROM account WHERE id = ?', [1]);
      await from.query(take, [1]);
    });
    expect([await cents(orders), prepared(passed)]).toEqual([98, 2]);
    const whim = db.run(async ({ orders: from, stock: to }) => {
      await from.query(take, [1]);
      await to.query(add, [1]);
      throw new Error('No.');
    });
    await expect(whim).rejects.toThrow('No.');
    expect([await cents(orders), await free()]).toEqual([98, 102]);
    expect(await mariadb.query(address, 'XA RECOVER')).toEqual([]);
  });

  it('rolls back there what is prepared when the other cannot prepare', async () => {
    const address = await mariadb.database(tables);
    const { db } = await opened({
      databases: { orders: postgresqlDatabase(orders), stock: mariadbDatabase(address) },
    });
    const running = db.run(async ({ orders: from, stock: to }) => {
      await to.query('UPDATE account SET cents = cents + 1 WHERE id = 1');
      await from.query('CREATE TEMPORARY TABLE cannot_be_prepared (id int)');
      await from.query(take, [1]);
    });
    await expect(running).rejects.toThrow(/PREPARE a transaction|temporary/);
    const [row] = await mariadb.query<{ cents: number }>(
      address,
      'SELECT cents FROM account WHERE id = 1 FOR UPDATE',
    );
    expect(row?.cents).toBe(100);
    expect(await mariadb.query(address, 'XA RECOVER')).toEqual([]);
    expect(await cents(orders)).toBe(100);
  });
});
