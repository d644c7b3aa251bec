/**
 * Commit and rollback of what is prepared.
 *
 *     COMMIT PREPARED      ok                        committed
 *                          busy                      another session is just ending it: again
 *                          no such gid, a row        committed before: the reply was lost, or another process was first
 *                          no such gid, no row       never prepared, or rolled back: NOT committed, and said so
 *     ROLLBACK PREPARED    ok                        rolled back
 *                          busy                      again
 *                          no such gid               maybe not yet: a session may still be on its way to PREPARE
 *                                                    TRANSACTION, and would come alive after the rollback. It is ended,
 *                                                    and the question is put again with the branch's lock held
 *
 * The row becomes visible before the gid disappears, and after the commit is on disk: seen with the gid gone, it is proof.
 */
import type pg from 'pg';
import type { BranchRef } from '../../../ports/resource.ts';
import { pause } from '../sql/pause.ts';
import type { PostgresqlContext } from './context.ts';
import { codeOf, notInPrerequisiteState, undefinedObject } from './errors.ts';
import { letGo, takeByForce } from './locks.ts';

const busyPauseMs = 20;
const busyTriesMax = 100;

export async function commitPrepared(context: PostgresqlContext, gid: string): Promise<void> {
  if (await endPrepared(context, context.pools.ends, `COMMIT PREPARED '${gid}'`)) return;
  if (await isCommitted(context, context.pools.ends, gid)) return;
  throw new Error(
    `PostgreSQL holds no prepared transaction ${gid}, and none of that name has committed: it was rolled back there by hand, or the data are older than the vote. See docs/DATABASES.md on heuristic outcomes.`,
  );
}

export async function rollbackPrepared(
  context: PostgresqlContext,
  gid: string,
  ref: BranchRef,
): Promise<void> {
  const statement = `ROLLBACK PREPARED '${gid}'`;
  const { ends } = context.pools;
  if (await endPrepared(context, ends, statement)) return;
  const client = await ends.connect();
  let failed = true;
  try {
    await takeByForce(client, gid, context.clock);
    const ended = await endPrepared(context, client, statement);
    if (!ended && (await isCommitted(context, client, gid))) {
      throw new Error(
        `The branch ${ref.branch} of ${ref.txid} is to be rolled back and has committed in PostgreSQL: somebody ran COMMIT PREPARED by hand. See docs/DATABASES.md on heuristic outcomes.`,
      );
    }
    await letGo(client);
    failed = false;
  } finally {
    // With its connection, the session's locks go, too.
    client.release(failed);
  }
}

/** False: there is no such prepared transaction. */
async function endPrepared(
  { clock }: PostgresqlContext,
  on: pg.Pool | pg.PoolClient,
  statement: string,
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      await on.query(statement);
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === undefinedObject) return false;
      if (code !== notInPrerequisiteState || tries === busyTriesMax) throw error;
    }
    await pause(clock, busyPauseMs);
  }
}

async function isCommitted(
  { table }: PostgresqlContext,
  on: pg.Pool | pg.PoolClient,
  gid: string,
): Promise<boolean> {
  const { rowCount } = await on.query(`SELECT FROM ${table} WHERE gid = $1`, [gid]);
  return rowCount === 1;
}
