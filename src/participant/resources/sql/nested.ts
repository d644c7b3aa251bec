/**
 * For libraries that run their work in transactions of their own: inside a branch each becomes a savepoint, so that the library's
 * rollback undoes its work and its commit keeps it, within the branch's transaction. Only the bare words that such libraries
 * send are understood. Whatever else would end the transaction is refused as it is everywhere (guarded-sql.ts).
 */
import { GuardedSql, type StatementResult } from './guarded-sql.ts';
import type { Sql, StatementObject } from './sql.ts';

const begins = /^\s*(begin|start)(\s+(transaction|work))?\s*;?\s*$/i;
const commits = /^\s*(commit|end)(\s+(transaction|work))?\s*;?\s*$/i;
const rollsBack = /^\s*rollback(\s+(transaction|work))?\s*;?\s*$/i;

export class NestedTransactions {
  readonly #sql: GuardedSql;
  #depth = 0;

  constructor(sql: Sql) {
    if (!(sql instanceof GuardedSql)) {
      throw new TypeError('ormClient takes the sql that prepare was called with.');
    }
    this.#sql = sql;
  }

  async run(
    statement: string | StatementObject,
    values: readonly unknown[] | undefined,
  ): Promise<StatementResult> {
    const object = typeof statement === 'string' ? { text: statement } : statement;
    const text = object.text ?? object.sql ?? '';
    if (begins.test(text)) {
      this.#depth += 1;
      return this.#savepoint('SAVEPOINT');
    }
    if (this.#depth > 0 && commits.test(text)) return this.#ended('RELEASE SAVEPOINT');
    if (this.#depth > 0 && rollsBack.test(text)) {
      await this.#savepoint('ROLLBACK TO SAVEPOINT');
      return this.#ended('RELEASE SAVEPOINT');
    }
    return this.#sql.run(object, values, object as Readonly<Record<string, unknown>>);
  }

  async #ended(verb: string): Promise<StatementResult> {
    const result = await this.#savepoint(verb);
    this.#depth -= 1;
    return result;
  }

  #savepoint(verb: string): Promise<StatementResult> {
    return this.#sql.run(`${verb} verdict_${this.#depth}`, undefined);
  }
}
