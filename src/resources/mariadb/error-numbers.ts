/** MariaDB's error numbers that mean something here. */
import { type ErrorKind, inCauses, isInCauses, type Refusals, refusalsOf } from '../sql/refusal.ts';

/** XAER_NOTA: no such branch - or one that belongs to a session that still lives. */
export const unknownXid = 1397;

export function numberOf(error: unknown): number | null {
  return inCauses(error, (one) => {
    const { errno } = one as { readonly errno?: unknown };
    return typeof errno === 'number' ? errno : null;
  });
}

/** What NOWAIT says, in MariaDB and in MySQL. */
export function isNotFree(error: unknown): boolean {
  return numberOf(error) === 1205 || numberOf(error) === 3572;
}

const kinds: ReadonlyMap<number, ErrorKind> = new Map<number, ErrorKind>([
  [1205, 'lock-timeout'], // ER_LOCK_WAIT_TIMEOUT
  [1613, 'lock-timeout'], // XA_RBTIMEOUT
  [1213, 'deadlock'], // ER_LOCK_DEADLOCK
  [1614, 'deadlock'], // XA_RBDEADLOCK
  [1020, 'conflict'], // ER_CHECKREAD, with innodb_snapshot_isolation
  [1021, 'unavailable'], // ER_DISK_FULL
  [1037, 'unavailable'], // ER_OUTOFMEMORY
  [1040, 'unavailable'], // ER_CON_COUNT_ERROR: too many connections
  [1041, 'unavailable'], // ER_OUT_OF_RESOURCES
  [1203, 'unavailable'], // ER_TOO_MANY_USER_CONNECTIONS
  [1206, 'unavailable'], // ER_LOCK_TABLE_FULL
  [1226, 'unavailable'], // ER_USER_LIMIT_REACHED
  [1290, 'unavailable'], // ER_OPTION_PREVENTS_STATEMENT: read-only, as after a failover
  [1317, 'unavailable'], // ER_QUERY_INTERRUPTED
  [1792, 'unavailable'], // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  [1836, 'unavailable'], // ER_READ_ONLY_MODE
  [1969, 'unavailable'], // ER_STATEMENT_TIMEOUT
  [1053, 'ended'], // ER_SERVER_SHUTDOWN
  [1152, 'ended'], // ER_ABORTING_CONNECTION
  [1158, 'ended'], // ER_NET_READ_ERROR
  [1159, 'ended'], // ER_NET_READ_INTERRUPTED
  [1160, 'ended'], // ER_NET_ERROR_ON_WRITE
  [1161, 'ended'], // ER_NET_WRITE_INTERRUPTED
  [1184, 'ended'], // ER_NEW_ABORTING_CONNECTION
  [1927, 'ended'], // ER_CONNECTION_KILLED
  [4031, 'ended'], // ER_CLIENT_INTERACTION_TIMEOUT, and MariaDB's ER_IDLE_TRANSACTION_TIMEOUT
]);

export const refusals: Refusals = refusalsOf({
  database: 'The database',
  kindOf: (error) => kinds.get(numberOf(error) ?? 0) ?? (isFatal(error) ? 'ended' : null),
  // What has no number of the server's is the driver's: no connection, or it broke.
  isNoSession: (error) => numberOf(error) === null,
});

/** The driver's word that the connection is of no use any more. */
function isFatal(error: unknown): boolean {
  return isInCauses(error, (one) => {
    const { fatal, sqlState } = one as { readonly fatal?: unknown; readonly sqlState?: unknown };
    return fatal === true && sqlState === undefined;
  });
}
