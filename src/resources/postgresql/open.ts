/**
 * A participant's part of transactions in PostgreSQL: PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
 *
 * Where it can go wrong, and what then holds:
 *
 * - This process ends before PREPARE TRANSACTION arrived: the server rolls back when it notices.
 * - It ends after the statement was sent and before the vote was durable: the server may carry it out
 *   after the next process has started and asked what is in doubt, and nobody would ever end it. So a start
 *   first ends the sessions of the process before on the same journal (locks.ts), and what `inDoubt` finds of this instance
 *   is all there is. Sessions of other instances are their own affair: a rolling update opens beside them.
 * - Another instance prepared it: `inDoubt` says so, by the mark in its name. It may be dead and its journal lost, so any
 *   instance ends any branch, when it is told how (outcome.ts).
 * - The reply to PREPARE TRANSACTION is lost: prepare throws, the SDK rolls back, and the rollback looks among the prepared
 *   ones and ends the session that may still be at it (outcome.ts).
 * - The reply to COMMIT PREPARED is lost, or two processes of one shared resource commit at once: the row that
 *   the transaction itself wrote tells the second one that it is done.
 * - The server is killed at any of these points: what was prepared is prepared after its restart, with its
 *   locks; what was not is gone. Both are what the rules above expect.
 * - The operator ends a prepared transaction by hand: commit and rollback find out and throw until somebody looks
 *   (docs/DATABASES.md).
 */

import type { HeldBranch } from '../../ports/resource.ts';
import { LockWatch, type Waits, watchedBy } from '../sql/lock-watch.ts';
import { branchOf, heldBranch, markOf, namePrefix } from '../sql/names.ts';
import { OutcomeRows, strangeKeepMs } from '../sql/outcome-rows.ts';
import { type SqlResource, type SqlResourceOptions, sqlSettings } from '../sql/sql.ts';
import type { PostgresqlConnection } from './connection-options.ts';
import { openPools, type PostgresqlPools } from './connections.ts';
import { gidOf, instanceLockOf, type PostgresqlContext } from './context.ts';
import { letGo, takeByForce } from './locks.ts';
import { commitPrepared, rollbackPrepared } from './outcome.ts';
import { prepareBranch } from './prepare.ts';
import { checkServer, identityIn, makeTable } from './server.ts';
import { waitsFor } from './waits.ts';

/** What `openPostgresqlResource` takes. */
export interface PostgresqlResourceOptions<Payload, Result>
  extends SqlResourceOptions<Payload, Result> {
  /** The database itself, or a pooler that keeps sessions: one that lends them by transaction breaks the locks. */
  readonly connection: PostgresqlConnection;
}

/**
 * Connects, checks that the server can keep what is prepared, and makes the table where it is missing. Rejects where the
 * server cannot, or cannot be reached, with what to do; TypeError and RangeError are for options that cannot be.
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
  const { name, table, clock, logger } = settings;
  const pools = openPools(options.connection, settings);
  try {
    await checkServer(pools.ends);
    const context = { ...settings, pools, table: await makeTable(pools.ends, table) };
    const identity = await identityIn(pools.ends, table);
    const look = (): Promise<Waits> => waitsFor(pools.ends, name);
    const watch = new LockWatch({ participant: name, clock, logger, look });
    return watchedBy(watch, resourceOn(context, options, identity));
  } catch (error) {
    await pools.close();
    throw error;
  }
}

function resourceOn<Payload, Result>(
  context: PostgresqlContext,
  options: PostgresqlResourceOptions<Payload, Result>,
  identity: string,
): SqlResource<Payload, Result> {
  const { pools, name, shared } = context;
  const rows = outcomeRows(context);
  return {
    identity,
    begin: async ({ instance }) => {
      if (!shared) await endEarlierSessions(context, instance);
    },
    prepare: (call) => prepareBranch(context, options.prepare, call),
    commit: async (branch) => {
      const gid = gidOf(name, branch);
      if (gid === null) throw new Error(`No branch of the name ${branch.branch} was prepared.`);
      await commitPrepared(context, gid, branch);
      rows.committed();
    },
    rollback: async (branch) => {
      const gid = gidOf(name, branch);
      // Never prepared: it had no name to be prepared under.
      if (gid !== null) await rollbackPrepared(context, gid, branch);
    },
    inDoubt: (call) => preparedBranches(pools, name, markOf(call?.instance)),
    forgotten: (branch) => {
      const gid = gidOf(name, branch);
      if (gid !== null) rows.forgotten(gid);
    },
    close: () => pools.close(),
  };
}

async function endEarlierSessions(
  context: PostgresqlContext,
  instance: string | undefined,
): Promise<void> {
  const client = await context.pools.ends.connect();
  try {
    await takeByForce(client, instanceLockOf(context.name, instance), context.clock);
    await letGo(client);
  } finally {
    client.release();
  }
}

async function preparedBranches(
  { ends }: PostgresqlPools,
  name: string,
  mark: string,
): Promise<HeldBranch[]> {
  const { rows } = await ends.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $1)',
    [namePrefix(name)],
  );
  return rows.map(({ gid }) => {
    const found = branchOf(name, gid);
    if (found !== null) return heldBranch(found, mark);
    throw new Error(
      `The prepared transaction ${gid} has a name like Verdict's, and is none of them.`,
    );
  });
}

function outcomeRows({ clock, pools, table, name }: PostgresqlContext): OutcomeRows {
  const { ends } = pools;
  return new OutcomeRows({
    clock,
    remove: async (gids) => {
      await ends.query(`DELETE FROM ${table} WHERE gid = ANY ($1)`, [gids]);
    },
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
  });
}
