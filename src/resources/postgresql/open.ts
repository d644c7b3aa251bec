/**
 * A participant's part of transactions in PostgreSQL: PREPARE, COMMIT PREPARED, ROLLBACK PREPARED.
 * Where it can go wrong, and what then holds:
 *
 * - This process ends before PREPARE TRANSACTION arrived: the server rolls back when it notices.
 * - It ends after the statement was sent and before the vote was durable: the server may carry it
 *   out after the next process has asked what is in doubt, and no one would ever end it. So a start
 *   first ends the sessions of the process before on the same journal (locks.ts), and `inDoubt`
 *   finds all of this instance. Other instances keep theirs: a rolling update opens beside them.
 * - Another instance prepared it: `inDoubt` says so, by the mark in its name. It may be dead and
 *   its journal lost, so any instance ends any branch, when it is told how (outcome.ts).
 * - The reply to PREPARE TRANSACTION is lost: prepare throws, and the SDK rolls back. The rollback
 *   looks among the prepared ones and ends the session that may still be at it (outcome.ts).
 * - The reply to COMMIT PREPARED is lost, or two processes of one shared resource commit at once:
 *   the row that the transaction itself wrote tells the second one that it is done.
 * - The server is killed at any of these points: after its restart what was prepared still is, with
 *   its locks; what was not is gone. The rules above expect both.
 * - The operator ends a prepared transaction by hand: commit and rollback find out and throw until
 *   someone looks (docs/DATABASES.md).
 */
import type pg from 'pg';
import { checkConnection } from '../sql/check-connection.ts';
import {
  type Database,
  type DatabaseOptions,
  splitDatabaseOptions,
  sqlDatabase,
  workComesByItself,
} from '../sql/database.ts';
import { branchOf, type MarkedBranch, namePrefix } from '../sql/names.ts';
import { type RowStatements, strangeKeepMs } from '../sql/outcome-rows.ts';
import { type Dialect, sqlResource } from '../sql/resource.ts';
import {
  type SqlResource,
  type SqlResourceOptions,
  type SqlSettings,
  sqlSettings,
} from '../sql/sql.ts';
import type { PostgresqlConnection } from './connection-options.ts';
import { openPools } from './connections.ts';
import { gidOf, instanceLockOf, type PostgresqlContext } from './context.ts';
import { refusals } from './error-codes.ts';
import { endByForce } from './locks.ts';
import { ormClient } from './orm-client.ts';
import { commitPrepared, preparedUnder, rollbackPrepared } from './outcome.ts';
import { checkServer, identityIn, makeTable } from './server.ts';
import { PostgresqlSession } from './session.ts';
import { waitsFor } from './waits.ts';

const address = { field: 'connectionString', schemes: ['postgres', 'postgresql', 'socket'] };

/** What `openPostgresqlResource` takes. */
export interface PostgresqlResourceOptions<Payload, Result>
  extends SqlResourceOptions<Payload, Result> {
  /** The database, or a pooler by session: one that lends by transaction breaks the locks. */
  readonly connection: PostgresqlConnection;
}

/**
 * Connects, checks that the server can keep what is prepared, and makes the table if it is missing.
 * Rejects with what to do where that fails; TypeError, RangeError: for options that cannot be.
 *
 * ```ts
 * const resource = await openPostgresqlResource<{ account: string; cents: number }>({
 *   name: 'payment',
 *   connection: { connectionString: 'postgres://shop@localhost/payment' },
 *   prepare: async (sql, { payload }) => {
 *     const { affectedCount } = await sql.query(
 *       'UPDATE account SET cents = cents - $1 WHERE name = $2 AND cents >= $1',
 *       [payload.cents, payload.account],
 *     );
 *     return affectedCount === 1 ? vote.commit() : vote.abort('Not enough money.');
 *   },
 * });
 * ```
 */
export async function openPostgresqlResource<Payload = unknown, Result = unknown>(
  options: PostgresqlResourceOptions<Payload, Result>,
): Promise<SqlResource<Payload, Result>> {
  const settings = sqlSettings(options);
  checkConnection(options.connection, { of: 'connection', ...address });
  const dialect = await openDialect(settings, options.connection);
  return sqlResource(settings, options.prepare, dialect);
}

/**
 * A database for `openTransactions` of `verdict/embedded`: connected there, and checked as
 * `openPostgresqlResource` does.
 */
export function postgresql(given: PostgresqlConnection & DatabaseOptions): Database {
  checkConnection(given, { of: 'postgresql', ...address });
  const { options, connection } = splitDatabaseOptions<PostgresqlConnection>(given);
  return {
    open: async (more) => {
      const settings = sqlSettings({ ...options, ...more, prepare: workComesByItself });
      return sqlDatabase(settings, await openDialect(settings, connection));
    },
  };
}

async function openDialect(
  settings: SqlSettings,
  connection: PostgresqlConnection,
): Promise<Dialect<string>> {
  const { name } = settings;
  const pools = openPools(connection, settings);
  const { ends } = pools;
  try {
    await checkServer(ends);
    const table = await makeTable(ends, settings.table);
    const context: PostgresqlContext = { ...settings, pools, table };
    return {
      database: 'PostgreSQL',
      library: { kind: 'postgresql', client: ormClient },
      identity: await identityIn(ends, table),
      refusals,
      rows: rowStatements(context),
      idOf: (branch) => gidOf(name, branch),
      open: async (gid, call) =>
        new PostgresqlSession(context, await pools.work.connect(), gid, call),
      endSessions: (instance) => endByForce(ends, instanceLockOf(name, instance), settings.clock),
      commit: (gid, branch) => commitPrepared(context, gid, branch),
      rollback: (gid, branch) => rollbackPrepared(context, gid, branch),
      prepared: () => preparedBranches(ends, name),
      waits: () => waitsFor(ends, name),
      close: pools.close,
    };
  } catch (error) {
    await pools.close();
    throw error;
  }
}

async function preparedBranches(ends: pg.Pool, name: string): Promise<MarkedBranch[]> {
  return (await preparedUnder(ends, namePrefix(name))).map((gid) => {
    const found = branchOf(name, gid);
    if (found !== null) return found;
    throw new Error(
      `The prepared transaction ${gid} has a name like Verdict's, and is none of them.`,
    );
  });
}

function rowStatements({ pools: { ends }, table, name }: PostgresqlContext): RowStatements {
  return {
    note: (gid, mark) => ends.query(`UPDATE ${table} SET note = $2 WHERE gid = $1`, [gid, mark]),
    remove: (gids) => ends.query(`DELETE FROM ${table} WHERE gid = ANY ($1)`, [gids]),
    sweepStrange: async () => {
      const prefix = namePrefix(name);
      await ends.query(
        `DELETE FROM ${table} WHERE starts_with(gid, $1) AND seen_at < now() - $2 * interval '1 millisecond'`,
        [prefix, strangeKeepMs],
      );
      await ends.query(
        `UPDATE ${table} SET seen_at = now() WHERE starts_with(gid, $1) AND seen_at IS NULL`,
        [prefix],
      );
    },
  };
}
