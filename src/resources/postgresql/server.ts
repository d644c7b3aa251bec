/** What the server must be able to do, asked before anything is promised. */
import type pg from 'pg';
import { identityOf, identityRow } from '../sql/names.ts';

interface Settings {
  readonly prepared_max: number;
  readonly fsync: string;
  readonly standby: boolean;
  readonly version: number;
}

const versionMin = 130_000;

export async function checkServer(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<Settings>(
    `SELECT current_setting('max_prepared_transactions')::int AS prepared_max, current_setting('fsync') AS fsync,
            pg_is_in_recovery() AS standby, current_setting('server_version_num')::int AS version`,
  );
  const problem = rows[0] === undefined ? 'PostgreSQL told no settings.' : problemOf(rows[0]);
  if (problem !== null) throw new Error(problem);
}

function problemOf({ prepared_max, fsync, standby, version }: Settings): string | null {
  if (version < versionMin) return 'PostgreSQL 13 or newer is needed.';
  if (standby)
    return 'This PostgreSQL is a standby, which prepares nothing: connect to the primary.';
  if (prepared_max === 0) {
    return 'max_prepared_transactions of this PostgreSQL is 0, so that it refuses PREPARE TRANSACTION. Set it in postgresql.conf, to max_connections or more, and restart the server.';
  }
  if (fsync !== 'on') {
    return 'fsync of this PostgreSQL is off: what it prepares would not survive a crash. Set it to on, and restart the server.';
  }
  return null;
}

/** What whoever else ends a branch's transaction is told by the server (session.ts). */
export const guardConstraint = 'only_verdict_ends_a_branch';

/**
 * The table's name with its schema, which holds whatever search_path a service sets. Where the
 * tables are there, nothing is changed: the right to make them is needed once. The second one is
 * empty for good: a row that refers to it cannot be committed.
 */
export async function makeTable(pool: pg.Pool, table: string): Promise<string> {
  const found = await nameOf(pool, table);
  if (found !== null) return found;
  // Two at once would both find none: IF NOT EXISTS alone lets them fail on each other.
  await pool.query(
    `SELECT pg_advisory_xact_lock(hashtextextended('verdict table ${table}', 0));
     CREATE TABLE IF NOT EXISTS ${table}_open (gid text PRIMARY KEY CHECK (gid IS NULL));
     CREATE TABLE IF NOT EXISTS ${table} (
       gid text PRIMARY KEY,
       seen_at timestamptz,
       mark text,
       note text,
       open text CONSTRAINT ${guardConstraint} REFERENCES ${table}_open DEFERRABLE INITIALLY DEFERRED
     )`,
  );
  const made = await nameOf(pool, table);
  if (made === null) throw new Error(`There is no table ${table}.`);
  return made;
}

/** Null where one of the tables is missing. */
async function nameOf(pool: pg.Pool, table: string): Promise<string | null> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name
       FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE pg_class.oid = to_regclass($1) AND to_regclass($2) IS NOT NULL`,
    [table, `${table}_open`],
  );
  return rows[0]?.name ?? null;
}

export function identityIn(pool: pg.Pool, table: string): Promise<string> {
  const note = async (): Promise<string | null> => {
    const text = `SELECT note FROM ${table} WHERE gid = '${identityRow}'`;
    return (await pool.query<{ note: string }>(text)).rows[0]?.note ?? null;
  };
  const text = `INSERT INTO ${table} (gid, note) VALUES ('${identityRow}', $1) ON CONFLICT (gid) DO NOTHING`;
  return identityOf('pg', note, (identity) => pool.query(text, [identity]));
}
