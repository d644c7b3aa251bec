/** A branch that uses another database of the server: its row is where it is looked for. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb, openMariadbResource, type Sql } from '../../src/mariadb.ts';
import { vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import type { Work } from './sql-resource.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, branches that use another database: ${missing}`);

describe.skipIf(missing !== null)('a branch that uses another database', () => {
  const bench = workOnMariadb([
    'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
    'INSERT INTO account VALUES (1, 100)',
  ]);
  const raise = 'UPDATE account SET balance = balance + 1 WHERE id = 1';

  /** Of another service, which has a table of the same name. */
  async function otherDatabase(): Promise<string> {
    const { mariadb: server } = bench.at;
    const connection = await server.database(['CREATE TABLE log (id int)']);
    const prepare = () => vote.commit();
    await (await openMariadbResource({ name: 'other', connection, prepare })).close();
    return connection.database;
  }

  const uses = async (sql: Sql, other: string): Promise<void> => {
    await sql.query(raise);
    await sql.query(`USE ${other}`);
    await sql.query('INSERT INTO log VALUES (1)');
  };

  it('is committed, once, and known to be', async () => {
    const other = await otherDatabase();
    const resource = await bench.openWith(async (sql) => {
      await uses(sql, other);
      return vote.commit();
    });
    const call = prepareCall<Work>(async () => undefined);
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    await resource.commit(refOf(call));
    expect(await bench.balance()).toBe(101);
  });

  it('commits alone, with its row in the database of the run', async () => {
    const { mariadb: server, connection } = bench.at;
    const other = await otherDatabase();
    const directory = temporaryDirectory();
    const databases = { stock: mariadb(connection) };
    const db = await openTransactions({
      directory: directory.path,
      databases,
      logger: silentLogger,
    });
    onTestFinished(async () => {
      await db.close();
      directory.remove();
    });
    await db.run(({ stock }) => uses(stock, other));
    const rows = (of: string) =>
      server.query(connection, `SELECT name FROM ${of}.verdict_branches WHERE mark IS NOT NULL`);
    expect(await rows(connection.database)).toHaveLength(1);
    expect(await rows(other)).toEqual([]);
  });
});
