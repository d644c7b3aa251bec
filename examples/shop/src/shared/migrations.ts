/**
 * Schema changes: a list of statements, each carried out once, in order, by whichever replica comes
 * first. Add to the end of a list; what has run is never changed. During a rolling update replicas
 * of both versions work on the same tables, so each step must suit both.
 *
 * They run in `ready` of a participant, before its first branch: one that was left prepared would
 * hold its table's locks against them.
 */
import type { Pool as MariadbPool, RowDataPacket } from 'mysql2/promise';
import type { Pool as PostgresqlPool } from 'pg';

const lockWaitSeconds = 30;

/** All of it or nothing: PostgreSQL rolls back what makes tables, too. */
export async function migratePostgresql(
  pool: PostgresqlPool,
  steps: readonly string[],
): Promise<void> {
  const connection = await pool.connect();
  try {
    await connection.query(`SET lock_timeout = '${lockWaitSeconds}s'`);
    await connection.query('BEGIN');
    // The other replica waits here, and then finds everything done.
    await connection.query("SELECT pg_advisory_xact_lock(hashtext('schema_steps'))");
    await connection.query('CREATE TABLE IF NOT EXISTS schema_steps (step int PRIMARY KEY)');
    const { rows } = await connection.query<{ step: number }>('SELECT step FROM schema_steps');
    for (const [step, statement] of pending(steps, rows)) {
      await connection.query(statement);
      await connection.query('INSERT INTO schema_steps VALUES ($1)', [step]);
    }
    await connection.query('COMMIT');
  } finally {
    // Not back into the pool: it has settings of its own, and may be within a transaction.
    connection.release(true);
  }
}

/**
 * MariaDB commits each statement that changes a table at once. So a step may be repeated, after a
 * crash between it and its row: write `IF NOT EXISTS`, `INSERT IGNORE`.
 */
export async function migrateMariadb(pool: MariadbPool, steps: readonly string[]): Promise<void> {
  const connection = await pool.getConnection();
  try {
    await connection.query(`SET lock_wait_timeout = ${lockWaitSeconds}`);
    // Of the whole server, therefore with the database's name. It ends with the session.
    const [[lock]] = await connection.query<RowDataPacket[]>(
      "SELECT GET_LOCK(CONCAT(DATABASE(), '.schema_steps'), ?) AS taken",
      [lockWaitSeconds],
    );
    if (lock?.['taken'] !== 1) throw new Error('Another replica has been migrating for too long.');
    await connection.query('CREATE TABLE IF NOT EXISTS schema_steps (step INT PRIMARY KEY)');
    const [rows] = await connection.query<RowDataPacket[]>('SELECT step FROM schema_steps');
    for (const [step, statement] of pending(steps, rows as { step: number }[])) {
      await connection.query(statement);
      await connection.query('INSERT INTO schema_steps VALUES (?)', [step]);
    }
  } finally {
    connection.destroy();
  }
}

function pending(
  steps: readonly string[],
  done: readonly { readonly step: number }[],
): [number, string][] {
  const numbers = new Set(done.map(({ step }) => step));
  return [...steps.entries()].filter(([step]) => !numbers.has(step));
}
