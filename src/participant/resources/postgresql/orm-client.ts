/** The branch as a client of `pg`, and as a pool with that one client. */
import { NestedTransactions } from '../sql/nested.ts';
import type { Sql, StatementObject } from '../sql/sql.ts';

/** What libraries use of `pg`. Results are the driver's own. */
class PostgresqlOrmClient {
  readonly #nested: NestedTransactions;

  constructor(sql: Sql) {
    this.#nested = new NestedTransactions(sql);
  }

  async query(statement: string | StatementObject, values?: readonly unknown[]): Promise<unknown> {
    return (await this.#nested.run(statement, values)).raw;
  }

  connect(): Promise<this> {
    return Promise.resolve(this);
  }

  release(): void {}

  end(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * For Drizzle: `drizzle({ client: ormClient(sql) })`. For Kysely: `new PostgresDialect({ pool: ormClient(sql) })`. Transactions that
 * they begin are savepoints of the branch. The type is `any`, for they ask for the driver's own classes.
 */
// biome-ignore lint/suspicious/noExplicitAny: the libraries want pg.Client and pg.Pool
export function ormClient(sql: Sql): any {
  return new PostgresqlOrmClient(sql);
}
