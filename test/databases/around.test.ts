/** around-branch.ts on both databases. */
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MariadbAddress } from '../../cluster/databases/mariadb-server.ts';
import type { PostgresqlAddress } from '../../cluster/databases/postgresql-server.ts';
import { openMariadbResource } from '../../src/mariadb.ts';
import { openPostgresqlResource, type PrepareSql } from '../../src/postgresql.ts';
import { prismaClientClass } from '../support/orm/prisma-client.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { aroundBranch } from './around-branch.ts';
import { type Around, aroundLibraries } from './around-libraries.ts';
import { boundValues, type Stored } from './bound-values.ts';
import { begunForEach } from './work-bench.ts';

const names = ['sql itself', 'Kysely', 'Drizzle', 'Knex', 'Prisma', 'TypeORM'];
const tables = [
  'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
  'INSERT INTO account VALUES (1, 100), (2, 100)',
  'CREATE TABLE other (id INT PRIMARY KEY)',
  'CREATE VIEW seen AS SELECT id FROM other',
];

const words = (kind: 'postgresql' | 'mariadb'): string =>
  kind === 'postgresql'
    ? 'CREATE TABLE words (id bigint PRIMARY KEY, price decimal(20, 4) NOT NULL, at timestamptz(3) NOT NULL, bytes bytea NOT NULL, word text NOT NULL)'
    : 'CREATE TABLE words (id BIGINT PRIMARY KEY, price DECIMAL(20, 4) NOT NULL, at DATETIME(3) NOT NULL, bytes LONGBLOB NOT NULL, word TEXT NOT NULL) CHARACTER SET utf8mb4';

let libraries: Readonly<Record<string, PrepareSql<Around, unknown>>>;
const begun = begunForEach();

function prepareOf(library: string): PrepareSql<Around, unknown> {
  return libraries[library] as PrepareSql<Around, unknown>;
}

describe('on PostgreSQL', () => {
  let postgresql: TestPostgresql;
  let connection: PostgresqlAddress;
  let observer: pg.Client;
  beforeAll(async () => {
    postgresql = await startPostgresql();
    libraries = aroundLibraries('postgresql', await prismaClientClass('postgresql'));
    connection = await postgresql.database([...tables, words('postgresql')].join(';'));
    const commits = 'CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$';
    await postgresql.query(connection, commits);
    observer = new pg.Client({ ...connection });
    observer.on('error', () => undefined);
    await observer.connect();
  });
  afterAll(async () => {
    await observer?.end();
    await postgresql?.dispose();
  });

  aroundBranch({
    names,
    open: (library, more) => {
      const prepare = prepareOf(library);
      return begun(openPostgresqlResource({ name: 'around', connection, prepare, ...more }));
    },
    query: async (text) => (await observer.query(text)).rows,
    prepared: 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()',
    tableSchema: "'public'",
    refused: [
      ...['COMMIT', 'END', 'ROLLBACK', 'ABORT', 'COMMIT AND CHAIN', 'ROLLBACK AND CHAIN'],
      ...['/* x */ COMMIT', "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", 'CALL commits()'],
      ...['DO $$ BEGIN COMMIT; END $$', 'VACUUM', 'CREATE INDEX CONCURRENTLY made ON account (id)'],
      ...['CREATE DATABASE made', 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'DISCARD ALL'],
      ...['CREATE TEMPORARY TABLE made (id int)', 'LISTEN made', "NOTIFY made, 'x'"],
      ...['SET TRANSACTION READ ONLY', 'SELECT pg_terminate_backend(pg_backend_pid())'],
      ...['SELECT pg_advisory_unlock_all()'],
    ],
    undone: [
      ...['TRUNCATE account', 'DROP TABLE other CASCADE', 'CREATE TABLE made (id int)'],
      ...['ALTER TABLE account ADD more int', 'ALTER TABLE other RENAME TO made'],
      ...['LOCK TABLE account', 'CREATE INDEX made ON account (balance)', 'ANALYZE account'],
      ...["SET LOCAL statement_timeout = '5s'", 'SET search_path = public', 'SET ROLE NONE'],
      ...['SELECT pg_advisory_lock(1)', 'SET default_transaction_read_only = on'],
    ],
  });

  describe('values', () => {
    beforeEach(() => postgresql.query(connection, 'DELETE FROM words'));
    boundValues({
      kind: 'postgresql',
      names,
      open: (library) => {
        const prepare = prepareOf(library);
        return begun(openPostgresqlResource({ name: 'words', connection, prepare }));
      },
      stored: () =>
        postgresql.query<Stored>(
          connection,
          `SELECT id::text, price::text, encode(bytes, 'hex') AS bytes, word,
                  to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS at FROM words`,
        ),
    });
  });
});

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, ways around branches on MariaDB: ${missing}`);

describe.skipIf(missing !== null)('on MariaDB', () => {
  let mariadb: TestMariadb;
  let connection: MariadbAddress;
  let observer: Connection;
  beforeAll(async () => {
    mariadb = await startMariadb();
    libraries = aroundLibraries('mariadb', await prismaClientClass('mysql'));
    connection = await mariadb.database([
      ...[...tables, words('mariadb')],
      'CREATE PROCEDURE commits() COMMIT',
    ]);
    observer = await createConnection({ ...connection });
    observer.on('error', () => undefined);
  });
  afterAll(async () => {
    await observer?.end();
    await mariadb?.dispose();
  });

  aroundBranch({
    names,
    open: (library, more) => {
      const name = connection.database;
      const prepare = prepareOf(library);
      return begun(openMariadbResource({ name, connection, prepare, ...more }));
    },
    query: async (text) => (await observer.query<RowDataPacket[]>(text))[0],
    prepared: 'XA RECOVER',
    tableSchema: 'DATABASE()',
    refused: [
      ...['COMMIT', 'ROLLBACK', 'BEGIN', 'START TRANSACTION', '/* x */ COMMIT', 'CALL commits()'],
      ...[
        "XA COMMIT 'x'",
        "XA END 'x'",
        "XA START 'x'",
        "XA PREPARE 'x'",
        'SET autocommit = 1, @x = 1; COMMIT',
      ],
      ...['CREATE TABLE made (id INT)', 'ALTER TABLE account ADD more INT', 'DROP TABLE other'],
      ...['TRUNCATE TABLE account', 'RENAME TABLE other TO made', 'DROP VIEW seen'],
      ...['CREATE INDEX made ON account (balance)', 'CREATE TABLE made AS SELECT * FROM account'],
      ...['LOCK TABLES account WRITE', 'FLUSH TABLES', 'ANALYZE TABLE account'],
      ...['OPTIMIZE TABLE account', 'CHECK TABLE account', 'CREATE USER made', 'DROP USER made'],
      ...[
        'CREATE DATABASE made',
        'CREATE TRIGGER made AFTER INSERT ON other FOR EACH ROW SET @x = 1',
      ],
      ...['GRANT SELECT ON *.* TO verdict@127.0.0.1', 'RESET QUERY CACHE', 'FLUSH PRIVILEGES'],
      ...[
        'KILL CONNECTION_ID()',
        'SELECT RELEASE_ALL_LOCKS()',
        'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
      ],
    ],
    undone: [
      ...['SET SESSION innodb_lock_wait_timeout = 7', 'SET sql_mode = DEFAULT', 'SET @x = 1'],
      ...[
        'SET foreign_key_checks = 0',
        'UNLOCK TABLES',
        'SET autocommit = 0',
        'SELECT GET_LOCK("x", 0)',
        'DELETE FROM account',
      ],
    ],
  });

  it.each(names)('%s: numbers above 2^53 are exact where the URI says so', async (library) => {
    const { user, port, database } = connection;
    const id = 9_007_199_254_740_993n;
    await mariadb.query(connection, `INSERT INTO words VALUES (${id}, 0, NOW(), '', '')`);
    const uri = `mysql://${user}@127.0.0.1:${port}/${database}`;
    const read = async (parameters: string): Promise<string> => {
      const at = { uri: `${uri}${parameters}` };
      const prepare = prepareOf(library);
      const resource = await begun(
        openMariadbResource({ name: database, connection: at, prepare }),
      );
      let rows: unknown;
      const call = prepareCall<Around>(async ({ run }) => {
        rows = await run`SELECT id FROM words`;
      });
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      await resource.rollback(refOf(call));
      const text = JSON.stringify(rows, (_key, one) => (typeof one === 'bigint' ? `${one}` : one));
      return /90071992547409\d\d/.exec(text)?.[0] ?? text;
    };
    expect(await read('?supportBigNumbers=true&bigNumberStrings=true')).toBe(String(id));
    // Prisma and TypeORM ask for it by themselves.
    const own = library === 'Prisma' || library === 'TypeORM';
    expect((await read('')) === String(id)).toBe(own);
  });

  beforeEach(() => mariadb.query(connection, 'DELETE FROM words'));
  describe('values', () => {
    boundValues({
      kind: 'mariadb',
      names,
      open: (library) => {
        const name = connection.database;
        const prepare = prepareOf(library);
        return begun(openMariadbResource({ name, connection, prepare }));
      },
      stored: () =>
        mariadb
          .query<Stored & { ms: string }>(
            connection,
            `SELECT CAST(id AS CHAR) AS id, CAST(price AS CHAR) AS price, LOWER(HEX(bytes)) AS bytes,
                  word, DATE_FORMAT(at, '%Y-%m-%d %H:%i:%s.') AS at, RIGHT(CAST(at AS CHAR), 3) AS ms
           FROM words`,
          )
          .then((rows) => rows.map(({ ms, at, ...row }) => ({ ...row, at: `${at}${ms}` }))),
    });
  });
});
