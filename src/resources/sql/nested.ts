/**
 * For libraries with transactions of their own: inside a branch each becomes a savepoint, so that
 * the library's rollback undoes its work and its commit keeps it within the branch's transaction.
 * Only such libraries' words are known; all else that would end it is refused (guarded-sql.ts).
 *
 * One transaction is open at a time (turns.ts), so each statement must belong to one: its
 * connection tells. What is not sent is lost to no one, so the service may handle that error.
 */
import { GuardedSql, notSent, type StatementResult, textOf } from './guarded-sql.ts';
import type { GivenStatement, GivenValues, Sql } from './sql.ts';

type More = Readonly<Record<string, unknown>>;

const begins = /^\s*(begin|start)(\s+(transaction|work))?\s*;?\s*$/i;
/** With an isolation level or an access mode. */
const sets =
  /^\s*((begin|start)\s+([a-z]+\s+)*(isolation|read|not|deferrable|with)\b|set\s+(session\s+|local\s+)?transaction\b|set\s+session\s+characteristics\b)/i;
const commits = /^\s*(commit|end)(\s+(transaction|work))?\s*;?\s*$/i;
const rollsBack = /^\s*rollback(\s+(transaction|work))?\s*;?\s*$/i;
const savepoints = /^\s*savepoint\b/i;
const savepoint = 'verdict_1';

export const levelRefused =
  'the branch\'s transaction has begun already, and its isolation level and access mode cannot be changed within it. Set the level for all branches, with the option "isolation" of openPostgresqlResource or openMariadbResource, and begin without one.';

export function guardedSql(sql: Sql): GuardedSql {
  if (sql instanceof GuardedSql) return sql;
  throw new TypeError('ormClient takes the sql that prepare was called with.');
}

/** One connection of a library's: its statements are sent in their order. */
export class NestedTransactions {
  readonly #sql: GuardedSql;
  readonly #pool: string | null;
  #last: Promise<unknown> = Promise.resolve();
  #open = false;
  /** The statement that began what is open. */
  #begun = '';
  #released = false;
  /** Why its transaction was not begun. What follows would not be undone with it. */
  #refused: Error | null = null;

  /** `pool`: it stands for a pool, whose queries may be anyone's; says how to take a connection. */
  constructor(sql: GuardedSql, { pool = null }: { readonly pool?: string | null } = {}) {
    this.#sql = sql;
    this.#pool = pool;
  }

  /** `more`: for the session, beside what the statement's object has. */
  run(statement: GivenStatement, values: GivenValues, more: More = {}): Promise<unknown> {
    return this.#sql.given(statement, () => {
      const result =
        this.#pool === null
          ? this.#last.then(() => this.#next(statement, values, more))
          : this.#next(statement, values, more);
      this.#last = result.catch(() => undefined);
      return result;
    });
  }

  /**
   * It is given back. What a library still sends on it belongs to no transaction of its own: so of
   * one whose time was over, the rest would stay though it was rolled back (!).
   */
  release(): void {
    this.#released = true;
    // A `begin` of the service's own may be open on it.
    void this.#last.then(() => {
      if (this.#open) this.#sql.turns.leave(this.#begun);
    });
  }

  /** The connection is of no use to the library any more, and what is open on it is rolled back. */
  giveUp(): void {
    if (this.#open) void this.run('ROLLBACK', undefined);
    void this.#last.then(() => this.release());
  }

  async #next(statement: GivenStatement, values: GivenValues, more: More): Promise<unknown> {
    const text = textOf(statement);
    const begun = begins.test(text);
    const starts = begun || sets.test(text);
    if (starts) this.#refused = null;
    if (this.#refused !== null) throw this.#refused;
    try {
      const problem = this.#problemOf(text, begun);
      if (problem !== null) throw notSent(text, problem);
      const send = () => this.#send(statement, values, more);
      const { raw } = await this.#sql.turns.run(this, send, (limitMs) => {
        const left = this.#sql.leftOpen();
        return left === null ? tooLate(text, limitMs) : notSent(text, left);
      });
      return raw;
    } catch (error) {
      if (starts && !this.#open) this.#refused = error as Error;
      throw error;
    }
  }

  /** Why it is not sent. */
  #problemOf(text: string, begun: boolean): string | null {
    if (this.#released) return 'its connection was given back, as when a transaction is over.';
    if (sets.test(text)) return levelRefused;
    if (begun && this.#open)
      return 'a transaction is open on this connection already, and it cannot be known whose the next statements are. Take a connection for each from ormClient(sql), or nest with SAVEPOINT.';
    const ends = begun || commits.test(text) || rollsBack.test(text) || savepoints.test(text);
    if (ends && this.#pool !== null)
      return `ormClient(sql) is a pool, whose statements may be anyone's. Begin a transaction on a connection of it: ${this.#pool}. With a library, use its own transaction().`;
    if (savepoints.test(text) && !this.#open)
      return 'no transaction is open on this connection. Begin one first.';
    return null;
  }

  async #send(
    statement: GivenStatement,
    values: GivenValues,
    more: More,
  ): Promise<StatementResult> {
    const text = textOf(statement);
    if (begins.test(text)) return this.#begin(text);
    if (this.#open && commits.test(text)) return this.#end();
    if (this.#open && rollsBack.test(text)) {
      await this.#sql.run(`ROLLBACK TO SAVEPOINT ${savepoint}`, undefined);
      return this.#end();
    }
    const object = typeof statement === 'string' ? { text } : statement;
    return this.#sql.run(object, values, { ...(object as More), ...more });
  }

  async #begin(text: string): Promise<StatementResult> {
    this.#begun = text;
    this.#sql.turns.take(this);
    this.#open = true;
    try {
      return await this.#sql.run(`SAVEPOINT ${savepoint}`, undefined);
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  async #end(): Promise<StatementResult> {
    const result = await this.#sql.run(`RELEASE SAVEPOINT ${savepoint}`, undefined);
    this.#close();
    return result;
  }

  #close(): void {
    this.#open = false;
    this.#sql.turns.give();
  }
}

function tooLate(text: string, limitMs: number): Error {
  return notSent(
    text,
    `another transaction was open on ormClient(sql) for more than ${limitMs} ms. A branch is one database transaction, in which those of a library run one after the other: within one use the handle that it was given, not the outer one, and end it before the next.`,
  );
}

export type Done = (error: unknown, ...more: unknown[]) => void;
export type Values = readonly unknown[] | Done;

/** With a promise or, for libraries that want one, a callback; `given` is what that gets. */
export function answer(
  values: Values | undefined,
  done: Done | undefined,
  run: (values: GivenValues) => Promise<unknown>,
  given: (raw: unknown) => readonly unknown[] = (raw) => [raw],
): unknown {
  const callback = typeof values === 'function' ? values : done;
  const result = run(typeof values === 'function' ? undefined : values);
  if (callback === undefined) return result;
  result.then(
    (raw) => callback(null, ...given(raw)),
    (error: unknown) => callback(error),
  );
  return undefined;
}
