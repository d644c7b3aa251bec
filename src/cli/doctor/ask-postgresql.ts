/** Asks a PostgreSQL, in a transaction that only reads. */
import type pg from 'pg';
import type { PostgresqlFacts } from './judge-databases.ts';
import { type Prepared, parseGid } from './prepared.ts';
import { within } from './within.ts';

type Own = Omit<PostgresqlFacts, 'asked' | 'window'>;

export interface AskedPostgresql extends Own {
  readonly prepared: readonly Prepared[];
  /** What participants call this database. */
  readonly identities: readonly string[];
}

export async function askPostgresql(
  url: string,
  password: string | undefined,
  timeoutMs: number,
): Promise<AskedPostgresql> {
  const { default: driver } = await import('pg');
  const client = new driver.Client({
    connectionString: url,
    ...(password !== undefined && { password }),
    application_name: 'verdict doctor',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await within(timeoutMs, client.connect());
    return await within(timeoutMs * 2, ask(client));
  } finally {
    const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } })
      .connection;
    stream.destroy();
  }
}

async function ask(client: pg.Client): Promise<AskedPostgresql> {
  await client.query('BEGIN READ ONLY');
  const { rows } = await client.query(settings);
  const row = rows[0] as Record<string, unknown>;
  const prepared = (await client.query(preparedHere)).rows as { gid: string; age: number }[];
  const own = prepared.flatMap(({ gid, age }) => parseGid(gid, Number(age) * 1_000) ?? []);
  const names = new Set(own.map(({ name }) => name));
  const foreign = prepared.filter(({ gid }) => !names.has(gid));
  const tables = (await client.query(tablesHere)).rows as { name: string; reads: boolean }[];
  const identities: string[] = [];
  for (const { name, reads } of tables) {
    if (!reads) continue;
    const found = await client.query(`SELECT note FROM ${name} WHERE gid = 'identity'`);
    identities.push(...found.rows.map(({ note }) => String(note)));
  }
  await client.query('ROLLBACK');
  return {
    version: Number(row['version']),
    versionText: String(row['version_text']),
    maxPrepared: Number(row['max_prepared']),
    preparedOnServer: Number(row['prepared']),
    maxConnections: Number(row['max_connections']),
    connections: Number(row['connections']),
    fsync: row['fsync'] === 'on',
    fullPageWrites: row['full_page_writes'] === 'on',
    isStandby: row['standby'] === true,
    walLevel: String(row['wal_level']),
    tables: tables.map(({ name }) => name),
    identities,
    prepared: own,
    count: own.length,
    foreign: foreign.length,
    foreignAgeMs:
      foreign.length === 0 ? null : Math.max(...foreign.map(({ age }) => Number(age) * 1_000)),
  };
}

const settings = `SELECT current_setting('server_version_num')::int AS version,
  current_setting('server_version') AS version_text,
  current_setting('max_prepared_transactions')::int AS max_prepared,
  (SELECT count(*) FROM pg_prepared_xacts)::int AS prepared,
  current_setting('max_connections')::int AS max_connections,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS connections,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  pg_is_in_recovery() AS standby, current_setting('wal_level') AS wal_level`;

const preparedHere = `SELECT gid, extract(epoch FROM now() - prepared)::float8 AS age
  FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 10000`;

const tablesHere = `SELECT format('%I.%I', nspname, relname) AS name,
  has_table_privilege(pg_class.oid, 'SELECT') AS reads
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relname = 'verdict_branches' AND relkind IN ('r', 'p')
    AND has_schema_privilege(relnamespace, 'USAGE')`;
