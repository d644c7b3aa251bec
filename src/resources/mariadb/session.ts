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
  type SessionUse,
} from '../sql/branch-session.ts';
import { type Statement, type StatementResult, TransactionEndedError } from '../sql/guarded-sql.ts';
import { BranchTakenError, locksReleased } from '../sql/refusal.ts';
import { doneWithin } from '../sql/waiting.ts';
import type { MariadbContext } from './context.ts';
import { sessionGone } from './detach.ts';
import { openSession } from './ends.ts';
import { numberOf } from './error-numbers.ts';
import { endHolder, lockName, slotLock } from './locks.ts';
import type { Xid } from './xid.ts';

const rowOptions = [
  'rowsAsArray',
  'typeCast',
  'supportBigNumbers',
  'bigNumberStrings',
  'dateStrings',
  'timezone',
] as const;
/** A connection that was cut in silence takes nothing that is sent: noticed in that time. */
const silentSeconds = 25;
const slotWaitSeconds = 5;
/** So long the session has to end what it prepared; then another one ends it. */
const endWaitMs = 5_000;
const duplicateXid = 1440;
/** XAER_RMFAIL: what COMMIT, ROLLBACK, BEGIN and all that commits by itself get within a branch. */
const notWithinXa = 1399;
/** SERVER_STATUS_IN_TRANS, in the server's answer to a statement without rows. */
const inTransaction = 1;
/** The whole branch goes: a deadlock, a changed record, no room for locks; XA_RBTIMEOUT and so. */
const undoes: ReadonlySet<number> = new Set([1213, 1020, 1206, 1613, 1614]);
const lockingRead = /\bFOR\s+(UPDATE|SHARE)\b|\bLOCK\s+IN\s+SHARE\s+MODE\b/i;
type Result = RowDataPacket[] | ResultSetHeader;

export class MariadbSession extends BranchSession<MariadbContext> {
  readonly #connection: mysql.Connection;
  readonly #xid: Xid;
  readonly #slot: number;
  #written = false;
  /** A statement asked for locks on what it reads. */
  #locking = false;
  /**
   * The server has undone the branch for it, with all its locks. It refuses most of what comes
   * then, in other words, and lets some of it pass: so nothing more is sent.
   */
  #undoneBy: unknown = null;

  static async open(context: MariadbContext, xid: Xid, call: SessionCall): Promise<MariadbSession> {
    const slot = await context.slots.take(call.signal);
    if (slot === null) throw new Error('no session for another branch was free in time');
    try {
      const connection = await (context.spare?.take() ?? openSession(context.connection));
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
    context.sessions.add(this);
  }

  get connectionId(): number {
    return this.#connection.threadId;
  }

  protected async beginBranch({ waitMs, serverMs }: SessionLimits): Promise<void> {
    const { isolation, shared, name } = this.context;
    await this.#takeLocks(
      lockName(this.#xid.name),
      shared ? null : slotLock(name, this.call.instance, this.#slot),
    );
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

  /** The slot's first: the process before may be just ending. */
  async #takeLocks(branch: string, slot: string | null): Promise<void> {
    const first = slot === null ? '1' : `GET_LOCK(${slot}, ${slotWaitSeconds})`;
    const [rows] = await this.#connection.query<RowDataPacket[]>(
      `SELECT ${first} AS slot, GET_LOCK(${branch}, 0) AS branch`,
    );
    if (rows[0]?.['slot'] !== 1 || rows[0]['branch'] !== 1)
      throw new BranchTakenError('Another session is at work on this branch.');
  }

  async query({ text, values, more }: Statement): Promise<StatementResult> {
    this.#assertNotUndone();
    const config = { ...picked(more, rowOptions), sql: text } as mysql.QueryOptions;
    const on = this.#connection;
    this.#locking ||= lockingRead.test(text);
    let raw: [Result, unknown];
    try {
      if (values.length === 0) raw = await on.query<Result>(config);
      else if (more['asText'] === true) raw = await on.query<Result>(config, values.map(asText));
      else raw = await on.execute<Result>(config, values as never);
    } catch (error) {
      const number = numberOf(error);
      if (number === null) throw this.firstCause(error);
      if (undoes.has(number)) this.#undoneBy = error;
      if (number !== notWithinXa) throw error;
      throw new TransactionEndedError(text, 'was refused.', error);
    }
    const [result] = raw;
    const header = headerOf(result);
    if (header !== null && (header.serverStatus & inTransaction) === 0) {
      // Only by the branch's own XA id, which no one comes by unawares.
      throw new TransactionEndedError(text, 'ended it; what it had done may be committed.');
    }
    this.#written ||= header !== null && header.affectedRows > 0;
    return Array.isArray(result)
      ? { rows: result, affectedCount: 0, raw }
      : { rows: [], affectedCount: result.affectedRows, raw };
  }

  async prepareBranch(): Promise<void> {
    await this.#endWork();
    await this.#run(`XA PREPARE ${this.#xid.text}`);
    const { name } = this.#xid;
    const { ends, clock, detachedBranches } = this.context;
    const { connectionId } = this;
    await this.#end();
    const leftMs = await sessionGone(ends, connectionId, clock);
    if (leftMs !== null) detachedBranches.add(name, leftMs);
  }

  /** While its session lives the branch is the session's, which ends it at once. */
  override async prepareToEndHere(): Promise<void> {
    await this.#endWork();
    await this.#run(`XA PREPARE ${this.#xid.text}`);
    this.unwatch();
  }

  override async endHere(decision: 'commit' | 'abort'): Promise<boolean> {
    const statement = `XA ${decision === 'commit' ? 'COMMIT' : 'ROLLBACK'} ${this.#xid.text}`;
    const done = this.#run(statement).then(
      () => true,
      () => false,
    );
    // No one watches it any more, and on a swallowed connection no answer comes.
    if ((await doneWithin(this.context.clock, done, endWaitMs)) && (await done)) {
      void this.#end();
      return true;
    }
    // It may be done. Whoever ends it now finds out, once this session is gone.
    await this.destroy();
    return false;
  }

  async commitBranch(): Promise<void> {
    await this.#endWork();
    await this.#run(`XA COMMIT ${this.#xid.text} ONE PHASE`);
    void this.#end();
  }

  /** The session is new with the branch: what it has counted, the branch has done. */
  async use(): Promise<SessionUse> {
    this.#assertNotUndone();
    if (this.#written) return 'wrote';
    const [rows] = await this.#connection.query<RowDataPacket[]>(
      "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_write', 'Handler_update', 'Handler_delete')",
    );
    if (rows.length < 3 || rows.some((row) => Number(row['Value']) !== 0)) return 'wrote';
    // `serializable` reads with shared locks, and the server shows them to few.
    return this.#locking ? 'guards' : 'locked';
  }

  /** The row, then no more statements. */
  async #endWork(): Promise<void> {
    this.#assertNotUndone();
    const { text, name, mark } = this.#xid;
    // As text: nothing in it wants quoting, and a prepared statement is a round trip more. With its
    // lock gone no one could tell that this session is about to prepare: what was rolled back
    // meanwhile would come alive (!).
    const [written] = await this.#ask<ResultSetHeader>(
      `INSERT INTO ${this.context.table} (name, mark)
       SELECT '${name}', '${mark}' WHERE IS_USED_LOCK(${lockName(name)}) = CONNECTION_ID()`,
    );
    if (written.affectedRows !== 1) throw locksReleased('RELEASE_ALL_LOCKS(): use RELEASE_LOCK');
    await this.#run(`XA END ${text}`);
  }

  async abandon({ readAll }: { readonly readAll: boolean }): Promise<void> {
    // What was read is guarded by no lock any more.
    if (readAll) this.#assertNotUndone();
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

  #assertNotUndone(): void {
    if (this.#undoneBy !== null) throw this.#undoneBy;
  }

  async #run(statement: string): Promise<void> {
    await this.#ask(statement);
  }

  /** For Verdict itself. */
  #ask<Got extends Result>(statement: string): Promise<[Got, unknown]> {
    return this.#connection.query<Got>(statement).catch((error: unknown) => {
      throw numberOf(error) === null ? this.firstCause(error) : error;
    });
  }

  async #end(): Promise<void> {
    this.#release();
    // What it says goodbye to itself is not lost: the service's own error would seem MariaDB's (!).
    this.#connection.off('end', this.setLost);
    // It is done, whatever becomes of the connection.
    await this.#connection.end().catch(() => undefined);
  }

  /** The driver's own `destroy` would never settle what waits for an answer (!). */
  async destroy(): Promise<void> {
    this.#release();
    this.drop();
  }

  protected endAtServer(): Promise<void> {
    const { connectionId } = this;
    return this.context.ends.together((on) => endHolder(on, this.#xid.name, connectionId));
  }

  protected drop(): void {
    const { connection } = this.#connection as unknown as {
      readonly connection?: { readonly stream?: { destroy(): void } };
    };
    connection?.stream?.destroy();
  }

  #release(): void {
    if (!this.finish()) return;
    this.context.sessions.delete(this);
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

/**
 * For libraries, which have the driver write the values into the text: a prepared statement would
 * take each number for a DOUBLE, and MySQL takes no DOUBLE for a LIMIT. An object stays a value,
 * here as there: the driver would write it as `name` = value, a condition of whoever sent it.
 */
function asText(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const isWritten =
    Object.prototype.toString.call(value) === '[object Date]' ||
    typeof (value as { toSqlString?: unknown }).toSqlString === 'function';
  return isWritten ? value : JSON.stringify(value);
}
