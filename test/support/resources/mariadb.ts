/** A MariaDB, or a MySQL, for a test file, with a database of its own for each test. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import mysql from 'mysql2/promise';
import { findMariadb } from '../../../cluster/databases/mariadb-programs.ts';
import { type MariadbAddress, makeMariadb } from '../../../cluster/databases/mariadb-server.ts';
import { findMysql, makeMysql } from '../../../cluster/databases/mysql-server.ts';
import { databaseUser } from '../../../cluster/databases/run-as.ts';
import type { DatabaseServer } from '../../../cluster/databases/server.ts';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { temporaryDirectory } from '../logs/stores.ts';
import { endWithParent } from '../process/end-with-parent.ts';
import { lacking } from '../process/lacking.ts';
import { addressForEach, serverOfFile } from './of-file.ts';

export interface TestMariadb {
  readonly server: DatabaseServer;
  /** Another database, empty but for what `setup` makes. */
  database(setup: readonly string[]): Promise<MariadbAddress>;
  /** On a connection of its own. */
  query<Row>(address: MariadbAddress, text: string, values?: readonly unknown[]): Promise<Row[]>;
  dispose(): Promise<void>;
}

export type MariadbKind = 'mariadb' | 'mysql';

/** `VERDICT_TEST_MYSQL=1`: the suites on MySQL that are on MariaDB otherwise. */
const usual: MariadbKind = process.env['VERDICT_TEST_MYSQL'] === '1' ? 'mysql' : 'mariadb';

export const onMysql: boolean = usual === 'mysql';

/** Null where there is one, else why not: a reason to skip. */
export async function mariadbMissing(kind: MariadbKind = usual): Promise<string | null> {
  const found = kind === 'mysql' ? await findMysql() : await findMariadb(databaseUser());
  return lacking('missing' in found ? found.missing : null);
}

/** For a whole file, within its `describe`. It is there once tests run. */
export function mariadbOfFile(kind: MariadbKind = usual): () => TestMariadb {
  return serverOfFile(() => startMariadb([], kind));
}

/** One server for a `describe`, and for each of its tests a database of its own. */
export function mariadbForEach(
  setup: readonly string[],
  server: () => TestMariadb = mariadbOfFile(),
): {
  readonly mariadb: TestMariadb;
  readonly connection: MariadbAddress;
} {
  const address = addressForEach(() => server().database(setup));
  return {
    get mariadb() {
      return server();
    },
    get connection() {
      return address();
    },
  };
}

export async function startMariadb(
  settings: readonly string[] = [],
  kind: MariadbKind = usual,
): Promise<TestMariadb> {
  const directory = temporaryDirectory();
  // The server may run as another user.
  chmodSync(directory.path, 0o755);
  const make = kind === 'mysql' ? makeMysql : makeMariadb;
  const made = await make({
    directory: join(directory.path, 'mariadb'),
    port: await freePort(),
    onStart: endWithParent,
    settings,
  });
  if ('missing' in made) throw new Error(made.missing);
  const { server, address } = made;
  await server.start();
  let databases = 0;
  const mariadb: TestMariadb = {
    server,
    query: async <Row>(on: MariadbAddress, text: string, values: readonly unknown[] = []) => {
      const connection = await mysql.createConnection({ ...on });
      connection.on('error', () => undefined);
      try {
        const [rows] = await connection.query(text, values as never);
        return rows as Row[];
      } finally {
        await connection.end().catch(() => undefined);
      }
    },
    database: async (setup) => {
      databases += 1;
      const own = { ...address, database: `test_${databases}` };
      await mariadb.query(address, `CREATE DATABASE ${own.database}`);
      for (const statement of setup) await mariadb.query(own, statement);
      return own;
    },
    dispose: async () => {
      await server.kill();
      directory.remove();
    },
  };
  return mariadb;
}
