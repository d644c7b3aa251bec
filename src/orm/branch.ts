/** What the branches of all libraries share: a handle for the work, and what it owes at its end. */
import type { PrepareCall, PrepareResult } from '../ports/resource.ts';
import type { LibraryDatabase } from '../resources/sql/guarded-sql.ts';
import { guardedSql, levelRefused } from '../resources/sql/nested.ts';
import type { PrepareSql, Sql } from '../resources/sql/sql.ts';
import { atEndOfTurn } from '../system/turn.ts';

/** The work of one branch, on a handle of the library's. It returns a vote, as any `prepare`. */
export type OrmWork<Handle, Payload, Result> = (
  handle: Handle,
  call: PrepareCall<Payload>,
  sql: Sql,
) => Promise<PrepareResult<Result>> | PrepareResult<Result>;

/** `open` makes a handle for each run of the work. */
export function ormBranch<Handle, Payload, Result>(
  open: (sql: Sql, database: LibraryDatabase) => Handle | Promise<Handle>,
  work: OrmWork<Handle, Payload, Result>,
): PrepareSql<Payload, Result> {
  if (typeof work !== 'function') {
    throw new TypeError('The branch needs a function that does its work and returns a vote.');
  }
  return async (sql, call) => {
    const handle = await open(sql, guardedSql(sql).library);
    const result = await work(handle, call, sql);
    // A library takes some steps before it sends: what was not awaited would come after the vote,
    // and be missing from the branch. So it is sent first, and then seen to be under way.
    await new Promise<void>(atEndOfTurn);
    return result;
  };
}

export function endsNothing(word: string): Error {
  return new Error(
    `${word} was refused: a branch neither begins nor ends its transaction, which Verdict does once all have voted. Return vote.commit() or vote.abort(...) instead; for a part that may be undone alone use transaction().`,
  );
}

/** Within a transaction of a library's. */
export const levelRefusedWithin: string = `Nothing was sent: ${levelRefused}`;

export const noStream =
  'A query of a branch has no stream: read the rows in pages, each with a limit and the last key.';
