/**
 * Commit and rollback of what is prepared. A sibling's branch has another mark behind its name, and
 * is looked for.
 *
 *     COMMIT PREPARED      ok                    committed
 *                          busy                  another session is just ending it: again
 *                          no such gid, a row    committed before: reply lost, or another was first
 *                          no such gid, no row   NOT committed: never prepared, or rolled back
 *     ROLLBACK PREPARED    ok                    rolled back
 *                          busy                  again
 *                          no such gid           maybe not yet: a session may be about to PREPARE.
 *                                               It is ended; then again with the branch's lock
 *
 * The row is visible before the gid is gone, and after the commit is on disk: without a gid it is
 * proof.
 */
import type pg from 'pg';
import { BranchEndedError } from '../../ports/resource.ts';
import { pause } from '../../system/pause.ts';
import { committedBySibling } from '../sql/committed-by-sibling.ts';
import { markOf } from '../sql/names.ts';
import type { End } from '../sql/sql.ts';
import { type PostgresqlContext, preparedAs } from './context.ts';
import { notInPrerequisiteState, textIn, undefinedObject } from './error-codes.ts';
import { letGo, takeByForce } from './locks.ts';

const busyPauseMs = 20;
const maxBusyTries = 100;

export async function commitPrepared(
  context: PostgresqlContext,
  gid: string,
  { instance, takenOver = false }: End,
): Promise<void> {
  const { ends } = context.pools;
  const own = `COMMIT PREPARED '${preparedAs(gid, instance)}'`;
  let done = !takenOver && (await endPrepared(context, ends, own));
  if (!done) {
    for (const name of await preparedUnder(ends, `${gid}:`)) {
      done = (await endPrepared(context, ends, `COMMIT PREPARED '${name}'`)) || done;
    }
  }
  if (!done && (await committedBy(context, ends, { gid, whose: null })) === null) {
    throw new BranchEndedError(
      'nothing',
      `PostgreSQL holds no prepared transaction ${gid}, and none of that name has committed: it was rolled back there by hand, or the data are older than the vote. See docs/DATABASES.md on heuristic outcomes.`,
    );
  }
}

export async function rollbackPrepared(
  context: PostgresqlContext,
  gid: string,
  { txid, branch, instance, takenOver = false }: End,
): Promise<void> {
  const { ends } = context.pools;
  const own = `ROLLBACK PREPARED '${preparedAs(gid, instance)}'`;
  if (!takenOver && (await endPrepared(context, ends, own))) return;
  const client = await ends.connect();
  let failed = true;
  try {
    await takeByForce(client, gid, context.clock);
    // Without a decision only what this instance may hold itself (!): its prepare may have failed
    // just because a sibling has prepared the branch, which votes commit for it.
    const names = takenOver ? await preparedUnder(client, `${gid}:`) : [preparedAs(gid, instance)];
    let ended = false;
    for (const name of names) {
      ended = (await endPrepared(context, client, `ROLLBACK PREPARED '${name}'`)) || ended;
    }
    const whose = takenOver ? null : markOf(instance);
    const committed = ended ? null : await committedBy(context, client, { gid, whose });
    if (committed === 'a sibling') throw committedBySibling({ txid, branch });
    if (committed !== null) {
      throw new BranchEndedError(
        'committed',
        `The branch ${branch} of ${txid} is to be rolled back and has committed in PostgreSQL: someone ran COMMIT PREPARED by hand. See docs/DATABASES.md on heuristic outcomes.`,
      );
    }
    await letGo(client);
    failed = false;
  } finally {
    // With its connection, the session's locks go, too.
    client.release(failed);
  }
}

/** By whichever instance: with a gid as the prefix, what this branch is prepared as. */
export async function preparedUnder(
  on: pg.Pool | pg.PoolClient,
  prefix: string,
): Promise<string[]> {
  const { rows } = await on.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $1)',
    [prefix],
  );
  return rows.map((row) => row.gid);
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
      const code = textIn(error, 'code');
      if (code === undefinedObject) return false;
      if (code !== notInPrerequisiteState || tries === maxBusyTries) throw error;
    }
    await pause(clock, busyPauseMs);
  }
}

/** Null: it has not, as far as its row says. `whose`: only the instance of this mark counts. */
async function committedBy(
  { table }: PostgresqlContext,
  on: pg.Pool | pg.PoolClient,
  { gid, whose }: { readonly gid: string; readonly whose: string | null },
): Promise<'itself' | 'a sibling' | null> {
  const text = `SELECT note FROM ${table} WHERE gid = $1 AND ($2::text IS NULL OR mark IS NULL OR mark = $2)`;
  const { rows } = await on.query<{ note: string | null }>(text, [gid, whose]);
  if (rows[0] === undefined) return null;
  return rows[0].note === null ? 'itself' : 'a sibling';
}
