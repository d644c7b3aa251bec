/** PostgreSQL's error codes that mean something here. */
import { thrownText } from '../../../core/thrown.ts';
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

export const undefinedObject = '42704';
/** "... is busy": another session is just ending this prepared transaction. */
export const notInPrerequisiteState = '55000';

export function codeOf(error: unknown): string | null {
  return textIn(error, 'code');
}

export function constraintOf(error: unknown): string | null {
  return textIn(error, 'constraint');
}

function textIn(error: unknown, name: 'code' | 'constraint'): string | null {
  return inCauses(error, (one) => {
    const value = (one as Readonly<Record<string, unknown>>)[name];
    return typeof value === 'string' ? value : null;
  });
}

/** Too many connections, no memory, no room on the disk. */
const full = '53';
/** No connection. */
const noConnection = '08';
const others: ReadonlySet<string> = new Set([
  '57014', // canceled: by an operator, or by a time-out of the role
  '25006', // read only: a standby, after a failover
]);
/** After these the session is over. */
const ended: ReadonlySet<string> = new Set([
  '57P01', // shutdown, or ended by an operator
  '57P02',
  '57P03', // starting up, or not accepting connections yet
  '57P05', // idle for too long
  '25P03', // the same, in a transaction
  '25P04', // the transaction took too long
]);

/** Null for what is the service's own: a constraint, a wrong statement. `lost`: the connection is known to be gone. */
export function refusalOf(error: unknown, lost: boolean): Refusal | null {
  const code = codeOf(error) ?? '';
  switch (code) {
    case '55P03':
      return lockTimeout();
    case '40P01':
      return deadlock('PostgreSQL');
    case '40001':
      return conflict();
    // Out of memory, which a full table of prepared transactions is said to be.
    case '53200':
      return {
        reason: {
          code: 'RESOURCE_UNAVAILABLE',
          message: `PostgreSQL has no room to prepare: ${messageOf(error)}. Retry; where it lasts, raise max_prepared_transactions.`,
          retryable: true,
        },
      };
    default:
      if (ended.has(code) || code.startsWith(noConnection) || isNetworkError(error) || lost)
        return unavailable('PostgreSQL', error, { lost: true });
      return others.has(code) || code.startsWith(full) ? unavailable('PostgreSQL', error) : null;
  }
}

/** Of an error before the branch had begun. What has no code is the driver's: no connection in time, or it broke. */
export function refusalOfBegin(error: unknown): Refusal | null {
  if (error instanceof BranchTakenError) return null;
  const code = codeOf(error);
  // A standby says so of the isolation level.
  if (code === null || code === '0A000') return unavailable('PostgreSQL', error);
  return refusalOf(error, false);
}

function messageOf(error: unknown): string {
  return thrownText(error);
}
