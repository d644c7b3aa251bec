/** The branch as a pool of `mysql2`, with promises or callbacks. */
import type { GuardedSql } from '../sql/guarded-sql.ts';
import { answer, type Done, guardedSql, NestedTransactions, type Values } from '../sql/nested.ts';
import type { GivenStatement, GivenValues, Sql } from '../sql/sql.ts';

abstract class Queries {
  protected abstract nested(): NestedTransactions;

  query(statement: GivenStatement, values?: Values, done?: Done): unknown {
    return this.#run(statement, values, done, { asText: true });
  }

  execute(statement: GivenStatement, values?: Values, done?: Done): unknown {
    return this.#run(statement, values, done, {});
  }

  #run(
    statement: GivenStatement,
    values: Values | undefined,
    done: Done | undefined,
    more: Readonly<Record<string, unknown>>,
  ): unknown {
    const run = (given: GivenValues) => this.nested().run(statement, given, more);
    return answer(values, done, run, (raw) => raw as unknown[]);
  }

  end(done?: Done): unknown {
    return answer(
      undefined,
      done,
      () => Promise.resolve(),
      () => [],
    );
  }
}

class BranchConnection extends Queries {
  readonly #nested: NestedTransactions;

  constructor(sql: GuardedSql) {
    super();
    this.#nested = new NestedTransactions(sql);
  }

  protected nested(): NestedTransactions {
    return this.#nested;
  }

  release(): void {
    this.#nested.release();
  }

  destroy(): void {
    this.#nested.giveUp();
  }
}

class BranchPool extends Queries {
  readonly #sql: GuardedSql;

  constructor(sql: GuardedSql) {
    super();
    this.#sql = sql;
  }

  protected nested(): NestedTransactions {
    return new NestedTransactions(this.#sql, { pool: 'await ormClient(sql).getConnection()' });
  }

  getConnection(done?: Done): unknown {
    return answer(undefined, done, () => Promise.resolve(new BranchConnection(this.#sql)));
  }
}

/**
 * For Drizzle: `drizzle({ client: ormClient(sql) })`. For Kysely:
 * `new MysqlDialect({ pool: ormClient(sql) })`. Their transactions are savepoints of the branch,
 * one after the other. The type is `any`: they ask for the driver's own classes.
 */
// biome-ignore lint/suspicious/noExplicitAny: the libraries want mysql2's Connection and Pool
export function ormClient(sql: Sql): any {
  return new BranchPool(guardedSql(sql));
}
