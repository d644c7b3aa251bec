/**
 * Drizzle on a branch. Its handles are Drizzle's own transactions, but for two methods: what
 * `transaction` begins is a savepoint with the turns of its own (turns.ts), and `rollback` has
 * nothing to roll back. What Drizzle reads out of a schema, it reads once for all branches.
 *
 * Drizzle's module for a database loads the driver. So each is loaded by the function that needs
 * it.
 */
import {
  createTableRelationsHelpers,
  DefaultLogger,
  type DrizzleConfig,
  type ExtractTablesWithRelations,
  extractTablesRelationalConfig,
  type TablesRelationalConfig,
} from 'drizzle-orm';
import type { MySqlTransaction } from 'drizzle-orm/mysql-core';
import type { MySql2PreparedQueryHKT, MySql2QueryResultHKT } from 'drizzle-orm/mysql2';
import type { NodePgQueryResultHKT } from 'drizzle-orm/node-postgres';
import type { PgTransaction } from 'drizzle-orm/pg-core';
import { checkFields, type Fields } from '../core/fields.ts';
import type { LibraryDatabase } from '../resources/sql/guarded-sql.ts';
import type { PrepareSql } from '../resources/sql/sql.ts';
import { endsNothing, type OrmWork, ormBranch } from './branch.ts';
import { retellAll } from './cause.ts';

/** Drizzle's schema: what `import * as schema` gives. */
export type DrizzleSchema = Record<string, unknown>;

/** What `drizzleBranch` hands to Drizzle. */
export interface DrizzleBranchOptions<Schema extends DrizzleSchema> {
  /** For `tx.query`, Drizzle's relational queries. */
  readonly schema?: Schema;
  /** Of columns that were declared without a name. */
  readonly casing?: NonNullable<DrizzleConfig['casing']>;
  /** Of each statement; `true`: on stdout. */
  readonly logger?: NonNullable<DrizzleConfig['logger']>;
}

/** What `drizzleMysqlBranch` hands to Drizzle. */
export interface DrizzleMysqlBranchOptions<Schema extends DrizzleSchema>
  extends DrizzleBranchOptions<Schema> {
  /**
   * How relational queries are written. Default `planetscale`, which MariaDB understands too: it
   * has no LATERAL joins, which `default` uses.
   */
  readonly mode?: 'default' | 'planetscale';
}

/** What Drizzle hands to `transaction` on PostgreSQL. */
export type DrizzleTransaction<Schema extends DrizzleSchema> = PgTransaction<
  NodePgQueryResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
>;

/** What Drizzle hands to `transaction` on MariaDB and MySQL. */
export type DrizzleMysqlTransaction<Schema extends DrizzleSchema> = MySqlTransaction<
  MySql2QueryResultHKT,
  MySql2PreparedQueryHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
>;

/** The work of one branch, on Drizzle's transaction. */
export type DrizzleWork<Handle, Payload, Result> = OrmWork<Handle, Payload, Result>;

const optionFields: Fields<Required<DrizzleBranchOptions<DrizzleSchema>>> = {
  schema: 'object',
  casing: 'text',
  logger: 'any',
};
const mysqlOptionFields: Fields<Required<DrizzleMysqlBranchOptions<DrizzleSchema>>> = {
  ...optionFields,
  mode: 'text',
};

/**
 * A `prepare` for `openPostgresqlResource` that works with Drizzle.
 *
 * ```ts
 * const resource = await openPostgresqlResource<Payment>({
 *   name: 'payment',
 *   connection,
 *   prepare: drizzleBranch({ schema }, async (tx, { payload: { account, cents } }) => {
 *     const taken = await tx
 *       .update(accounts)
 *       .set({ cents: sql`${accounts.cents} - ${cents}` })
 *       .where(and(eq(accounts.id, account), gte(accounts.cents, cents)))
 *       .returning();
 *     return taken.length === 1 ? vote.commit() : vote.abort('Too little money.');
 *   }),
 * });
 * ```
 */
export function drizzleBranch<
  Schema extends DrizzleSchema = Record<string, never>,
  Payload = unknown,
  Result = unknown,
>(
  options: DrizzleBranchOptions<Schema>,
  work: DrizzleWork<DrizzleTransaction<Schema>, Payload, Result>,
): PrepareSql<Payload, Result> {
  checkFields(options, optionFields, 'the options of drizzleBranch');
  const common = commonOf(options);
  const library = Promise.all([import('drizzle-orm/pg-core'), import('drizzle-orm/node-postgres')]);
  const shared = library.then(([{ PgDialect }, driver]) => ({
    dialect: new PgDialect(common.dialectConfig),
    ...driver,
  }));
  shared.catch(ignore);
  return ormBranch<DrizzleTransaction<Schema>, Payload, Result>(async (sql, database) => {
    check(
      database,
      'postgresql',
      'drizzleBranch is for openPostgresqlResource. For openMariadbResource take drizzleMysqlBranch.',
    );
    const { dialect, NodePgSession, NodePgTransaction } = await shared;
    const session = new NodePgSession(database.client(sql), dialect, common.schema, common.logging);
    const tx = new NodePgTransaction(dialect, session, common.schema);
    return Object.assign(tx, {
      transaction: session.transaction.bind(session),
      rollback: refuseRollback,
    }) as never;
  }, valuesUntold(work));
}

/**
 * A `prepare` for `openMariadbResource`, on MariaDB and MySQL, that works with Drizzle. As
 * `drizzleBranch`, on tables of `drizzle-orm/mysql-core`.
 */
export function drizzleMysqlBranch<
  Schema extends DrizzleSchema = Record<string, never>,
  Payload = unknown,
  Result = unknown,
>(
  options: DrizzleMysqlBranchOptions<Schema>,
  work: DrizzleWork<DrizzleMysqlTransaction<Schema>, Payload, Result>,
): PrepareSql<Payload, Result> {
  checkFields(options, mysqlOptionFields, 'the options of drizzleMysqlBranch');
  const common = commonOf(options);
  const mode = options.mode ?? 'planetscale';
  const library = Promise.all([import('drizzle-orm/mysql-core'), import('drizzle-orm/mysql2')]);
  const shared = library.then(([{ MySqlDialect }, driver]) => ({
    dialect: new MySqlDialect(common.dialectConfig),
    ...driver,
  }));
  shared.catch(ignore);
  return ormBranch<DrizzleMysqlTransaction<Schema>, Payload, Result>(async (sql, database) => {
    check(
      database,
      'mariadb',
      'drizzleMysqlBranch is for openMariadbResource. For openPostgresqlResource take drizzleBranch.',
    );
    const { dialect, MySql2Session, MySql2Transaction } = await shared;
    const how = { ...common.logging, mode };
    const session = new MySql2Session(database.client(sql), dialect, common.schema, how);
    const tx = new MySql2Transaction(dialect, session as never, common.schema as never, 0, mode);
    return Object.assign(tx, {
      transaction: session.transaction.bind(session),
      rollback: refuseRollback,
    }) as never;
  }, valuesUntold(work));
}

/** What Drizzle's own `drizzle()` makes of its options, once. */
function commonOf({ schema, casing, logger }: DrizzleBranchOptions<DrizzleSchema>) {
  const log = logger === true ? new DefaultLogger() : logger;
  const found =
    schema === undefined
      ? undefined
      : extractTablesRelationalConfig<TablesRelationalConfig>(schema, createTableRelationsHelpers);
  return {
    dialectConfig: casing === undefined ? {} : { casing },
    logging: log === undefined || log === false ? {} : { logger: log },
    schema:
      found === undefined || schema === undefined
        ? undefined
        : { fullSchema: schema, schema: found.tables, tableNamesMap: found.tableNamesMap },
  };
}

/** Drizzle quotes all values of a statement that failed in its message. */
function valuesUntold<Handle, Payload, Result>(
  work: DrizzleWork<Handle, Payload, Result>,
): DrizzleWork<Handle, Payload, Result> {
  // What is no function is refused further on.
  if (typeof work !== 'function') return work;
  return async (...given) => {
    try {
      return await work(...given);
    } catch (error) {
      retellAll(error, untoldStatement);
      throw error;
    }
  };
}

function untoldStatement(error: Error): string | null {
  const { query, params } = error as { readonly query?: unknown; readonly params?: unknown };
  return typeof query === 'string' && Array.isArray(params) ? `Failed query: ${query}` : null;
}

function check({ kind }: LibraryDatabase, wanted: LibraryDatabase['kind'], text: string): void {
  if (kind !== wanted) throw new TypeError(text);
}

function refuseRollback(): never {
  throw endsNothing('rollback()');
}

function ignore(): void {}
