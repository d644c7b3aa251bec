/** The branch as a connection of `mysql2`, with promises or callbacks, and as a pool with that one connection. */
import { NestedTransactions } from '../sql/nested.ts';
import type { Sql, StatementObject } from '../sql/sql.ts';

type Done = (error: unknown, ...more: unknown[]) => void;

class MariadbOrmClient {
  readonly #nested: NestedTransactions;

  constructor(sql: Sql) {
    this.#nested = new NestedTransactions(sql);
  }

  query(
    statement: string | StatementObject,
    values?: readonly unknown[] | Done,
    done?: Done,
  ): unknown {
    const callback = typeof values === 'function' ? values : done;
    const given = typeof values === 'function' ? undefined : values;
    const result = this.#nested.run(statement, given).then(({ raw }) => raw);
    if (callback === undefined) return result;
    result.then(
      (raw) => callback(null, ...(raw as unknown[])),
      (error: unknown) => callback(error),
    );
    return undefined;
  }

  execute(statement: string | StatementObject, values?: readonly unknown[], done?: Done): unknown {
    return this.query(statement, values, done);
  }

  getConnection(done?: Done): unknown {
    if (done === undefined) return Promise.resolve(this);
    done(null, this);
    return undefined;
  }

  release(): void {}

  end(done?: Done): unknown {
    if (done === undefined) return Promise.resolve();
    done(null);
    return undefined;
  }
}

/**
 * For Drizzle: `drizzle({ client: ormClient(sql) })`. For Kysely: `new MysqlDialect({ pool: ormClient(sql) })`. Transactions that
 * they begin are savepoints of the branch. The type is `any`, for they ask for the driver's own classes.
 */
// biome-ignore lint/suspicious/noExplicitAny: the libraries want mysql2's Connection and Pool
export function ormClient(sql: Sql): any {
  return new MariadbOrmClient(sql);
}
