/** The branch as a pool of `pg`. */
import pg from 'pg';
import type { GuardedSql } from '../sql/guarded-sql.ts';
import { answer, type Done, guardedSql, NestedTransactions, type Values } from '../sql/nested.ts';
import type { GivenStatement, Sql } from '../sql/sql.ts';

/** What libraries use of `pg.PoolClient`. Results are the driver's own. */
class BranchClient {
  readonly #nested: NestedTransactions;

  constructor(sql: GuardedSql) {
    this.#nested = new NestedTransactions(sql);
  }

  query(statement: GivenStatement, values?: Values, done?: Done): unknown {
    return answer(values, done, (given) => this.#nested.run(statement, given));
  }

  /** `destroy`, or an error: what is open on it is given up, as by a connection that ends. */
  release(destroy?: unknown): void {
    if (destroy) this.#nested.giveUp();
    else this.#nested.release();
  }

  /** It has no events: what breaks is told by the statements. */
  on(): this {
    return this;
  }

  removeListener(): this {
    return this;
  }
}

/**
 * A real `pg.Pool`, which never connects. Without one, libraries would see a single connection, on
 * which no one could tell two transactions apart, or options for a pool outside of the branch.
 */
class BranchPool extends pg.Pool {
  /** Libraries with another copy of `pg` look at this. */
  static override readonly name = 'BranchPool';
  readonly #sql: GuardedSql;

  constructor(sql: Sql) {
    super();
    this.#sql = guardedSql(sql);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the driver's signatures; libraries use this one
  override query(statement: any, values?: any, done?: any): any {
    const nested = new NestedTransactions(this.#sql, { pool: 'await ormClient(sql).connect()' });
    return answer(values, done, (given) => nested.run(statement, given));
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  override connect(done?: any): any {
    const client = new BranchClient(this.#sql);
    if (done === undefined) return Promise.resolve(client);
    done(undefined, client, (destroy?: unknown) => client.release(destroy));
    return undefined;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  override end(): any {
    return Promise.resolve();
  }
}

/**
 * For Drizzle: `drizzle({ client: ormClient(sql) })`. For Kysely:
 * `new PostgresDialect({ pool: ormClient(sql) })`. Their transactions are savepoints of the branch,
 * one after the other. The type is `any`: they ask for the driver's own classes.
 */
// biome-ignore lint/suspicious/noExplicitAny: the libraries want pg.Client and pg.Pool
export function ormClient(sql: Sql): any {
  return new BranchPool(sql);
}
