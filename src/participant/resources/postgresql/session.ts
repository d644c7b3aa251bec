/**
 * The session on which one branch is prepared:
 *
 *     begin: locks of the session, BEGIN -> the service's SQL -> the row, PREPARE TRANSACTION -> locks let go
 *
 * The row that says "committed" is written by the transaction itself, so it is visible exactly when the
 * rest is.
 */
import type pg from 'pg';
import type { PrepareCall } from '../../../ports/resource.ts';
import type { SqlResult } from '../sql/sql.ts';
import type { PostgresqlContext } from './context.ts';
import { endHolders, letGo, lockKey } from './locks.ts';

/** The server's own limits, behind those of the SDK: they count where this process or its host vanishes. */
const serverGraceMs = 5_000;

export class Session {
  readonly #context: PostgresqlContext;
  readonly #client: pg.PoolClient;
  readonly #gid: string;
  readonly #signal: AbortSignal;
  #pid = 0;
  #ending: Promise<void> | null = null;
  #over = false;

  /** Rejects where the branch is prepared already, or is just being. */
  static async begin(
    context: PostgresqlContext,
    gid: string,
    call: Pick<PrepareCall<unknown>, 'signal' | 'timeoutMs'>,
  ): Promise<Session> {
    const client = await context.pools.work.connect();
    const session = new Session(context, client, gid, call.signal);
    try {
      await session.#begin(call.timeoutMs);
      return session;
    } catch (error) {
      await session.destroy();
      throw error;
    }
  }

  private constructor(
    context: PostgresqlContext,
    client: pg.PoolClient,
    gid: string,
    signal: AbortSignal,
  ) {
    this.#context = context;
    this.#client = client;
    this.#gid = gid;
    this.#signal = signal;
  }

  async #begin(timeoutMs: number): Promise<void> {
    const { lockWaitMs, isolation, resourceLock } = this.#context;
    this.#signal.throwIfAborted();
    const gid = this.#gid;
    const limitMs = timeoutMs > 0 ? timeoutMs + serverGraceMs : 0;
    const waitMs = timeoutMs > 0 ? Math.min(lockWaitMs, timeoutMs) : lockWaitMs;
    // One message. BEGIN comes first: behind any query it could set no isolation level.
    const results = await this.#batch(
      `BEGIN ISOLATION LEVEL ${isolation};
       SET LOCAL verdict.branch = '${gid}';
       SET LOCAL lock_timeout = ${waitMs};
       SET LOCAL statement_timeout = ${limitMs};
       SET LOCAL idle_in_transaction_session_timeout = ${limitMs};
       SELECT pg_backend_pid() AS pid, pg_try_advisory_lock(${lockKey(gid)}) AS mine,
              pg_try_advisory_lock_shared(${lockKey(resourceLock)}) AS open;
       SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = '${gid}') AS held`,
    );
    const [begun, looked] = results.slice(-2).map(({ rows }) => rows[0] as unknown);
    const { pid, mine, open } = begun as { pid: number; mine: boolean; open: boolean };
    const { held } = looked as { held: boolean };
    this.#pid = pid;
    if (!open) throw new Error('Another process has just opened this resource. Try again.');
    if (!mine) throw new Error('Another session is at work on this branch.');
    if (held) throw new Error('The branch is prepared already.');
    this.#signal.addEventListener('abort', this.#interrupt, { once: true });
    if (this.#signal.aborted) this.#interrupt();
  }

  async query(text: string, values: readonly unknown[]): Promise<SqlResult<unknown>> {
    const result = await this.#client.query<Record<string, unknown>>(text, [...values]);
    return { rows: result.rows, affectedCount: result.rowCount ?? 0 };
  }

  /** Resolves when the branch is durably prepared. Rejects where it may or may not be. */
  async prepareBranch(): Promise<void> {
    const gid = this.#gid;
    // The setting went with the transaction in which it was made: in another one, which would be prepared without the
    // work of the branch, this inserts a null, which the table refuses.
    const results = await this.#batch(
      `INSERT INTO ${this.#context.table} (gid)
       SELECT CASE current_setting('verdict.branch', true) WHEN '${gid}' THEN '${gid}' END;
       PREPARE TRANSACTION '${gid}'`,
    );
    // In a transaction that has failed, or is over, PREPARE TRANSACTION is no error: it rolls back, and says so.
    if (results[1]?.command !== 'PREPARE') {
      throw new Error(
        'Nothing was prepared: a statement of the branch had failed, or had ended the transaction. Let errors of sql.query pass.',
      );
    }
    // It is prepared, whatever becomes of this session.
    void letGo(this.#client).then(
      () => this.#release(),
      () => this.destroy(),
    );
  }

  /** Nothing is held afterwards; rejects where that is not certain. `readAll`: ends what only read, checked as a commit is. */
  async abandon({ readAll }: { readonly readAll: boolean }): Promise<void> {
    try {
      await this.#client.query(readAll && !(await this.#wrote()) ? 'COMMIT' : 'ROLLBACK');
      await letGo(this.#client);
    } catch (error) {
      await this.destroy();
      throw error;
    }
    this.#release();
  }

  /** The connection is not used again; the server ends the session when it notices. */
  async destroy(): Promise<void> {
    await this.#ending;
    this.#release(true);
  }

  async #wrote(): Promise<boolean> {
    const { rows } = await this.#client.query<{ wrote: boolean }>(
      'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS wrote',
    );
    return rows[0]?.wrote !== false;
  }

  /** Several statements in one message come back as a list of results. */
  async #batch(text: string): Promise<pg.QueryResult[]> {
    const results: unknown = await this.#client.query(text);
    return results as pg.QueryResult[];
  }

  /**
   * The session ends, not only its statement: a cancellation that comes too late would hit the next branch on
   * this connection.
   */
  readonly #interrupt = (): void => {
    this.#ending ??= endHolders(this.#context.pools.ends, this.#gid, this.#pid).catch(ignore);
  };

  #release(destroy = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal.removeEventListener('abort', this.#interrupt);
    // One that is being ended is of no use to the next.
    this.#client.release(destroy || this.#ending !== null);
  }
}

function ignore(): void {}
