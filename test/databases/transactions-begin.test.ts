/** A connection that is swallowed while a branch begins keeps its run no longer than its time. */
import { expect, it } from 'vitest';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import type { Database } from '../../src/resources/sql/database.ts';
import { within } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { openBehindProxy } from './behind-proxy.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const table = 'CREATE TABLE sold (id int NOT NULL)';
const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

interface Place {
  readonly port: number;
  readonly through: (port: number) => Database;
}

const places = {
  PostgreSQL: async (): Promise<Place> => {
    const address = await postgresql().database(table);
    return {
      port: address.port,
      through: (port) => postgresqlDatabase({ ...address, port, maxSessions: 1 }),
    };
  },
  MariaDB: async (): Promise<Place> => {
    const address = await mariadb?.().database([table]);
    if (address === undefined) throw new Error('There is no MariaDB.');
    return {
      port: address.port,
      through: (port) => mariadbDatabase({ ...address, port, maxSessions: 1 }),
    };
  },
};

const begun = [
  ['PostgreSQL', 'BEGIN ISOLATION'] as const,
  ...(mariadb === null ? [] : [['MariaDB', 'XA START'] as const]),
];
const all = begun.flatMap(([name, begins]) =>
  [false, true].map((withOthers) => ({ name, begins, withOthers })),
);

it.each(all)(
  'on $name (with all others: $withOthers) the run ends, and its place serves the next one',
  async ({ name, begins, withOthers }) => {
    const { port, through } = await places[name]();
    const { db, proxy } = await openBehindProxy(port, (at) => ({ stock: through(at) }));
    proxy.losesEnds = true;
    let swallowed = 0;
    proxy.rule = (direction, bytes) => {
      if (direction !== 'request' || !bytes.includes(begins)) return 'pass';
      swallowed += 1;
      if (withOthers) proxy.blackhole();
      return withOthers ? 'hold' : 'lose-replies';
    };
    const insert = 'INSERT INTO sold VALUES (1)';
    // On a slow machine, too, it comes as far as that in its time.
    const run = () => db.run(({ stock }) => stock.query(insert), { timeoutMs: 2_000 });
    const first = run().catch((error: Error) => error.name);
    expect(await within(first, 'the run to end', 10_000 * slownessFactor)).toBe(
      'TransactionAbortedError',
    );
    expect(swallowed).toBeGreaterThan(0);
    proxy.rule = null;
    proxy.heal();
    await db.run(({ stock }) => stock.query(insert));
  },
);
