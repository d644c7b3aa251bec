/**
 * The session on which one branch is prepared, a connection of its own:
 *
 *     begin: locks, XA START -> the service's SQL -> the row -> XA END, XA PREPARE -> the end
 *
 * It ends because a prepared branch belongs to its session for as long as that lives: no other
 * could commit it (XAER_NOTA), and this one could do nothing else. Since MariaDB 10.5 (MySQL
 * 8.0.29) the branch outlives the session. The branch itself writes the row that says "committed".
 * So there is something to prepare: a branch that only read would not be kept.
 */
import type mysql from 'mysql2/promise';
import type { ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import {
  BranchSession,
  picked,
  type SessionCall,
  type SessionLimits,
} from '../sql/branch-session.ts';
import { type Statement, type StatementResult, TransactionEndedError } from '../sql/guarded-sql.ts';
import { BranchTakenError } from '../sql/refusal.ts';
import type { MariadbContext } from './context.ts';
import { sessionGone } from './detach.ts';
import { openSession } from './ends.ts';
import { numberOf } from './error-numbers.ts';
import { kill, lockName, slotLock } from './locks.ts';
import type { Xid } from './xid.ts';

const rowOptions = ['rowsAsArray', 'typeCast'] as const;
/** A connection that was cut in silence takes nothing that is sent: noticed in that time. */
const silentSeconds = 25;
const slotWaitSeconds = 5;
const duplicateXid = 1440;
/** XAER_RMFAIL: what COMMIT, ROLLBACK, BEGIN and all that commits by itself get within a branch. */
const notWithinXa = 1399;
/** SERVER_STATUS_IN_TRANS, in the server's answer to a statement without rows. */
const inTransaction = 1;
type Result = RowDataPacket[] | ResultSetHeader;

export class MariadbSession extends BranchSession<MariadbContext> {
  readonly #connection: mysql.Connection;
  readonly #xid: Xid;
  readonly #slot: number;

  static async open(context: MariadbContext, xid: Xid, call: SessionCall): Promise<MariadbSession> {
    const slot = await context.slots.take(call.signal);
    if (slot === null) throw new Error('no session for another branch was free in time');
    try {
      const connection = await openSession(context.connection);
      return new MariadbSession(context, connection, xid, slot, call);
    } catch (error) {
      context.slots.give(slot);
      throw error;
    }
  }

  private constructor(
    context: MariadbContext,
    connection: mysql.Connection,
    xid: Xid,
    slot: number,
    call: SessionCall,
  ) {
    super(context, call);
    this.#connection = connection;
    this.#xid = xid;
    this.#slot = slot;
    connection.on('error', this.setLost);
    connection.on('end', this.setLost);
    context.sessions.add(connection.threadId);
  }

  protected async beginBranch({ waitMs, serverMs }: SessionLimits): Promise<void> {
    const { isolation, shared, name } = this.context;
    if (!shared)
      await this.#takeLock(slotLock(name, this.call.instance, this.#slot), slotWaitSeconds);
    await this.#takeLock(lockName(this.#xid.name), 0);
    const waitSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const limitSeconds = Math.ceil(serverMs / 1_000);
    await this.#run(
      `SET SESSION autocommit = 1, completion_type = 'NO_CHAIN', innodb_lock_wait_timeout = ${waitSeconds},
       wait_timeout = ${limitSeconds}, net_write_timeout = ${silentSeconds}`,
    );
    await this.#run(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
    try {
      await this.#run(`XA START ${this.#xid.text}`);
    } catch (cause) {
      if ((cause as { errno?: unknown }).errno !== duplicateXid) throw cause;
      throw new BranchTakenError('The branch is prepared already.', { cause });
    }
  }

  async #takeLock(lock: string, waitSeconds: number): Promise<void> {
    const [rows] = await this.#connection.query<RowDataPacket[]>(
      `SELECT GET_LOCK(${lock}, ${waitSeconds}) AS taken`,
    );
    if (rows[0]?.['taken'] !== 1)
      throw new BranchTakenError('Another session is at work on this branch.');
  }

  async query({ text, values, more }: Statement): Promise<StatementResult> {
    const config = { ...picked(more, rowOptions), sql: text } as mysql.QueryOptions;
    const on = this.#connection;
    let raw: [Result, unknown];
    try {
      if (values.length === 0) raw = await on.query<Result>(config);
      else raw = await on.execute<Result>(config, values as never);
    } catch (error) {
      if (numberOf(error) !== notWithinXa) throw error;
      throw new TransactionEndedError(text, 'was refused.', error);
    }
    const [result] = raw;
    const header = headerOf(result);
    if (header !== null && (header.serverStatus & inTransaction) === 0) {
      // Only by the branch's own XA id, which no one comes by unawares.
      throw new TransactionEndedError(text, 'ended it; what it had done may be committed.');
    }
    return Array.isArray(result)
      ? { rows: result, affectedCount: 0, raw }
      : { rows: [], affectedCount: result.affectedRows, raw };
  }

  async prepareBranch(): Promise<void> {
    const { text, name, mark } = this.#xid;
    await this.#connection.execute(`INSERT INTO ${this.context.table} (name, mark) VALUES (?, ?)`, [
      name,
      mark,
    ]);
    await this.#run(`XA END ${text}`);
    await this.#run(`XA PREPARE ${text}`);
    const { ends, clock, detachedBranches } = this.context;
    const { threadId } = this.#connection;
    await this.#end();
    if (await sessionGone(ends, threadId, clock)) detachedBranches.add(name);
  }

  async abandon(): Promise<void> {
    const { text } = this.#xid;
    try {
      // Fails where the database has rolled back for a deadlock; then only the next is left to do.
      await this.#run(`XA END ${text}`).catch(() => undefined);
      await this.#run(`XA ROLLBACK ${text}`);
    } catch (error) {
      await this.destroy();
      throw error;
    }
    await this.#end();
  }

  async #run(statement: string): Promise<void> {
    await this.#connection.query(statement);
  }

  async #end(): Promise<void> {
    this.#release();
    // It is done, whatever becomes of the connection.
    await this.#connection.end().catch(() => undefined);
  }

  async destroy(): Promise<void> {
    this.#release();
    this.#connection.destroy();
  }

  protected endAtServer(): Promise<void> {
    return kill(this.context.ends, this.#connection.threadId);
  }

  /** The driver's own `destroy` says goodbye first, and waits. */
  protected drop(): void {
    const { connection } = this.#connection as unknown as {
      readonly connection?: { readonly stream?: { destroy(): void } };
    };
    connection?.stream?.destroy();
  }

  #release(): void {
    if (!this.finish()) return;
    this.context.sessions.delete(this.#connection.threadId);
    this.context.slots.give(this.#slot);
  }
}

function headerOf(result: Result): ResultSetHeader | null {
  // A procedure's answer is its last one.
  const last: unknown = Array.isArray(result) ? result.at(-1) : result;
  return typeof (last as ResultSetHeader | undefined)?.serverStatus === 'number'
    ? (last as ResultSetHeader)
    : null;
}
