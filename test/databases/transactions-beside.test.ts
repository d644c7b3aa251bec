/** Runs beside each other: what ends one of them does not touch another's session. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { pause } from '../support/process/child.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

const table = 'CREATE TABLE sold (id varchar(60) NOT NULL)';
/** Looked at when the branch is to be prepared: that takes its time, and fails. */
const failing = `${table};
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.4); RAISE EXCEPTION 'Sold out.'; END $$;
  CREATE CONSTRAINT TRIGGER late AFTER INSERT ON sold
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`;

let postgresql: TestPostgresql;
beforeAll(async () => {
  postgresql = await startPostgresql();
});
afterAll(() => postgresql?.dispose());

it.each([
  ['in this process', false],
  ['with nodes', true],
] as const)(
  'one that is rolled back when it has prepared spares who has its session next, decided %s',
  async (_, isApart) => {
    const directory = temporaryDirectory();
    const coordinator = isApart ? await startTestCoordinator() : null;
    const [orders, stock] = [await postgresql.database(table), await postgresql.database(failing)];
    const prepared = Promise.withResolvers<void>();
    const db = await openTransactions({
      directory: join(directory.path, 'verdict'),
      databases: { orders: postgresqlDatabase(orders), stock: postgresqlDatabase(stock) },
      logger: silentLogger,
      reached: (point, name) => {
        if (point === 'prepared' && name === 'orders') prepared.resolve();
      },
      ...(coordinator !== null && { urls: coordinator.urls }),
    });
    onTestFinished(async () => {
      await db.close();
      await coordinator?.close();
      directory.remove();
    });
    const refused = db
      .run(async (databases) => {
        await databases.orders.query("INSERT INTO sold VALUES ('refused')");
        await databases.stock.query("INSERT INTO sold VALUES ('refused')");
      })
      .catch((error: Error) => error.name);
    await prepared.promise;
    // So long that the session is free again: it is the one that the next run gets.
    await pause(50);
    await db.run(async (databases) => {
      await databases.orders.query("INSERT INTO sold VALUES ('one')");
      expect(await refused).toBe('TransactionAbortedError');
      await databases.orders.query("INSERT INTO sold VALUES ('two')");
    });
    expect(await postgresql.query(orders, 'SELECT id FROM sold ORDER BY id')).toEqual([
      { id: 'one' },
      { id: 'two' },
    ]);
    expect(await postgresql.query(stock, 'SELECT id FROM sold')).toEqual([]);
  },
);
