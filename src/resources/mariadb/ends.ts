/**
 * The few connections that are kept for all but prepares. Only an attempt has a limit, a decided
 * outcome has none: a server that vanished does not answer, and the connection is then of no use.
 */
import mysql, { type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';
import { systemClock } from '../../system/clock.ts';
import { type Stream, Streams } from '../sql/waiting.ts';
import type { MariadbConnection } from './connection-options.ts';

const connectTimeoutMs = 10_000;
const maxSessions = 4;
const lockWaitSeconds = 5;
const timeoutMsDefault = 30_000;
/** So lately heard of, a connection is trusted. */
const trustedMsDefault = 10;
/** So long one has for its answer to a ping: a round trip, whatever the server is busy with. */
const answerMs = 1_000;
/** In place of the server's defaults. Without `autocommit` no row written here would be seen. */
const settings = `SET SESSION autocommit = 1, completion_type = 'NO_CHAIN', wait_timeout = 28800,
  innodb_lock_wait_timeout = ${lockWaitSeconds}`;

/** Where statements run, each with its limit. */
export interface Statements {
  rows<Row extends RowDataPacket>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  write(text: string, values?: readonly unknown[]): Promise<ResultSetHeader>;
}

export class Ends implements Statements {
  readonly #pool: mysql.Pool;
  readonly #limits: { readonly timeoutMs: number; readonly trustedMs: number };
  readonly #streams = new Streams();
  /** By the driver's own connection. */
  readonly #heardOfAtMs = new WeakMap<object, number>();

  constructor(
    connection: MariadbConnection,
    options: { readonly timeoutMs?: number; readonly trustedMs?: number } = {},
  ) {
    this.#limits = { timeoutMs: timeoutMsDefault, trustedMs: trustedMsDefault, ...options };
    this.#pool = mysql.createPool({
      ...settingsOf(connection),
      connectionLimit: maxSessions,
      enableKeepAlive: true,
    });
    this.#pool.on('connection', (one) => {
      // What was under way on a connection that breaks rejects, and the next one gets another.
      one.on('error', ignore);
      // Nothing here needs to wait for a lock for long: one that fails is asked again. The types
      // say otherwise, but the event brings the connection that takes callbacks.
      const raw = one as unknown as {
        readonly stream: Stream;
        query(text: string, done: () => void): void;
      };
      raw.query(settings, ignore);
      this.#streams.add(raw.stream);
    });
    this.#pool.on('release', (one) => {
      this.#heardOfAtMs.set(one, systemClock.monotonicMs());
    });
  }

  rows<Row extends RowDataPacket>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#lend((on) => on.rows<Row>(text, values), isTooLate);
  }

  write(text: string, values?: readonly unknown[]): Promise<ResultSetHeader> {
    return this.#lend((on) => on.write(text, values), isTooLate);
  }

  /** Several statements on one connection. Where `body` rejects it ends, with all that it holds. */
  together<T>(body: (on: Statements) => Promise<T>): Promise<T> {
    return this.#lend(body, () => true);
  }

  end(): Promise<void> {
    return this.#streams.endWith(systemClock, this.#pool.end());
  }

  /** Asks one that has been quiet: a NAT or a firewall may have dropped it in silence. */
  async #connection(): Promise<mysql.PoolConnection> {
    for (;;) {
      const on = await this.#pool.getConnection();
      const heardOfAtMs = this.#heardOfAtMs.get(on.connection);
      if (heardOfAtMs === undefined) return on;
      if (systemClock.monotonicMs() - heardOfAtMs < this.#limits.trustedMs) return on;
      try {
        await on.query({ sql: 'DO 0', timeout: answerMs });
        return on;
      } catch {
        on.destroy();
      }
    }
  }

  async #lend<T>(
    body: (on: Statements) => Promise<T>,
    endsIt: (error: unknown) => boolean,
  ): Promise<T> {
    const on = await this.#connection();
    const run = async <Result extends RowDataPacket[] | ResultSetHeader>(
      sql: string,
      values: readonly unknown[] | undefined,
    ): Promise<Result> => {
      const timeout = this.#limits.timeoutMs;
      const asked = values === undefined ? { sql, timeout } : { sql, timeout, values };
      const [result] = await on.query<Result>(asked as mysql.QueryOptions);
      return result;
    };
    try {
      const result = await body({ rows: run, write: run });
      on.release();
      return result;
    } catch (error) {
      if (endsIt(error)) on.destroy();
      else on.release();
      throw error;
    }
  }
}

/** Its answer may come yet, and would be taken for that to the next. */
function isTooLate(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'PROTOCOL_SEQUENCE_TIMEOUT';
}

/** The connection of one prepare, which ends with it (session.ts). */
export async function openSession(connection: MariadbConnection): Promise<mysql.Connection> {
  const session = await mysql.createConnection(settingsOf(connection));
  session.on('error', ignore);
  return session;
}

function settingsOf(connection: MariadbConnection): mysql.ConnectionOptions {
  const { uri, ...parts } = connection;
  return {
    ...parts,
    ...(uri === undefined ? {} : { uri: withoutMultiple(uri) }),
    connectTimeout: connectTimeoutMs,
    // Objects are values, never parts of a statement.
    stringifyObjects: true,
    multipleStatements: false,
    flags: ['-MULTI_STATEMENTS'],
  };
}

/** What a URI asks for goes before the options. */
function withoutMultiple(uri: string): string {
  const url = new URL(uri);
  for (const name of ['multipleStatements', 'flags']) url.searchParams.delete(name);
  return url.href;
}

function ignore(): void {}
