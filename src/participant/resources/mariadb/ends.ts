/**
 * The few connections that are kept for all but prepares. There is no limit to a decided outcome, only to one attempt: a
 * server that vanished answers none, and the connection that waited for it is of no use to the next.
 */
import mysql, { type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';
import type { MariadbConnection } from './connection-options.ts';
import { settingsOf } from './connections.ts';

const sessionsMax = 4;
const lockWaitSeconds = 5;
const timeoutMsDefault = 30_000;

/** Where statements run, each with its limit. */
export interface Statements {
  rows<Row extends RowDataPacket>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  write(text: string, values?: readonly unknown[]): Promise<ResultSetHeader>;
}

export class Ends implements Statements {
  readonly #pool: mysql.Pool;
  readonly #timeoutMs: number;

  constructor(connection: MariadbConnection, options: { readonly timeoutMs?: number } = {}) {
    this.#timeoutMs = options.timeoutMs ?? timeoutMsDefault;
    this.#pool = mysql.createPool({
      ...settingsOf(connection),
      connectionLimit: sessionsMax,
      enableKeepAlive: true,
    });
    this.#pool.on('connection', (one) => {
      // What was under way on a connection that breaks rejects, and the next one gets another.
      one.on('error', ignore);
      // Nothing here has a reason to wait for a lock for long: one that fails is asked again.
      // The types say otherwise, but the event brings the connection that takes callbacks.
      const raw = one as unknown as { query(text: string, done: () => void): void };
      raw.query(`SET SESSION innodb_lock_wait_timeout = ${lockWaitSeconds}`, ignore);
    });
  }

  rows<Row extends RowDataPacket>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#once<Row[]>(text, values);
  }

  write(text: string, values?: readonly unknown[]): Promise<ResultSetHeader> {
    return this.#once<ResultSetHeader>(text, values);
  }

  /** Several statements on one connection. Where `body` rejects it is ended, and what it held goes with it. */
  async together<T>(body: (on: Statements) => Promise<T>): Promise<T> {
    const on = await this.#pool.getConnection();
    let done = false;
    try {
      const result = await body({
        rows: <Row extends RowDataPacket>(text: string, values?: readonly unknown[]) =>
          this.#run<Row[]>(on, text, values),
        write: (text, values) => this.#run<ResultSetHeader>(on, text, values),
      });
      done = true;
      return result;
    } finally {
      if (done) on.release();
      else on.destroy();
    }
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  async #once<Result extends RowDataPacket[] | ResultSetHeader>(
    text: string,
    values: readonly unknown[] | undefined,
  ): Promise<Result> {
    const on = await this.#pool.getConnection();
    try {
      const result = await this.#run<Result>(on, text, values);
      on.release();
      return result;
    } catch (error) {
      // Its answer may come yet, and would be taken for that to the next.
      if ((error as { code?: unknown }).code === 'PROTOCOL_SEQUENCE_TIMEOUT') on.destroy();
      else on.release();
      throw error;
    }
  }

  async #run<Result extends RowDataPacket[] | ResultSetHeader>(
    on: mysql.PoolConnection,
    sql: string,
    values: readonly unknown[] | undefined,
  ): Promise<Result> {
    const timeout = this.#timeoutMs;
    const asked = values === undefined ? { sql, timeout } : { sql, timeout, values };
    const [result] = await on.query<Result>(asked as mysql.QueryOptions);
    return result;
  }
}

function ignore(): void {}
