/** PostgreSQL's error codes that mean something here. */
import { type ErrorKind, inCauses, type Refusals, refusalsOf } from '../sql/refusal.ts';

export const undefinedObject = '42704';
/** "... is busy": another session is just ending this prepared transaction. */
export const notInPrerequisiteState = '55000';

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
  ['25006', 'unavailable'], // read only: a standby, after a failover
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
/** Out of memory, which a full table of prepared transactions is said to be. */
const outOfMemory = '53200';
/** What a standby says of the isolation level. */
const notSupported = '0A000';

export const refusals: Refusals = refusalsOf({
  database: 'PostgreSQL',
  kindOf: (error) => {
    const code = textIn(error, 'code') ?? '';
    return kinds.get(code) ?? classes.get(code.slice(0, 2)) ?? null;
  },
  // What has no code is the driver's: no connection in time, or it broke.
  isNoSession: (error) => [null, notSupported].includes(textIn(error, 'code')),
  adviceOf: (error) =>
    textIn(error, 'code') === outOfMemory ? 'raise max_prepared_transactions' : null,
});
