/**
 * Connections of two kinds: one for each prepare, which ends with it (session.ts), and a few that are kept for all the
 * rest. The commits that release locks never wait behind the prepares that wait for them.
 */
import mysql from 'mysql2/promise';
import type { MariadbConnection } from './connection-options.ts';

const endSessionsMax = 4;
const connectTimeoutMs = 10_000;
const lockWaitSeconds = 5;
const endQueryTimeoutMs = 30_000;

export function openEnds(connection: MariadbConnection): mysql.Pool {
  const pool = mysql.createPool({
    ...settingsOf(connection),
    connectionLimit: endSessionsMax,
    enableKeepAlive: true,
  });
  pool.on('connection', (one) => {
    // What was under way on a connection that breaks rejects, and the next one gets another.
    one.on('error', ignore);
    // Nothing here has a reason to wait for a lock for long: one that fails is asked again.
    // The types say otherwise, but the event brings the connection that takes callbacks.
    const raw = one as unknown as { query(text: string, done: () => void): void };
    raw.query(`SET SESSION innodb_lock_wait_timeout = ${lockWaitSeconds}`, ignore);
  });
  return pool;
}

/**
 * XA COMMIT or XA ROLLBACK. There is no limit to a decided outcome, only to one attempt: a server that vanished answers
 * none, and its connection is of no use to the next.
 */
export async function runOnce(pool: mysql.Pool, sql: string): Promise<void> {
  const on = await pool.getConnection();
  try {
    await on.query({ sql, timeout: endQueryTimeoutMs });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'PROTOCOL_SEQUENCE_TIMEOUT') on.destroy();
    else on.release();
    throw error;
  }
  on.release();
}

export async function openSession(connection: MariadbConnection): Promise<mysql.Connection> {
  const session = await mysql.createConnection(settingsOf(connection));
  session.on('error', ignore);
  return session;
}

function settingsOf(connection: MariadbConnection): mysql.ConnectionOptions {
  return {
    ...connection,
    connectTimeout: connectTimeoutMs,
    // Objects are values, never parts of a statement.
    stringifyObjects: true,
    multipleStatements: false,
  };
}

function ignore(): void {}
