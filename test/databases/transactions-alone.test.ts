/**
 * The only database that was written is cut off while it commits. Its commit is the decision: where
 * no one can say whether it happened, the run is neither aborted nor done once more.
 */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import type { Database } from '../../src/resources/sql/database.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { pause } from '../support/process/child.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const table = 'CREATE TABLE sold (id int NOT NULL)';
const insert = 'INSERT INTO sold VALUES (1)';
/** Of a run that cannot be told its outcome in its time, and of one that can. */
const shortMs = 1_500;
const longMs = 4_000;

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

interface Written {
  readonly through: (port: number) => Database;
  readonly port: number;
  readonly sold: () => Promise<number>;
}

async function onPostgresql(): Promise<Written> {
  const address = await postgresql().database(table);
  return {
    through: (port) => postgresqlDatabase({ ...address, port }),
    port: address.port,
    sold: async () => (await postgresql().query(address, 'SELECT id FROM sold')).length,
  };
}

async function onMariadb(): Promise<Written> {
  const server = mariadb?.();
  if (server === undefined) throw new Error('There is no MariaDB.');
  const address = await server.database([table]);
  return {
    through: (port) => mariadbDatabase({ ...address, port }),
    port: address.port,
    sold: async () => (await server.query<object>(address, 'SELECT id FROM sold')).length,
  };
}

/** What becomes of a run whose database is cut off as `cut` says when its work is done. */
async function run(
  written: Written,
  cut: (proxy: TcpProxy) => void,
  { timeoutMs, healAfterMs }: { readonly timeoutMs: number; readonly healAfterMs: number | null },
) {
  const directory = temporaryDirectory();
  const proxy = await TcpProxy.started(written.port);
  const port = Number(proxy.url.split(':')[1]);
  let isCut = false;
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: { stock: written.through(port) },
    logger: silentLogger,
    reached: (point) => {
      if (point !== 'work-done' || isCut) return;
      isCut = true;
      cut(proxy);
      if (healAfterMs !== null) setTimeout(() => proxy.heal(), healAfterMs);
    },
  });
  onTestFinished(async () => {
    proxy.heal();
    proxy.cut();
    await db.close();
    await proxy.close();
    directory.remove();
  });
  let calls = 0;
  const running = db.run(
    async ({ stock }) => {
      calls += 1;
      await stock.query(insert);
    },
    { timeoutMs },
  );
  const ended = await running.then(
    () => 'committed',
    (error: { readonly name: string; readonly code?: string }) => error.code ?? error.name,
  );
  proxy.heal();
  await pause(200);
  return { ended, calls, sold: await written.sold() };
}

/** The commit arrives, and its answer does not. */
const deaf = (proxy: TcpProxy): void => {
  proxy.loseRepliesFrom('COMMIT');
  proxy.refuse();
};
/** The commit does not arrive, and every connection breaks. */
const mute = (proxy: TcpProxy): void => {
  proxy.rule = (direction, bytes) => {
    if (direction === 'reply' || !bytes.includes('COMMIT')) return 'pass';
    setImmediate(() => proxy.cut());
    return 'hold';
  };
  proxy.refuse();
};
/** The database is away until the run has ended, or for less. */
const tooLong = { timeoutMs: shortMs, healAfterMs: null };
const inTime = { timeoutMs: longMs, healAfterMs: 500 };

describe.each([
  ['PostgreSQL', onPostgresql, false],
  ['MariaDB', onMariadb, noMariadb !== null],
] as const)('the only database written, %s,', (_, side, isMissing) => {
  it.skipIf(isMissing)('commits, and its answer is lost for longer than the run has', async () => {
    const { ended, calls, sold } = await run(await side(), deaf, tooLong);
    expect({ ended, calls, sold }).toEqual({ ended: 'OUTCOME_UNKNOWN', calls: 1, sold: 1 });
  });

  it.skipIf(isMissing)('commits, and says so when it can be reached again', async () => {
    const { ended, calls, sold } = await run(await side(), deaf, inTime);
    expect({ ended, calls, sold }).toEqual({ ended: 'committed', calls: 1, sold: 1 });
  });

  it.skipIf(isMissing)('never gets the commit, and cannot be reached to say so', async () => {
    const { ended, calls, sold } = await run(await side(), mute, tooLong);
    expect({ ended, calls, sold }).toEqual({ ended: 'OUTCOME_UNKNOWN', calls: 1, sold: 0 });
  });

  it.skipIf(isMissing)('never gets the commit, and says so when it can be reached', async () => {
    const { ended, calls, sold } = await run(await side(), mute, inTime);
    // That it did not commit is certain then, so it is tried again.
    expect({ ended, sold }).toEqual({ ended: 'committed', sold: 1 });
    expect(calls).toBeGreaterThan(1);
  });
});
