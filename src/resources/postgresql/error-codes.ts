/** PostgreSQL's error codes that mean something here. */
import { thrownText } from '../../core/thrown.ts';
import { type ErrorKind, inCauses, type Refusals, refusalsOf } from '../sql/refusal.ts';

export const undefinedObject = '42704';
/** "... is busy": another session is just ending this prepared transaction. */
export const notInPrerequisiteState = '55000';
/** A statement of the transaction had failed before: every other one is refused. */
export const inFailedTransaction = '25P02';
/** At the beginning of a branch: a standby, after a failover. Later the branch has made it so. */
export const readOnlyTransaction = '25006';

/** What the database says of the error. */
export function textIn(error: unknown, name: 'code' | 'constraint'): string | null {
  return inCauses(error, (one) => {
    const value = (one as Readonly<Record<string, unknown>>)[name];
    return typeof value === 'string' ? value : null;
  });
}

const kinds: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  ['55P03', 'lock-timeout'],
  ['40P01', 'deadlock'],
  ['40001', 'conflict'],
  ['57014', 'unavailable'], // canceled: by an operator, or by a time-out of the role
  ['57P01', 'ended'], // shutdown, or ended by an operator
  ['57P02', 'ended'],
  ['57P03', 'ended'], // starting up, or not accepting connections yet
  ['57P05', 'ended'], // idle for too long
  ['25P03', 'ended'], // the same, in a transaction
  ['25P04', 'ended'], // the transaction took too long
]);
const classes: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  ['53', 'unavailable'], // too many connections, no memory, no room on the disk
  ['08', 'ended'], // no connection
]);
/** More values than a message has room for: the service's own fault, and the session goes on. */
const protocolViolation = '08P01';
/** Out of memory, which a full table of prepared transactions is said to be. */
const outOfMemory = '53200';
/** The driver's, of a server that does not answer, and of a pool that is all at work. */
const noneInTime = 'timeout exceeded when trying to connect';
/** What a standby says of the isolation level. */
const notSupported = '0A000';

export const refusals: Refusals = refusalsOf({
  database: 'PostgreSQL',
  // The first code of the database's: a library's error around it has codes of its own.
  kindOf: (error) =>
    inCauses(error, (one) => {
      const { code } = one as { readonly code?: unknown };
      if (typeof code !== 'string') return null;
      if (code === protocolViolation) return null;
      return kinds.get(code) ?? classes.get(code.slice(0, 2)) ?? null;
    }),
  // What has no code is the driver's: no connection in time, or it broke.
  isNoSession: (error) => [null, notSupported, readOnlyTransaction].includes(textIn(error, 'code')),
  adviceOf: (error) => {
    if (textIn(error, 'code') === outOfMemory) return 'raise max_prepared_transactions';
    return thrownText(error) === noneInTime
      ? 'see whether the server answers, or raise maxSessions of the resource: all may be at work'
      : null;
  },
});
