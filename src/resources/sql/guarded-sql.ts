/**
 * The `sql` that a service gets: one statement after the other, and nothing once the branch has
 * moved on or its transaction has ended.
 *
 * No text is looked at: comments, functions and libraries have too many ways to say COMMIT. The
 * session asks the database after each statement whether the transaction is still the branch's own,
 * and throws `TransactionEndedError` if not. What came next would take effect at once, outside of
 * every transaction. So each statement waits for that answer, and what a service catches is kept.
 */
import { shown } from '../../core/fields.ts';
import { thrownText } from '../../core/thrown.ts';
import { HeardPromise } from './heard.ts';
import { isInCauses } from './refusal.ts';
import type { GivenStatement, GivenValues, Sql, SqlResult } from './sql.ts';
import type { Turns } from './turns.ts';

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** What else a driver takes, from a library that knows it. */
  readonly more: Readonly<Record<string, unknown>>;
}

export interface StatementResult extends SqlResult<unknown> {
  readonly raw: unknown;
}

/** What a library needs to know of the branch's database. */
export interface LibraryDatabase {
  readonly kind: 'postgresql' | 'mariadb';
  /** The `ormClient` of that database: only its own module loads the driver. */
  // biome-ignore lint/suspicious/noExplicitAny: the libraries want the driver's own classes
  readonly client: (sql: Sql) => any;
}

/** The branch's transaction is over, or is about to be no one's: it can only be given up. */
export class TransactionEndedError extends Error {
  override readonly name = 'TransactionEndedError';

  constructor(statement: string, what: string, cause?: unknown) {
    super(
      `A branch neither begins nor ends its transaction: "${shortened(statement)}" ${what} In prepare return vote.commit() or vote.abort(...) instead, in run return or throw; a library that wants transactions of its own gets ormClient(sql).`,
      { cause },
    );
  }
}

export function shortened(statement: string): string {
  const text = statement.trim().replaceAll(/\s+/g, ' ');
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

export class GuardedSql implements Sql {
  readonly turns: Turns;
  readonly library: LibraryDatabase;
  readonly #run: (statement: Statement) => Promise<StatementResult>;
  /** Resolves when the one before is done, whichever way. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #unfinished = new Set<Given>();
  /** Someone may still come to hear of them, until prepare returns. */
  readonly #failed: Given[] = [];
  #ended = false;
  #broken: TransactionEndedError | null = null;
  readonly #failures = new WeakSet<object>();
  #lastFailures: readonly unknown[] = [];

  constructor(
    run: (statement: Statement) => Promise<StatementResult>,
    { turns, library }: { readonly turns: Turns; readonly library: LibraryDatabase },
  ) {
    this.#run = run;
    this.turns = turns;
    this.library = library;
  }

  query<Row>(statement: GivenStatement, values?: readonly unknown[]): Promise<SqlResult<Row>> {
    return this.given(statement, async () => {
      if (this.turns.taken && !this.#ended)
        throw notSent(textOf(statement), this.leftOpen() ?? besideTransaction);
      const { rows, affectedCount } = await this.run(statement, values);
      return { rows: rows as readonly Row[], affectedCount };
    });
  }

  /** Prepare must not return before the statement is done, nor pass over its failure. */
  given<T>(statement: GivenStatement, work: () => Promise<T>): Promise<T> {
    const one: Given = { text: textOf(statement) };
    this.#unfinished.add(one);
    const done = work()
      .catch((error: unknown) => {
        one.error = error;
        this.#failed.push(one);
        throw error;
      })
      .finally(() => this.#unfinished.delete(one));
    const promise = HeardPromise.of(done);
    one.promise = promise;
    return promise;
  }

  run(
    given: GivenStatement,
    values: GivenValues,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<StatementResult> {
    const statement = { ...statementOf(given, values), more };
    const result = this.#last.then(() => this.#runNow(statement));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #runNow(statement: Statement): Promise<StatementResult> {
    try {
      if (this.#broken !== null) throw this.#broken;
      if (this.#ended) {
        throw new Error(
          'The branch is over: await every query before its function returns, and keep no handle for later.',
        );
      }
      return await this.#run(statement);
    } catch (error) {
      if (error instanceof TransactionEndedError) {
        this.#broken = error;
        this.turns.close();
      }
      if (typeof error === 'object' && error !== null) this.#failures.add(error);
      this.#lastFailures = [...this.#lastFailures.slice(-1), error];
      throw error;
    }
  }

  /** Resolves when nothing is under way. Rejects where the branch must not be prepared. */
  async end(): Promise<void> {
    this.#ended = true;
    const [unfinished] = this.#unfinished;
    const unheard = this.#failed.find(({ promise }) => promise?.heard === false);
    this.turns.close();
    await this.#last;
    if (this.#broken !== null) throw this.#broken;
    if (unheard !== undefined) {
      throw new Error(
        `"${shortened(unheard.text)}" was not awaited, and failed: ${thrownText(unheard.error)} - Await every query.`,
        { cause: unheard.error },
      );
    }
    if (unfinished !== undefined) {
      throw new Error(
        `The function returned before "${shortened(unfinished.text)}" was done: await every query.`,
      );
    }
    const left = this.leftOpen();
    if (left !== null) throw new Error(`The branch cannot be prepared: ${left}`);
    if (this.turns.taken) {
      throw new Error(
        'The function returned while a transaction of a library was open on ormClient(sql), neither committed nor rolled back: await it first.',
      );
    }
  }

  /** Why no turn will come any more. */
  leftOpen(): string | null {
    const begun = this.turns.leftOpen;
    return begun === null
      ? null
      : `"${shortened(begun)}" began a transaction on a connection that was given back without its end, which no one can send any more. Use the library's own transaction() instead.`;
  }

  /** What failed ahead of the last failure: a library's rollback may have failed for it. */
  get failedBefore(): unknown {
    return this.#lastFailures.length > 1 ? this.#lastFailures[0] : undefined;
  }

  /** The failure with these words of the database's: a library may keep nothing else of it. */
  failureSaying(text: string | null): unknown {
    return this.#lastFailures.findLast((one) => {
      const { message, sqlMessage } = (one ?? {}) as { message?: unknown; sqlMessage?: unknown };
      return text !== null && (sqlMessage === text || message === text);
    });
  }

  /** Whether it is what a statement failed with, or was caused by that. */
  isFailure(error: unknown): boolean {
    return isInCauses(error, (one) => this.#failures.has(one));
  }

  /** Sends no more. Returns what ended the transaction, which a library's own error may hide. */
  stop(): TransactionEndedError | null {
    this.#ended = true;
    this.turns.close();
    return this.#broken;
  }
}

interface Given {
  readonly text: string;
  promise?: HeardPromise<unknown>;
  error?: unknown;
}

const besideTransaction = `a library's transaction is open on ormClient(sql), whose rollback would undo this as well. Await that transaction first, or run this within it, on the handle that it was given.`;

/** Nothing that was done is lost. */
export function notSent(text: string, why: string): Error {
  return new Error(`"${shortened(text)}" was not sent: ${why}`);
}

export function textOf(statement: GivenStatement): string {
  const text: unknown =
    typeof statement === 'string' ? statement : (statement?.text ?? statement?.sql);
  return typeof text === 'string' ? text : '';
}

function statementOf(
  given: GivenStatement,
  values: GivenValues,
): Pick<Statement, 'text' | 'values'> {
  const object = typeof given === 'string' ? { text: given } : (given ?? {});
  const text: unknown = object.text ?? object.sql;
  if (typeof text !== 'string' || typeof (object as { submit?: unknown }).submit === 'function') {
    throw new TypeError(
      'A query takes a text, or an object with a text, and its values; no cursor and no stream.',
    );
  }
  const all: unknown = values ?? object.values ?? [];
  if (Array.isArray(all)) return { text, values: all };
  // The driver of PostgreSQL would take a text for a list of its characters.
  throw new TypeError(
    `The values of a query are a list, one for each placeholder, not ${shown(all)}.`,
  );
}
