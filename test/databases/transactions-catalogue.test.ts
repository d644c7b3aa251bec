/** What is written to PostgreSQL's catalogue alone, which leaves no lock, counts as written. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import {
  type Isolation,
  openPostgresqlResource,
  postgresql as postgresqlDatabase,
} from '../../src/postgresql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';

const postgresql = postgresqlOfFile();
const setup = `CREATE TABLE sold (id int PRIMARY KEY);
  CREATE TABLE paid (id int REFERENCES sold DEFERRABLE INITIALLY DEFERRED)`;
const isPublic = `SELECT has_table_privilege('public', 'sold', 'SELECT') AS there`;
const works: readonly (readonly [statement: string, look: string])[] = [
  ['GRANT SELECT ON sold TO PUBLIC', isPublic],
  ["DO $$ BEGIN EXECUTE 'GRANT SELECT ON sold TO PUBLIC'; END $$", isPublic],
  [
    'CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    `SELECT to_regproc('one') IS NOT NULL AS there`,
  ],
  [
    'SELECT lo_create(77777)',
    'SELECT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 77777) AS there',
  ],
];
const isolations: readonly Isolation[] = ['read committed', 'serializable'];

it.each(isolations.flatMap((isolation) => works.map((work) => [isolation, ...work] as const)))(
  'stays where the run commits, and only there: %s, %s',
  async (isolation, statement, look) => {
    const directory = temporaryDirectory();
    const orders = await postgresql().database(setup);
    const stock = await postgresql().database(setup);
    const db = await openTransactions({
      directory: join(directory.path, 'verdict'),
      databases: {
        orders: postgresqlDatabase({ ...orders, isolation }),
        stock: postgresqlDatabase({ ...stock, isolation }),
      },
      logger: silentLogger,
    });
    onTestFinished(async () => {
      await db.close();
      directory.remove();
    });
    // It fails in `stock`, as late as it can.
    const failed = db.run(async (databases) => {
      await databases.orders.query(statement);
      await databases.stock.query('INSERT INTO paid VALUES (1)');
    });
    await expect(failed).rejects.toThrow();
    expect(await postgresql().query(orders, look)).toEqual([{ there: false }]);
    await db.run((databases) => databases.orders.query(statement));
    expect(await postgresql().query(orders, look)).toEqual([{ there: true }]);
  },
);

it.each(works)('goes with a vote of readonly: %s', async (statement, look) => {
  const connection = await postgresql().database(setup);
  const resource = await openPostgresqlResource<null>({
    name: 'ledger',
    connection,
    prepare: async (sql) => {
      await sql.query(statement);
      return vote.readonly();
    },
  });
  onTestFinished(() => resource.close());
  expect(await resource.prepare(prepareCall(null))).toEqual({ vote: 'readonly' });
  expect(await postgresql().query(connection, look)).toEqual([{ there: false }]);
});
