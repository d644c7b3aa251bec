/** The branch as a pool of `mysql2`, with promises or callbacks. */
import type { GuardedSql } from '../sql/guarded-sql.ts';
import { answer, type Done, guardedSql, NestedTransactions, type Values } from '../sql/nested.ts';
import type { GivenStatement, GivenValues, Sql } from '../sql/sql.ts';

type Run = (statement: GivenStatement, values: GivenValues) => Promise<unknown>;

class Queries {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  query(statement: GivenStatement, values?: Values, done?: Done): unknown {
    const run = (given: GivenValues) => this.#run(statement, given);
    return answer(values, done, run, (raw) => raw as unknown[]);
  }

  execute(statement: GivenStatement, values?: Values, done?: Done): unknown {
    return this.query(statement, values, done);
  }

  end(done?: Done): unknown {
    if (done === undefined) return Promise.resolve();
    done(null);
    return undefined;
  }
}

class BranchConnection extends Queries {
  readonly #nested: NestedTransactions;

  constructor(sql: GuardedSql) {
    const nested = new NestedTransactions(sql);
    super((statement, values) => nested.run(statement, values));
    this.#nested = nested;
  }

  release(): void {}

  destroy(): void {
    this.#nested.giveUp();
  }
}

class BranchPool extends Queries {
  readonly #sql: GuardedSql;

  constructor(sql: GuardedSql) {
    const pool = 'await ormClient(sql).getConnection()';
    super((statement, values) => new NestedTransactions(sql, { pool }).run(statement, values));
    this.#sql = sql;
  }

  getConnection(done?: Done): unknown {
    const connection = new BranchConnection(this.#sql);
    if (done === undefined) return Promise.resolve(connection);
    done(null, connection);
    return undefined;
  }
}

/**
 * For Drizzle: `drizzle({ client: ormClient(sql) })`. For Kysely: `new MysqlDialect({ pool: ormClient(sql) })`. Transactions that
 * they begin are savepoints of the branch, one after the other. The type is `any`, for they ask for the driver's own classes.
 */
// biome-ignore lint/suspicious/noExplicitAny: the libraries want mysql2's Connection and Pool
export function ormClient(sql: Sql): any {
  return new BranchPool(guardedSql(sql));
}
