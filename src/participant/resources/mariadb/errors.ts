/** MariaDB's error numbers that mean something here. */
import { BranchTakenError } from '../sql/branch-taken.ts';
import { inCauses } from '../sql/causes.ts';
import {
  conflict,
  deadlock,
  isNetworkError,
  lockTimeout,
  type Refusal,
  unavailable,
} from '../sql/refusal.ts';

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

const full: ReadonlySet<number> = new Set([
  1021, // ER_DISK_FULL
  1037, // ER_OUTOFMEMORY
  1040, // ER_CON_COUNT_ERROR: too many connections
  1041, // ER_OUT_OF_RESOURCES
  1203, // ER_TOO_MANY_USER_CONNECTIONS
  1226, // ER_USER_LIMIT_REACHED
  1290, // ER_OPTION_PREVENTS_STATEMENT: read-only, as after a failover
  1317, // ER_QUERY_INTERRUPTED
  1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  1836, // ER_READ_ONLY_MODE
  1969, // ER_STATEMENT_TIMEOUT
]);
/** After these the session is over. */
const ended: ReadonlySet<number> = new Set([
  1053, // ER_SERVER_SHUTDOWN
  1152, // ER_ABORTING_CONNECTION
  1158, // ER_NET_READ_ERROR
  1159, // ER_NET_READ_INTERRUPTED
  1160, // ER_NET_ERROR_ON_WRITE
  1161, // ER_NET_WRITE_INTERRUPTED
  1184, // ER_NEW_ABORTING_CONNECTION
  1927, // ER_CONNECTION_KILLED
  4031, // ER_CLIENT_INTERACTION_TIMEOUT, and MariaDB's ER_IDLE_TRANSACTION_TIMEOUT
]);

/** Null for what is the service's own: a constraint, a wrong statement. `lost`: the connection is known to be gone. */
export function refusalOf(error: unknown, lost: boolean): Refusal | null {
  const number = numberOf(error);
  switch (number) {
    // ER_LOCK_WAIT_TIMEOUT, XA_RBTIMEOUT
    case 1205:
    case 1613:
      return lockTimeout();
    // ER_LOCK_DEADLOCK, XA_RBDEADLOCK
    case 1213:
    case 1614:
      return deadlock('The database');
    // ER_CHECKREAD, with innodb_snapshot_isolation
    case 1020:
      return conflict();
    default: {
      if ((number !== null && ended.has(number)) || isFatal(error) || isNetworkError(error) || lost)
        return unavailable('The database', error, { lost: true });
      return number !== null && full.has(number) ? unavailable('The database', error) : null;
    }
  }
}

/** Of an error before the branch had begun. What has no number of the server's is the driver's: no connection, or it broke. */
export function refusalOfBegin(error: unknown): Refusal | null {
  if (error instanceof BranchTakenError) return null;
  return numberOf(error) === null ? unavailable('The database', error) : refusalOf(error, false);
}

/** The driver's word that the connection is of no use any more. */
function isFatal(error: unknown): boolean {
  return (
    inCauses(error, (one) => {
      const { fatal, sqlState } = one as { readonly fatal?: unknown; readonly sqlState?: unknown };
      return fatal === true && sqlState === undefined ? true : null;
    }) !== null
  );
}
