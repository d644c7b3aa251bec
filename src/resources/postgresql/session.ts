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
import { thrownText } from '../../core/thrown.ts';
import {
  BranchSession,
  picked,
  type SessionCall,
  type SessionLimits,
  type SessionUse,
} from '../sql/branch-session.ts';
import {
  type Statement,
  type StatementResult,
  shortened,
  TransactionEndedError,
} from '../sql/guarded-sql.ts';
import { markOf } from '../sql/names.ts';
import { BranchTakenError, locksReleased } from '../sql/refusal.ts';
import { instanceLockOf, type PostgresqlContext, preparedAs } from './context.ts';
import { inFailedTransaction, readOnlyTransaction, textIn } from './error-codes.ts';
import { locking, writing } from './held.ts';
import { endHolders, lockKey } from './locks.ts';
import { guardConstraint } from './server.ts';

/**
 * What writes nothing, or leaves a lock where it does: which is asked for. All else counts as
 * written: GRANT and CREATE FUNCTION leave none, and no one sees what DO and CALL do.
 */
const leavesLocks: ReadonlySet<string | null> = new Set([
  ...[null, 'SELECT', 'SHOW', 'SET', 'RESET', 'EXPLAIN', 'LOCK', 'COPY', 'LISTEN', 'UNLISTEN'],
  ...['SAVEPOINT', 'RELEASE', 'ROLLBACK', 'DECLARE', 'FETCH', 'MOVE', 'CLOSE'],
  ...['PREPARE', 'DEALLOCATE', 'DISCARD', 'LOAD'],
]);
/** Of large objects, and what a commit alone sends, as NOTIFY does: no lock tells before. */
const leavesNone = /\b(pg_notify|pg_logical_emit_message|lo_\w+)\s*\(/i;
/** Not a name: a named statement would outlive the session's cleaning in the driver alone. */
const rowOptions = ['rowMode', 'types'] as const;
/** In that time keep-alives, or what is sent and not taken, show a connection cut in silence. */
const silentMs = 25_000;
/** A setting that never exists: to ask for it is an error. */
const notHeld = 'verdict.branch_lock';

export class PostgresqlSession extends BranchSession<PostgresqlContext> {
  readonly #client: pg.PoolClient;
  readonly #gid: string;
  #pid = 0;
  /** Where the row lies. */
  #ctid = '';
  /** The statement copies to or from its client, for which a query has no place. */
  #copying = false;
  #written = false;
  /** Resolves when the statement before is done, whichever way. */
  #last: Promise<void> = Promise.resolve();
  /** Whether its transaction was ended as asked, once that is known; null: not asked for. */
  #ended: Promise<boolean> | null = null;
  /** It is given up: what it still does fails for that, and is no one's any more. */
  #abandoned: Promise<void> | null = null;
  /** What the transaction failed of: since then the server refuses every statement of it. */
  #failed: { readonly text: string; readonly error: unknown } | null = null;

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
      raw = await this.#send(config as pg.QueryConfig);
    } catch (error) {
      await this.#afterFailure(text, error);
      throw this.#copying ? copyRefused(text) : this.#withFirst(error);
    }
    await this.#afterSuccess(text, raw.command);
    if (this.#copying) throw copyRefused(text);
    this.#written ||= !leavesLocks.has(raw.command) || leavesNone.test(text);
    return { rows: raw.rows, affectedCount: raw.rowCount ?? 0, raw };
  }

  async #afterFailure(text: string, error: unknown): Promise<void> {
    if (textIn(error, 'constraint') === guardConstraint) {
      throw new TransactionEndedError(text, 'was refused, and nothing was committed.', error);
    }
    // The ROLLBACK that waits comes first: what was then asked would be of no transaction.
    if (this.#abandoned !== null) return;
    // The driver rejects before it has heard how the transaction stands now.
    await this.#send('').catch(() => undefined);
    const status = this.#client.getTransactionStatus();
    if (status === 'E' && textIn(error, 'code') !== inFailedTransaction) {
      this.#failed ??= { text, error };
    }
    if (status !== 'I' || this.lost) return;
    throw new TransactionEndedError(text, 'failed and ended it; nothing was committed.', error);
  }

  /** Of a refusal the first failure is told, also to whoever heard of the refusal alone. */
  #withFirst(error: unknown): unknown {
    // A code is the server's: that failed for itself.
    if (textIn(error, 'code') === null) return this.firstCause(error);
    const failed = this.#failed;
    if (failed === null || textIn(error, 'code') !== inFailedTransaction) return error;
    const why = `"${shortened(failed.text)}" failed before: ${thrownText(failed.error)}`;
    return Object.assign(error as Error, {
      message: `${thrownText(error)}: ${why}`,
      cause: failed.error,
    });
  }

  async #afterSuccess(text: string, command: string): Promise<void> {
    // A savepoint has undone the failure.
    if (this.#client.getTransactionStatus() === 'T') this.#failed = null;
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
    const { rows } = await this.#send<{ branch: string | null }>(
      `SELECT current_setting('verdict.branch', true) AS branch`,
    );
    return rows[0]?.branch === this.#gid;
  }

  async prepareBranch(): Promise<void> {
    const { instance } = this.call;
    // In a transaction that has failed or is over PREPARE TRANSACTION rolls back: no error.
    const statement = `PREPARE TRANSACTION '${preparedAs(this.#gid, instance)}'`;
    await this.#end(statement, { command: 'PREPARE', what: 'prepared' });
  }

  commitBranch(): Promise<void> {
    return this.#end('COMMIT', { command: 'COMMIT', what: 'committed' });
  }

  #end(
    statement: string,
    expected: { readonly command: string; readonly what: string },
  ): Promise<void> {
    const end = this.#endWith(statement).then((command) => {
      if (command !== expected.command) throw nothingDone(expected.what);
      this.#letGo();
    });
    this.#ended = end.then(
      () => true,
      () => false,
    );
    return end;
  }

  /** What the server calls the end that it came to. */
  async #endWith(statement: string): Promise<string | undefined> {
    const gid = this.#gid;
    const { instance } = this.call;
    // The setting went with its transaction. In another one, which would be prepared without the
    // branch's work, this inserts a null, which the table refuses. As the resource's role,
    // whichever the service chose: only who prepared it may end it. The branch's lock was taken
    // twice: one is given back, which tells that it was held. With it gone no one could tell that
    // this session is about to prepare: what was rolled back meanwhile would come alive (!).
    const results = await this.#batch(
      `RESET SESSION AUTHORIZATION;
       RESET ROLE;
       SELECT CASE WHEN NOT pg_advisory_unlock(${lockKey(gid)}) THEN current_setting('${notHeld}') END;
       INSERT INTO ${this.context.table} (gid, mark)
       VALUES (CASE current_setting('verdict.branch', true) WHEN '${gid}' THEN '${gid}' END, '${markOf(instance)}')
       ON CONFLICT (gid) DO UPDATE SET open = NULL;
       ${statement}`,
    ).catch((error: unknown) => {
      if (!thrownText(error).includes(notHeld)) throw error;
      throw locksReleased('pg_advisory_unlock_all(): use pg_advisory_unlock');
    });
    return results.at(-1)?.command;
  }

  /** It is done, whatever becomes of this session. */
  #letGo(): void {
    void this.#clean().then(
      () => this.#release(),
      () => this.destroy(),
    );
  }

  abandon(how: { readonly readAll: boolean }): Promise<void> {
    this.#abandoned ??= this.#abandon(how);
    return this.#abandoned;
  }

  async #abandon({ readAll }: { readonly readAll: boolean }): Promise<void> {
    // Done, it has been let go: what is sent now would meet the next branch on it (!).
    if (await this.#ended) return;
    try {
      // What was read counts where its transaction can commit: under `serializable`, not always.
      const checked = readAll && !this.#written && this.context.isolation === 'serializable';
      if (checked && !(await this.#holds(writing(this.context.table)))) await this.#commitNothing();
      else await this.#send('ROLLBACK');
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

  async use(): Promise<SessionUse> {
    const { table, name } = this.context;
    if (this.#written || (await this.#holds(writing(table)))) return 'wrote';
    const own = [this.#gid, instanceLockOf(name, this.call.instance)];
    return (await this.#holds(locking(own))) ? 'guards' : 'read';
  }

  async #holds(what: string): Promise<boolean> {
    const { rows } = await this.#ask<{ holds: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND (${what})) AS holds`,
    );
    return rows[0]?.holds !== false;
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
    await this.#send('DISCARD ALL');
  }

  /** One after the other: a branch is given up while a statement of it is under way. */
  async #send<Row extends pg.QueryResultRow = Record<string, unknown>>(
    query: string | pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      if (this.isOver) throw new Error('The session of the branch is over.');
      return await this.#client.query<Row>(query);
    } finally {
      resolve();
    }
  }

  /** Several statements in one message come back as a list of results. */
  async #batch(text: string): Promise<pg.QueryResult[]> {
    const results: unknown = await this.#ask(text);
    return results as pg.QueryResult[];
  }

  /** For Verdict itself. */
  #ask<Row extends pg.QueryResultRow>(text: string): Promise<pg.QueryResult<Row>> {
    return this.#send<Row>(text).catch((error: unknown) => {
      const begun = this.#ctid !== '';
      throw begun && textIn(error, 'code') === readOnlyTransaction
        ? madeReadOnly(error)
        : this.#withFirst(error);
    });
  }

  protected async endAtServer(): Promise<void> {
    // Not begun: it ends with its connection, which must not wait for another one (!).
    if (this.#pid !== 0) await endHolders(this.context.pools.ends, this.#gid, this.#pid);
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

function nothingDone(what: string): Error {
  return new Error(
    `Nothing was ${what}: a statement of the branch had failed, or had ended the transaction. Let errors of sql.query pass.`,
  );
}

function madeReadOnly(cause: unknown): Error {
  return new Error(
    'A statement of the branch made its transaction read only, so that it cannot be ended: leave out SET TRANSACTION READ ONLY.',
    { cause },
  );
}

function copyRefused(text: string): Error {
  return new Error(
    `"${shortened(text)}" was refused: a query of a branch has no stream to copy from or to. Write rows with INSERT ... SELECT FROM unnest($1, ...), read them with SELECT, or let the server copy a file of its own.`,
  );
}
