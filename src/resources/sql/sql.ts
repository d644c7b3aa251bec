/** How a service writes its part of a transaction: SQL, in one session and database transaction. */
import { checkFields, type Fields, shown } from '../../core/fields.ts';
import { day } from '../../core/options.ts';
import { stderrLogger } from '../../participant/stderr-logger.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Logger, userLogger } from '../../ports/logger.ts';
import type { EndCall, PrepareCall, PrepareResult, Resource } from '../../ports/resource.ts';
import { systemClock } from '../../system/clock.ts';

/** Of each branch's transaction. */
export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

/** What a statement gave. */
export interface SqlResult<Row> {
  /** What a SELECT, or a RETURNING, gave; empty for others. */
  readonly rows: readonly Row[];
  /** Rows that an INSERT, UPDATE or DELETE changed. */
  readonly affectedCount: number;
}

/** As drivers and libraries write one. */
export interface StatementObject {
  /** The statement, as `pg` and its libraries say. */
  readonly text?: string;
  /** The statement, as `mysql2` and its libraries say. */
  readonly sql?: string;
  /** For its placeholders. */
  readonly values?: readonly unknown[];
}

export type GivenStatement = string | StatementObject;
export type GivenValues = readonly unknown[] | undefined;

/** The database within one branch: one session, one transaction. */
export interface Sql {
  /**
   * One statement, with the database's own placeholders; calls run one after the other. Savepoints
   * are allowed; what begins, ends or prepares a transaction is refused, and the branch aborts.
   */
  query<Row = Record<string, unknown>>(
    statement: string | StatementObject,
    values?: readonly unknown[],
  ): Promise<SqlResult<Row>>;
}

/**
 * The work of one branch. What it wrote through `sql` is prepared when it returns `vote.commit`,
 * and rolled back when it returns anything else or throws. What is no vote at all aborts the
 * transaction, with a message that says what to return. `sql` ends with it.
 */
export type PrepareSql<Payload, Result> = (
  sql: Sql,
  call: PrepareCall<Payload>,
) => Promise<PrepareResult<Result>> | PrepareResult<Result>;

/** What ends a branch. */
export type End = Pick<EndCall<unknown>, 'txid' | 'branch' | 'instance' | 'takenOver'>;

/** A resource over a database, for `serveParticipant`. */
export interface SqlResource<Payload, Result> extends Resource<Payload, Result> {
  /** Ends the connections. Close the participant first. */
  close(): Promise<void>;
}

/** What a resource over either database takes. */
export interface SqlResourceOptions<Payload, Result> {
  /** The participant's name: what tells its branches from those of others in the same database. */
  readonly name: string;
  /** The work of one branch. */
  readonly prepare: PrepareSql<Payload, Result>;
  /** Of each branch's transaction. Default `serializable`. Does not cover other databases. */
  readonly isolation?: Isolation;
  /**
   * Other processes use the same *journal* (`sharedResource` of the participant). Default false:
   * serving this one ends what an earlier process on the journal has under way. Processes with
   * journals of their own are told apart, and need nothing.
   */
  readonly shared?: boolean;
  /** Notes which branches committed; made where it is missing. Default `verdict_branches`. */
  readonly table?: string;
  /** How long a statement waits for a lock; then `abort`/`LOCK_TIMEOUT`. Default 2,000. */
  readonly lockWaitMs?: number;
  /**
   * How long a branch may hold its locks before it votes, whatever its transaction's time-out. Then
   * it is given up: by the server, where this process is not heard. Default 300,000.
   */
  readonly lockLimitMs?: number;
  /** Prepares that run at once, one connection each. Default 16. */
  readonly maxSessions?: number;
  /** How long one of these connections is waited for. Default 5,000. */
  readonly sessionWaitMs?: number;
  /** Warned when a statement waits for a prepared branch. Default: stderr. `silentLogger`: none. */
  readonly logger?: Logger;
  /** @internal Default: the system's. */
  readonly clock?: Clock;
}

/** The options, whole. */
export type SqlSettings = Required<Omit<SqlResourceOptions<never, never>, 'prepare'>>;

const optionFields: Fields<Required<SqlResourceOptions<never, never>> & { connection: unknown }> = {
  name: 'any',
  prepare: 'method',
  connection: 'any',
  isolation: 'text',
  shared: 'flag',
  table: 'text',
  lockWaitMs: 'ms',
  lockLimitMs: 'ms',
  maxSessions: 'count',
  sessionWaitMs: 'ms',
  logger: 'any',
  clock: 'internal',
};

/** Throws for a table or a limit that cannot be. */
export function sqlSettings(options: SqlResourceOptions<never, unknown>): SqlSettings {
  checkFields(options, optionFields, 'the options of the resource');
  const { name, prepare } = options as Partial<typeof options> & { readonly name: string };
  if (prepare === undefined) {
    throw new TypeError('The resource needs prepare: a function that does the work of a branch.');
  }
  return {
    name,
    isolation: checkedIsolation(options.isolation ?? 'serializable'),
    shared: options.shared ?? false,
    table: checkedTable(options.table ?? 'verdict_branches'),
    lockWaitMs: options.lockWaitMs ?? 2_000,
    lockLimitMs: checkedLockLimit(options.lockLimitMs ?? 300_000),
    maxSessions: options.maxSessions ?? 16,
    sessionWaitMs: options.sessionWaitMs ?? 5_000,
    logger:
      options.logger === undefined
        ? stderrLogger(name)
        : userLogger(options.logger, 'the options of the resource'),
    clock: options.clock ?? systemClock,
  };
}

const isolations: readonly string[] = ['read committed', 'repeatable read', 'serializable'];

function checkedIsolation(isolation: Isolation): Isolation {
  if (isolations.includes(isolation)) return isolation;
  throw new TypeError(
    `isolation must be one of '${isolations.join("', '")}', not ${shown(isolation)}.`,
  );
}

function checkedLockLimit(lockLimitMs: number): number {
  if (Number.isSafeInteger(lockLimitMs) && lockLimitMs >= 1_000 && lockLimitMs <= day)
    return lockLimitMs;
  throw new RangeError(
    `lockLimitMs must be a whole number of milliseconds from 1,000 to ${day}; this is ${lockLimitMs}.`,
  );
}

const tablePattern = /^[a-z_][a-z0-9_]{0,57}(\.[a-z_][a-z0-9_]{0,57})?$/;

/** Throws a TypeError for a name that would have to be quoted: it becomes part of statements. */
function checkedTable(table: string): string {
  if (tablePattern.test(table)) return table;
  throw new TypeError(
    `table must be a plain name in lower case, such as verdict_branches or app.verdict_branches; this is ${table}.`,
  );
}
