/**
 * The session on which one branch is prepared:
 *
 *     begin: the session's locks, BEGIN, the row -> the service's SQL
 *       -> the row released, PREPARE TRANSACTION -> DISCARD ALL
 *
 * The transaction itself writes the row that says "committed", so it is visible exactly when the
 * rest is. It comes first, with a reference to what never exists, which the server checks when the
 * transaction is to end: a COMMIT or PREPARE TRANSACTION by anyone else fails, and the branch is
 * rolled back. Only the statement before our own PREPARE TRANSACTION takes the reference away.
 *
 * What else could end the transaction is seen after each statement: by the server's own status
 * (`I`, idle) and, after a ROLLBACK (maybe TO a savepoint, or AND CHAIN), by a setting of the
 * transaction.
 */
import type pg from 'pg';
import {
  BranchSession,
  picked,
  type SessionCall,
  type SessionLimits,
} from '../sql/branch-session.ts';
import {
  type Statement,
  type StatementResult,
  shortened,
  TransactionEndedError,
} from '../sql/guarded-sql.ts';
import { markOf } from '../sql/names.ts';
import { BranchTakenError } from '../sql/refusal.ts';
import { instanceLockOf, type PostgresqlContext, preparedAs } from './context.ts';
import { textIn } from './error-codes.ts';
import { endHolders, lockKey } from './locks.ts';
import { guardConstraint } from './server.ts';

/** Not a name: a named statement would outlive the session's cleaning in the driver alone. */
const rowOptions = ['rowMode', 'types'] as const;
/** In that time keep-alives, or what is sent and not taken, show a connection cut in silence. */
const silentMs = 25_000;
/** Of a relation: held until the transaction ends by whoever wrote to it or its catalogue. */
const writersModes = `'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'`;

export class PostgresqlSession extends BranchSession<PostgresqlContext> {
  readonly #client: pg.PoolClient;
  readonly #gid: string;
  #pid = 0;
  /** Where the row lies. */
  #ctid = '';
  /** The statement copies to or from its client, for which a query has no place. */
  #copying = false;

  constructor(context: PostgresqlContext, client: pg.PoolClient, gid: string, call: SessionCall) {
    super(context, call);
    this.#client = client;
    this.#gid = gid;
    client.on('error', this.setLost);
    const connection = connectionOf(client);
    connection.on('copyInResponse', this.#refuseData);
    connection.on('copyOutResponse', this.#setCopying);
  }

  protected async beginBranch({ waitMs, serverMs }: SessionLimits): Promise<void> {
    const { isolation, table, name } = this.context;
    const { instance } = this.call;
    const gid = this.#gid;
    // One message. BEGIN comes first: behind any query it could set no isolation level.
    const results = await this.#batch(
      `BEGIN ISOLATION LEVEL ${isolation};
       SET LOCAL verdict.branch = '${gid}';
       SET LOCAL lock_timeout = ${waitMs};
       SET LOCAL statement_timeout = ${serverMs};
       SET LOCAL idle_in_transaction_session_timeout = ${serverMs};
       SET LOCAL tcp_keepalives_idle = 10;
       SET LOCAL tcp_keepalives_interval = 5;
       SET LOCAL tcp_keepalives_count = 3;
       SET LOCAL tcp_user_timeout = ${silentMs};
       SELECT pg_backend_pid() AS pid, pg_try_advisory_lock(${lockKey(gid)}) AS mine,
              pg_try_advisory_lock_shared(${lockKey(instanceLockOf(name, instance))}) AS open;
       SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE starts_with(gid, '${gid}:')) AS held;
       INSERT INTO ${table} (gid, mark, open) SELECT '${gid}', '${markOf(instance)}', '${gid}'
        WHERE pg_try_advisory_lock(${lockKey(gid)}) AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE starts_with(gid, '${gid}:'))
       RETURNING ctid`,
    );
    const [begun, looked, row] = results.slice(-3).map(({ rows }) => rows[0] as unknown);
    const { pid, mine, open } = begun as { pid: number; mine: boolean; open: boolean };
    const { held } = looked as { held: boolean };
    this.#pid = pid;
    if (!open)
      throw new BranchTakenError('Another process of this instance has just begun. Try again.');
    if (!mine) throw new BranchTakenError('Another session is at work on this branch.');
    if (held) throw new BranchTakenError('The branch is prepared already.');
    this.#ctid = (row as { ctid: string }).ctid;
  }

  async query({ text, values, more }: Statement): Promise<StatementResult> {
    // The extended protocol, whatever the values: the server refuses two statements at once.
    const config = {
      ...picked(more, rowOptions),
      text,
      values: [...values],
      queryMode: 'extended',
    };
    let raw: pg.QueryResult<Record<string, unknown>>;
    this.#copying = false;
    try {
      raw = await this.#client.query(config as pg.QueryConfig);
    } catch (error) {
      await this.#afterFailure(text, error);
      throw this.#copying ? copyRefused(text) : error;
    }
    await this.#afterSuccess(text, raw.command);
    if (this.#copying) throw copyRefused(text);
    return { rows: raw.rows, affectedCount: raw.rowCount ?? 0, raw };
  }

  async #afterFailure(text: string, error: unknown): Promise<void> {
    if (textIn(error, 'constraint') === guardConstraint) {
      throw new TransactionEndedError(text, 'was refused, and nothing was committed.', error);
    }
    // The driver rejects before it has heard how the transaction stands now.
    await this.#client.query('').catch(() => undefined);
    if (this.#client.getTransactionStatus() !== 'I' || this.lost) return;
    throw new TransactionEndedError(text, 'failed and ended it; nothing was committed.', error);
  }

  async #afterSuccess(text: string, command: string): Promise<void> {
    if (command === 'BEGIN' || command === 'START') {
      throw new TransactionEndedError(text, 'was refused.');
    }
    if (this.#client.getTransactionStatus() === 'I') {
      throw new TransactionEndedError(
        text,
        command === 'ROLLBACK'
          ? 'rolled it back.'
          : `ended it (${command}); what it had done may be committed.`,
      );
    }
    if (command === 'ROLLBACK' && !(await this.#isOwn())) {
      throw new TransactionEndedError(text, 'rolled it back.');
    }
  }

  async #isOwn(): Promise<boolean> {
    const { rows } = await this.#client.query<{ branch: string | null }>(
      `SELECT current_setting('verdict.branch', true) AS branch`,
    );
    return rows[0]?.branch === this.#gid;
  }

  async prepareBranch(): Promise<void> {
    const gid = this.#gid;
    const { instance } = this.call;
    // The setting went with its transaction. In another one, which would be prepared without the
    // branch's work, this inserts a null, which the table refuses. As the resource's role,
    // whichever the service chose: only who prepared it may end it.
    const results = await this.#batch(
      `RESET SESSION AUTHORIZATION;
       RESET ROLE;
       INSERT INTO ${this.context.table} (gid, mark)
       VALUES (CASE current_setting('verdict.branch', true) WHEN '${gid}' THEN '${gid}' END, '${markOf(instance)}')
       ON CONFLICT (gid) DO UPDATE SET open = NULL;
       PREPARE TRANSACTION '${preparedAs(gid, instance)}'`,
    );
    // In a transaction that has failed or is over PREPARE TRANSACTION rolls back: no error.
    if (results.at(-1)?.command !== 'PREPARE') {
      throw new Error(
        'Nothing was prepared: a statement of the branch had failed, or had ended the transaction. Let errors of sql.query pass.',
      );
    }
    // It is prepared, whatever becomes of this session.
    void this.#clean().then(
      () => this.#release(),
      () => this.destroy(),
    );
  }

  async abandon({ readAll }: { readonly readAll: boolean }): Promise<void> {
    try {
      // What was read counts where its transaction can commit: under `serializable`, not always.
      const checked = readAll && this.context.isolation === 'serializable';
      if (checked && !(await this.#wrote())) await this.#commitNothing();
      else await this.#client.query('ROLLBACK');
      await this.#clean();
    } catch (error) {
      await this.destroy();
      throw error;
    }
    this.#release();
  }

  async destroy(): Promise<void> {
    await this.ending;
    this.#release(true);
  }

  /** Whatever the service may have written, our own row apart. */
  async #wrote(): Promise<boolean> {
    const { rows } = await this.#client.query<{ wrote: boolean }>(
      `SELECT EXISTS (
         SELECT FROM pg_locks
          WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode IN (${writersModes})
            AND relation <> '${this.context.table}'::regclass
            AND relation NOT IN (SELECT indexrelid FROM pg_index WHERE indrelid = '${this.context.table}'::regclass)
       ) AS wrote`,
    );
    return rows[0]?.wrote !== false;
  }

  async #commitNothing(): Promise<void> {
    const { table } = this.context;
    const results = await this.#batch(
      `DELETE FROM ${table} WHERE ctid = '${this.#ctid}' AND gid = '${this.#gid}';
       SET LOCAL synchronous_commit = off;
       COMMIT`,
    );
    if (results.at(-1)?.command !== 'COMMIT') {
      throw new Error('A statement of the branch had failed. Let errors of sql.query pass.');
    }
  }

  /** Locks, settings, role, temporary tables, cursors: the next branch finds a new session. */
  async #clean(): Promise<void> {
    await this.#client.query('DISCARD ALL');
  }

  /** Several statements in one message come back as a list of results. */
  async #batch(text: string): Promise<pg.QueryResult[]> {
    const results: unknown = await this.#client.query(text);
    return results as pg.QueryResult[];
  }

  protected endAtServer(): Promise<void> {
    return endHolders(this.context.pools.ends, this.#gid, this.#pid);
  }

  protected drop(): Promise<void> {
    return this.#client.end();
  }

  /** The driver sent that there are none; the server passed over that, and waits for a sync. */
  readonly #refuseData = (): void => {
    this.#copying = true;
    connectionOf(this.#client).sync();
  };

  readonly #setCopying = (): void => {
    this.#copying = true;
  };

  #release(destroy = false): void {
    if (!this.finish()) return;
    this.#client.off('error', this.setLost);
    const connection = connectionOf(this.#client);
    connection.off('copyInResponse', this.#refuseData);
    connection.off('copyOutResponse', this.#setCopying);
    // One that is being ended is of no use to the next.
    this.#client.release(destroy || this.ending !== null);
  }
}

interface WireConnection {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
  sync(): void;
}

/** The driver's own, which its types leave out. */
function connectionOf(client: pg.PoolClient): WireConnection {
  return (client as unknown as { readonly connection: WireConnection }).connection;
}

function copyRefused(text: string): Error {
  return new Error(
    `"${shortened(text)}" was refused: a query of a branch has no stream to copy from or to. Write rows with INSERT ... SELECT FROM unnest($1, ...), read them with SELECT, or let the server copy a file of its own.`,
  );
}
