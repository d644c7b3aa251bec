/** Where a database of a run is gone: no session of MariaDB is left, and no one waits. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually, within } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { openBehindProxy } from './behind-proxy.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`SKIPPED, sessions of MariaDB's: ${noMariadb}`);
const table = 'CREATE TABLE sold (id int NOT NULL)';
const insert = 'INSERT INTO sold VALUES (1)';
const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

it.skipIf(mariadb === null)('a close ends the session that a decided run has read in', async () => {
  const server = mariadb?.();
  if (server === undefined) throw new Error('There is no MariaDB.');
  const directory = temporaryDirectory();
  const [first, second] = [await postgresql().database(table), await postgresql().database(table)];
  const read = await server.database([table]);
  const proxy = await TcpProxy.started(second.port);
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: {
      first: postgresqlDatabase(first),
      second: postgresqlDatabase({ ...second, port: portOf(proxy) }),
      read: mariadbDatabase(read),
    },
    logger: silentLogger,
  });
  onTestFinished(async () => {
    await db.close();
    await proxy.close();
    directory.remove();
  });
  proxy.rule = (direction, bytes) => {
    if (direction !== 'request' || !bytes.includes('COMMIT PREPARED')) return 'pass';
    proxy.refuse();
    setImmediate(() => proxy.cut());
    return 'hold';
  };
  await db.run(
    async (databases) => {
      await databases.first.query(insert);
      await databases.second.query(insert);
      await databases.read.query('SELECT id FROM sold');
    },
    { answer: 'decided' },
  );
  const sessions = () =>
    server.query<object>(
      read,
      'SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()',
    );
  expect(await sessions()).not.toHaveLength(0);
  await within(db.close(), 'the close', 15_000 * slownessFactor);
  await eventually(
    async () => ((await sessions()).length === 0 ? true : null),
    () => 'the end of the session',
    5_000 * slownessFactor,
  );
});

const places = {
  PostgreSQL: async () => {
    const address = await postgresql().database(table);
    return {
      port: address.port,
      through: (port: number) => postgresqlDatabase({ ...address, port }),
    };
  },
  MariaDB: async () => {
    const address = await mariadb?.().database([table]);
    if (address === undefined) throw new Error('There is no MariaDB.');
    return {
      port: address.port,
      through: (port: number) => mariadbDatabase({ ...address, port }),
    };
  },
};

it.each(['PostgreSQL' as const, ...(mariadb === null ? [] : ['MariaDB' as const])])(
  'a function that waits for a swallowed statement hears of its end: %s',
  async (name) => {
    const { port, through } = await places[name]();
    const { db, proxy } = await openBehindProxy(port, (at) => ({ stock: through(at) }));
    const over = Promise.withResolvers<unknown>();
    const running = db.run(
      async ({ stock }) => {
        await stock.query(insert);
        proxy.blackhole();
        const asked = stock.query(insert);
        asked.then(over.resolve, over.resolve);
        await asked;
      },
      // On a slow machine, too, the first statement is through in its time.
      { timeoutMs: 2_000 },
    );
    await expect(running).rejects.toThrow();
    const ended = within(over.promise, 'the end of the statement', 8_000 * slownessFactor);
    expect(await ended).toBeInstanceOf(Error);
  },
);
