/**
 * Who waits for what this participant has prepared. The server does not tell which transaction has
 * which XA id, only that one has no session. A statement that waits for such a one may wait for
 * any.
 *
 *     may see InnoDB's (PROCESS)    who waits for a row of a transaction without a session
 *     may not                       its own account's statements that take long, whatever for
 *     either way                    who waits for a table's metadata lock, in this database
 *
 * Nor does it tell which table that is. In other databases it is mostly another service's, so who
 * waits there is not told, though a branch may have worked there.
 */
import type { WaitingStatement, Waits } from '../sql/lock-watch.ts';
import type { MariadbContext } from './context.ts';
import type { Statements } from './ends.ts';
import { numberOf } from './error-numbers.ts';
import { preparedBranches } from './xid.ts';

const running = `SELECT ID AS id, INFO AS statement, STATE AS state, TIME AS seconds, DB = DATABASE() AS here
  FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute') AND INFO IS NOT NULL AND ID <> CONNECTION_ID()`;
const waitingForRows = `SELECT DISTINCT waits.trx_mysql_thread_id AS id FROM information_schema.INNODB_LOCK_WAITS
  JOIN information_schema.INNODB_TRX waits ON waits.trx_id = requesting_trx_id
  JOIN information_schema.INNODB_TRX holds ON holds.trx_id = blocking_trx_id WHERE holds.trx_mysql_thread_id = 0`;

/** ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_UNKNOWN_TABLE (MySQL has these elsewhere). */
const hidden: ReadonlySet<number | null> = new Set([1227, 1109]);

export async function waitsFor({ ends, name, sessions }: MariadbContext): Promise<Waits> {
  const prepared = (await preparedBranches(ends, name)).map(({ ref }) => ref);
  if (prepared.length === 0) return { prepared, waiting: [] };
  const own = new Set([...sessions].map(({ connectionId }) => connectionId));
  const forRows = await idsWaitingForRows(ends);
  const waiting: WaitingStatement[] = [];
  for (const row of await ends.rows(running)) {
    const id = Number(row['id']);
    const forTable = /metadata lock/i.test(String(row['state'])) && Number(row['here']) === 1;
    // Not what is sent again and again, such as another process's look, and was met twice.
    const forRow = forRows?.has(id) ?? Number(row['seconds']) >= 1;
    if (own.has(id) || !(forTable || forRow)) continue;
    const statement = String(row['statement']);
    const sure = forRows?.has(id) === true;
    waiting.push({ id: `${id} ${statement}`, statement, sure, branches: prepared });
  }
  return { prepared, waiting };
}

/** Null where the account may not know. */
async function idsWaitingForRows(ends: Statements): Promise<ReadonlySet<number> | null> {
  try {
    return new Set((await ends.rows(waitingForRows)).map((row) => Number(row['id'])));
  } catch (error) {
    if (hidden.has(numberOf(error))) return null;
    throw error;
  }
}
