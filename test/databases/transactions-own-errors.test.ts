/** What comes of a run that fails by its function, its caller or a leader, not by a database. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions, type Transactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { postgresql as postgresqlDatabase, type Sql } from '../../src/postgresql.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { within } from '../support/process/child.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const table = 'CREATE TABLE sold (id int NOT NULL)';
/** Enough that a connection's own end is heard before its error is judged, if that counts. */
const rounds = 20;

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

async function opened(
  more: { readonly urls?: readonly string[] } = {},
): Promise<Transactions<'orders' | 'stock'>> {
  const directory = temporaryDirectory();
  const orders = await postgresql().database(table);
  const stock =
    mariadb === null
      ? postgresqlDatabase(await postgresql().database(table))
      : mariadbDatabase(await mariadb().database([table]));
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: { orders: postgresqlDatabase({ ...orders, maxSessions: 2 }), stock },
    logger: silentLogger,
    ...more,
  });
  onTestFinished(async () => {
    await db.close();
    directory.remove();
  });
  return db;
}

const insert = 'INSERT INTO sold VALUES (1)';

it('is thrown as it is, each time, and the function is not called again', async () => {
  const db = await opened();
  for (const thrown of [new Error('Sold out.'), undefined, null]) {
    let calls = 0;
    const all: unknown[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const running = db.run(async ({ orders, stock }) => {
        calls += 1;
        await Promise.all([orders.query(insert), stock.query(insert)]);
        throw thrown;
      });
      all.push(await running.catch((error: unknown) => error));
    }
    expect(all).toEqual(Array.from({ length: rounds }, () => thrown));
    expect(calls).toBe(rounds);
  }
});

it('also where no database was used yet, and where it is no promise', async () => {
  const db = await opened();
  let calls = 0;
  const nothing = db.run(() => {
    calls += 1;
    return Promise.reject();
  });
  expect(await nothing.catch((error: unknown) => error)).toBe(undefined);
  expect(calls).toBe(1);
  expect(await db.run((() => 5) as never)).toBe(5);
});

it('is no generator, which would do nothing before the run is over', async () => {
  const db = await opened();
  const run = db.run as (work: unknown) => Promise<unknown>;
  const running = run.call(db, async function* ({ orders }: { orders: Sql }) {
    yield await orders.query(insert);
  });
  await expect(running).rejects.toThrow('The function of the run returned a generator');
});

it('is refused as an option before anything is done', async () => {
  const db = await opened();
  await expect(db.run(undefined as never)).rejects.toThrow(/run wants a function/);
  const answer = { answer: 'aplied' } as never;
  await expect(db.run(async () => 1, answer)).rejects.toThrow(/answer must be/);
});

it('is given up by its signal while it waits for a place', async () => {
  const db = await opened();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const others = [1, 2].map(() => db.run(() => over));
  const stop = new AbortController();
  let calls = 0;
  const waiting = db.run(
    async () => {
      calls += 1;
    },
    { signal: stop.signal },
  );
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER' });
  end();
  await Promise.all(others);
  expect(calls).toBe(0);
});

it('is given up by its signal while it waits to be tried again', async () => {
  const db = await opened();
  const stop = new AbortController();
  // The server's word that another one was in the way: the run is tried again.
  const again = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$";
  const running = db.run(({ orders }) => orders.query(again), {
    signal: stop.signal,
    retryDelayMs: 60_000,
    maxRetryDelayMs: 60_000,
  });
  setTimeout(() => stop.abort(), 500);
  const told = within(running, 'the end of the run', 5_000);
  await expect(told).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER' });
});

it('is called again where the cluster lost the transaction, and holds nothing meanwhile', async () => {
  await using coordinator = await startTestCoordinator();
  const db = await opened({ urls: [...coordinator.urls] });
  await db.run(({ orders }) => orders.query('INSERT INTO sold VALUES (0)'));
  const update = 'UPDATE sold SET id = id + 1';
  const attempts = await db.run(
    async ({ orders, stock }, { attempt }) => {
      await orders.query(update);
      await stock.query(insert);
      if (attempt === 1) await coordinator.goneFor(200);
      return attempt;
    },
    { timeoutMs: 8_000 },
  );
  expect(attempts).toBe(2);
  const { rows } = await db.run(({ orders }) => orders.query('SELECT id FROM sold'));
  expect(rows).toEqual([{ id: 1 }]);
  await db.close();
});

it('names the database that could not be opened, and leaves the directory free', async () => {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const nowhere = postgresqlDatabase({ connectionString: 'postgres://verdict@127.0.0.1:1/none' });
  const orders = postgresqlDatabase(await postgresql().database(table));
  const open = (stock: typeof orders) =>
    openTransactions({
      directory: join(directory.path, 'verdict'),
      databases: { orders, stock },
      logger: silentLogger,
    });
  const message = /^The database stock could not be opened: .*ECONNREFUSED/;
  await expect(open(nowhere)).rejects.toMatchObject({
    message: expect.stringMatching(message),
    cause: { code: 'ECONNREFUSED' },
  });
  const db = await open(postgresqlDatabase(await postgresql().database(table)));
  await db.close();
});

it('is over when its time passed while the process was busy, and lets go of its rows', async () => {
  const db = await opened();
  await db.run(({ orders }) => orders.query('INSERT INTO sold VALUES (0)'));
  const update = 'UPDATE sold SET id = id + 1';
  for (let round = 0; round < 4; round += 1) {
    const late = db.run(
      async ({ orders, stock }) => {
        await Promise.all([orders.query(update), stock.query(insert)]);
        const untilMs = performance.now() + 600;
        while (performance.now() < untilMs);
      },
      { timeoutMs: 500 },
    );
    await expect(late).rejects.toMatchObject({ name: 'TransactionAbortedError', attempts: 1 });
  }
  await db.run(({ orders }) => orders.query(update), { timeoutMs: 5_000, maxAttempts: 1 });
  const { rows } = await db.run(({ orders }) => orders.query('SELECT id FROM sold'));
  expect(rows).toEqual([{ id: 1 }]);
});

// The driver's next major version refuses what this one warns of.
it('ends in the midst of a query without a warning of the driver', async () => {
  const db = await opened();
  const warnings: string[] = [];
  const heard = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', heard);
  onTestFinished(() => void process.off('warning', heard));
  const slow = db.run(({ orders: from }) => from.query('SELECT pg_sleep(9)'), { timeoutMs: 300 });
  await expect(slow).rejects.toMatchObject({ reason: { code: 'TRANSACTION_TIMEOUT' } });
  const left = db.run(({ orders: from }) => {
    from.query('SELECT pg_sleep(0.1), 1 / 0').catch(() => undefined);
    throw new Error('enough');
  });
  await expect(left).rejects.toThrow('enough');
  await db.run(({ orders: from }) => from.query('SELECT 1'));
  expect(warnings).toEqual([]);
});

it('says in its own words what its function did wrong', async () => {
  const db = await opened();
  const byHand = db.run(({ orders: from }) => from.query('COMMIT'));
  await expect(byHand).rejects.toThrow(/in run return or throw/);
  let kept: { query(text: string): Promise<unknown> } | undefined;
  await db.run(async ({ orders: from }) => {
    kept = from;
    await from.query('SELECT 1');
  });
  await expect(kept?.query('SELECT 1')).rejects.toThrow(
    /^The branch is over: await every query before its function returns/,
  );
});

it('is told where it made a transaction read only, and not tried again', async () => {
  const db = await opened();
  for (const more of ['SELECT 1', insert]) {
    let calls = 0;
    const running = db.run(async ({ orders, stock }) => {
      calls += 1;
      await Promise.all([orders.query('LOCK TABLE sold IN SHARE MODE'), stock.query(more)]);
      await orders.query('SET TRANSACTION READ ONLY');
    });
    await expect(running).rejects.toThrow(/leave out SET TRANSACTION READ ONLY/);
    expect(calls).toBe(1);
  }
});

it('is told where a statement is none, or its values are no list', async () => {
  const db = await opened();
  const runs = ['orders', 'stock'].map(
    (name) =>
      async (...given: readonly unknown[]) =>
        db.run((all) => {
          const { query } = all[name as 'orders'] as {
            query(...some: unknown[]): Promise<unknown>;
          };
          return query.apply(all[name as 'orders'], [...given]);
        }),
  );
  for (const run of runs) {
    for (const statement of [undefined, null, 5, {}])
      await expect(run(statement)).rejects.toThrow('A query takes a text');
    for (const values of ['a', 5, { 0: 1 }, new Set([1])])
      await expect(run('SELECT 1', values)).rejects.toThrow('The values of a query are a list');
  }
});
