/** The shop's records in a database: one table, and the same rules as on the versioned store. */
import mysql from 'mysql2/promise';
import pg from 'pg';
import { openMariadbResource } from '../../src/mariadb.ts';
import { type PrepareCall, vote } from '../../src/participant.ts';
import { openPostgresqlResource, type Sql, type SqlResource } from '../../src/postgresql.ts';
import type { StoredRecord, WrittenVersions } from '../../src/versioned-store.ts';
import type { ServiceDatabase } from './databases.ts';
import { Payload, PayloadError } from './payload.ts';
import type { BranchWork, Seed, ShopService } from './service.ts';

/** What the two write differently. The values of both are value, version, name. */
interface Dialect {
  readonly read: string;
  readonly insert: string;
  readonly update: string;
}

const dialects: Readonly<Record<ServiceDatabase['kind'], Dialect>> = {
  postgresql: {
    read: 'SELECT value, version FROM record WHERE name = $1 FOR UPDATE',
    insert: 'INSERT INTO record (value, version, name) VALUES ($1, $2, $3)',
    update: 'UPDATE record SET value = $1, version = $2 WHERE name = $3',
  },
  mariadb: {
    read: 'SELECT value, version FROM record WHERE name = ? FOR UPDATE',
    insert: 'INSERT INTO record (value, version, name) VALUES (?, ?, ?)',
    update: 'UPDATE record SET value = ?, version = ? WHERE name = ?',
  },
};

export interface Row {
  readonly name: string;
  readonly value: string;
  readonly version: number;
}

/** Rows are locked as they are read, so that the plain isolation is enough. */
const common = { isolation: 'read committed', maxSessions: 24 } as const;

export function openSqlService(
  service: ShopService,
  { kind, ...connection }: ServiceDatabase,
): Promise<SqlResource<unknown, WrittenVersions>> {
  const dialect = dialects[kind];
  const options = {
    ...common,
    name: service.name,
    connection,
    prepare: (sql: Sql, call: PrepareCall<unknown>) => prepare(service, dialect, sql, call),
  };
  return kind === 'postgresql' ? openPostgresqlResource(options) : openMariadbResource(options);
}

async function prepare(
  service: ShopService,
  dialect: Dialect,
  sql: Sql,
  { txid, branch, payload }: PrepareCall<unknown>,
) {
  let work: BranchWork;
  try {
    work = service.work(new Payload(payload), { txid, branch });
  } catch (error) {
    if (error instanceof PayloadError) return vote.abort(error.message);
    throw error;
  }
  const found = new Map<string, StoredRecord>();
  // In the same order for everyone: two branches never wait for each other.
  for (const key of [...new Set(work.keys)].sort()) {
    const { rows } = await sql.query<Row>(dialect.read, [key]);
    const [row] = rows;
    if (row !== undefined) found.set(key, recordOf(row));
  }
  for (const [key, expected] of work.versions) {
    const actual = found.get(key)?.version ?? 0;
    if (actual === expected) continue;
    const message = `Stale version of ${key}: ${expected} was read, ${actual} is current. Read it again and retry.`;
    return vote.abort(message, { code: 'CONFLICT', detail: { key, expected, actual } });
  }
  const plan = work.plan((key) => found.get(key) ?? null);
  if ('refused' in plan) {
    const { message, ...more } = plan.refused;
    return vote.abort(message, more);
  }
  const versions: Record<string, number> = {};
  for (const [key, value] of plan.writes) {
    const before = found.get(key);
    const version = (before?.version ?? 0) + 1;
    const statement = before === undefined ? dialect.insert : dialect.update;
    await sql.query(statement, [JSON.stringify(value), version, key]);
    versions[key] = version;
  }
  return vote.commit({ versions });
}

export function recordOf({ value, version }: Row): StoredRecord {
  return { value: JSON.parse(value), version: Number(version) };
}

/** The table, and what the service begins with. */
export async function seedRecords(at: ServiceDatabase, seed: Seed): Promise<void> {
  const name =
    at.kind === 'postgresql' ? 'text' : 'VARCHAR(250) CHARACTER SET ascii COLLATE ascii_bin';
  await withQuery(at, async (query) => {
    await query(
      `CREATE TABLE record (name ${name} PRIMARY KEY, value text NOT NULL, version int NOT NULL)`,
    );
    const { insert } = dialects[at.kind];
    for (const [key, { value, version }] of seed) {
      await query(insert, [JSON.stringify(value), version, key]);
    }
  });
}

export type Query = <R>(text: string, values?: readonly unknown[]) => Promise<R[]>;

/** On a connection of its own. */
export async function withQuery<T>(
  { kind, ...address }: ServiceDatabase,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  if (kind === 'postgresql') {
    const client = new pg.Client(address);
    await client.connect();
    try {
      return await work(async (text, values = []) => (await client.query(text, [...values])).rows);
    } finally {
      await client.end();
    }
  }
  const connection = await mysql.createConnection(address);
  try {
    return await work(async <R>(text: string, values: readonly unknown[] = []) => {
      const [rows] = await connection.query(text, values as never);
      return rows as R[];
    });
  } finally {
    await connection.end();
  }
}

/** Another database beside the server's own. */
export async function createDatabase(
  at: ServiceDatabase,
  database: string,
): Promise<ServiceDatabase> {
  await withQuery(at, (query) => query(`CREATE DATABASE ${database}`));
  return { ...at, database };
}
