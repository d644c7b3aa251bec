/** What the locks of a session tell of its transaction: conditions on `pg_locks`. */
import { lockKey } from './locks.ts';

/** Of a relation: held until the transaction ends by whoever wrote to it or its catalogue. */
const writersModes = `'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'`;
/** `SELECT ... FOR UPDATE` and the like, and `LOCK TABLE`. */
const lockersModes = `'RowShareLock', 'ShareUpdateExclusiveLock', 'ShareLock'`;

/** It wrote, to other tables than ours. */
export function writing(table: string): string {
  return `locktype = 'relation' AND mode IN (${writersModes}) AND relation <> '${table}'::regclass
     AND relation NOT IN (SELECT indexrelid FROM pg_index WHERE indrelid = '${table}'::regclass)`;
}

/**
 * It locked rows, tables, or advisory locks but for `own`: those of the transaction cannot be told
 * from the session's.
 */
export function locking(own: readonly string[]): string {
  return `(locktype = 'relation' AND mode IN (${lockersModes}))
       OR (locktype = 'advisory' AND NOT (objsubid = 1
           AND ((classid::bigint << 32) | objid::bigint) IN (${own.map(lockKey).join(', ')})))`;
}
