/** A NOTIFY is sent by a commit alone: a run that did nothing else in a database has to commit. */
import { join } from 'node:path';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { type Isolation, postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { eventually, pause } from '../support/process/child.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';

const postgresql = postgresqlOfFile();
const setup = `CREATE TABLE sold (id int PRIMARY KEY);
  CREATE TABLE paid (id int REFERENCES sold DEFERRABLE INITIALLY DEFERRED)`;

it.each<Isolation>(['read committed', 'serializable'])(
  'what a run notifies is heard where it commits, and only there: %s',
  async (isolation) => {
    const directory = temporaryDirectory();
    const [orders, stock] = [
      await postgresql().database(setup),
      await postgresql().database(setup),
    ];
    const db = await openTransactions({
      directory: join(directory.path, 'verdict'),
      databases: {
        orders: postgresqlDatabase({ ...orders, isolation }),
        stock: postgresqlDatabase({ ...stock, isolation }),
      },
      logger: silentLogger,
    });
    const listener = new pg.Client(orders);
    onTestFinished(async () => {
      await listener.end();
      await db.close();
      directory.remove();
    });
    const heard: (string | undefined)[] = [];
    listener.on('notification', ({ payload }) => heard.push(payload));
    await listener.connect();
    await listener.query('LISTEN sold');
    // It fails in `stock`, as late as it can.
    const failed = db.run(async (databases) => {
      await databases.orders.query("NOTIFY sold, 'never'");
      await databases.stock.query('INSERT INTO paid VALUES (1)');
    });
    await expect(failed).rejects.toThrow();
    await db.run(async (databases) => {
      await databases.stock.query('SELECT 1');
      await databases.orders.query("NOTIFY sold, 'one'");
    });
    await db.run((databases) => databases.orders.query("SELECT pg_notify('sold', $1)", ['two']));
    await eventually(
      () => (heard.length >= 2 ? true : null),
      () => `two notifications: ${heard.join()}`,
    );
    await pause(50);
    expect(heard).toEqual(['one', 'two']);
  },
);
