/**
 * A participant's part of transactions in MariaDB (10.11 is tested) or MySQL, with XA statements.
 * What can go wrong is what postgresql/open.ts lists, and the answers are the same. MariaDB adds:
 *
 * - A prepared branch belongs to its session until that ends, so each prepare has a connection of
 *   its own, which ends with it (session.ts). The server notices a moment later: fast commits wait.
 * - XAER_NOTA is not success, nor is it failure (outcome.ts).
 * - XA ids are the server's, not the database's: use a participant's name once on a server.
 * - A prepared branch holds after the server's restart what it wrote, but not what it only read:
 *   under `serializable` a write skew against a branch in doubt across a crash is possible.
 * - Data definition is refused within a branch, and only tables of InnoDB take part in it.
 */
import { checkConnection } from '../sql/check-connection.ts';
import {
  type Database,
  type DatabaseOptions,
  splitDatabaseOptions,
  sqlDatabase,
  workComesByItself,
} from '../sql/database.ts';
import { namePrefix } from '../sql/names.ts';
import { type RowStatements, strangeKeepMs } from '../sql/outcome-rows.ts';
import { type Dialect, sqlResource } from '../sql/resource.ts';
import {
  type SqlResource,
  type SqlResourceOptions,
  type SqlSettings,
  sqlSettings,
} from '../sql/sql.ts';
import type { MariadbConnection } from './connection-options.ts';
import type { MariadbContext } from './context.ts';
import { DetachedBranches } from './detach.ts';
import { Ends, openSession } from './ends.ts';
import { refusals } from './error-numbers.ts';
import { endSlotHolders } from './locks.ts';
import { ormClient } from './orm-client.ts';
import { commitXid, rollbackXid } from './outcome.ts';
import { checkServer, identityIn, makeTable } from './server.ts';
import { MariadbSession } from './session.ts';
import { Slots } from './slots.ts';
import { Spare } from './spare.ts';
import { waitsFor } from './waits.ts';
import { preparedBranches, type Xid, xidOf } from './xid.ts';

const address = { field: 'uri', schemes: ['mysql', 'mariadb'] };

/** What `openMariadbResource` takes. */
export interface MariadbResourceOptions<Payload, Result>
  extends SqlResourceOptions<Payload, Result> {
  /** The user must be allowed to KILL its own connections and, on MySQL, XA_RECOVER_ADMIN. */
  readonly connection: MariadbConnection;
}

/**
 * Connects, checks that the server can keep what is prepared, and makes the table if it is missing.
 * Rejects with what to do where that fails; TypeError, RangeError: for options that cannot be.
 *
 * ```ts
 * const resource = await openMariadbResource<{ account: string; cents: number }>({
 *   name: 'payment',
 *   connection: { uri: 'mysql://shop@localhost/payment' },
 *   prepare: async (sql, { payload }) => {
 *     const { affectedCount } = await sql.query(
 *       'UPDATE account SET cents = cents - ? WHERE name = ? AND cents >= ?',
 *       [payload.cents, payload.account, payload.cents],
 *     );
 *     return affectedCount === 1 ? vote.commit() : vote.abort('Not enough money.');
 *   },
 * });
 * ```
 */
export async function openMariadbResource<Payload = unknown, Result = unknown>(
  options: MariadbResourceOptions<Payload, Result>,
): Promise<SqlResource<Payload, Result>> {
  const settings = sqlSettings(options);
  checkConnection(options.connection, { of: 'connection', ...address });
  const dialect = await openDialect(settings, options.connection, { spare: false });
  return sqlResource(settings, options.prepare, dialect);
}

/**
 * A database for `openTransactions` of `verdict/embedded`: connected there, and checked as
 * `openMariadbResource` does.
 */
export function mariadb(given: MariadbConnection & DatabaseOptions): Database {
  checkConnection(given, { of: 'mariadb', ...address });
  const { options, connection } = splitDatabaseOptions<MariadbConnection>(given);
  return {
    open: async (more) => {
      const settings = sqlSettings({ ...options, ...more, prepare: workComesByItself });
      const dialect = await openDialect(settings, connection, { spare: true });
      return sqlDatabase(settings, dialect);
    },
  };
}

async function openDialect(
  settings: SqlSettings,
  connection: MariadbConnection,
  how: { readonly spare: boolean },
): Promise<Dialect<Xid>> {
  const { name } = settings;
  const slots = new Slots(settings);
  const ends = new Ends(connection);
  const spare = how.spare ? new Spare(() => openSession(connection), settings.clock) : null;
  const sessions: MariadbContext['sessions'] = new Set();
  try {
    await checkServer(ends);
    const table = await makeTable(ends, settings.table);
    const detachedBranches = new DetachedBranches(settings.clock);
    const own = { ends, connection, slots, spare, detachedBranches, sessions };
    const context: MariadbContext = { ...settings, table, ...own };
    return {
      database: 'MariaDB',
      library: { kind: 'mariadb', client: ormClient },
      identity: await identityIn(ends, table),
      refusals,
      rows: rowStatements(context),
      idOf: (branch) => xidOf(name, branch),
      open: (xid, call) => MariadbSession.open(context, xid, call),
      endSessions: (instance) => endSlotHolders(context, instance),
      commit: (xid) => commitXid(context, xid),
      rollback: (xid, branch) => rollbackXid(context, xid, branch),
      prepared: () => preparedBranches(ends, name),
      waits: () => waitsFor(context),
      close: async () => {
        spare?.close();
        await ends.end();
        // Of runs that are decided, and wait for another database: they would keep the process.
        await Promise.all([...sessions].map((session) => session.destroy()));
      },
    };
  } catch (error) {
    await ends.end();
    throw error;
  }
}

const maxSweep = 1_000;

/** Reads without locks, writes row by row: a locking search would wait for each prepared branch. */
function rowStatements({ ends, table, name }: MariadbContext): RowStatements {
  const each = (statement: string, names: readonly string[]): Promise<void> =>
    ends.together(async (on) => {
      // No gap is locked where a row is gone already.
      await on.write('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
      await on.write('START TRANSACTION');
      for (const one of names) await on.write(`${statement} WHERE name = ?`, [one]);
      await on.write('COMMIT');
    });
  const namesWhere = async (condition: string): Promise<string[]> => {
    const prefix = namePrefix(name);
    const rows = await ends.rows(
      `SELECT name FROM ${table} WHERE LEFT(name, ?) = ? AND ${condition} LIMIT ${maxSweep}`,
      [prefix.length, prefix],
    );
    return rows.map((row) => String(row['name']));
  };
  return {
    note: (row, mark) => ends.write(`UPDATE ${table} SET note = ? WHERE name = ?`, [mark, row]),
    remove: (names) => each(`DELETE FROM ${table}`, names),
    sweepStrange: async () => {
      const seconds = strangeKeepMs / 1_000;
      const old = await namesWhere(`seen_at < UTC_TIMESTAMP() - INTERVAL ${seconds} SECOND`);
      await each(`DELETE FROM ${table}`, old);
      await each(
        `UPDATE ${table} SET seen_at = UTC_TIMESTAMP()`,
        await namesWhere('seen_at IS NULL'),
      );
    },
  };
}
