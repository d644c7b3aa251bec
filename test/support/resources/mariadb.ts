/** A MariaDB for a test file, with a database of its own for each test. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { findMariadb } from '../../../cluster/databases/mariadb-programs.ts';
import { type MariadbAddress, makeMariadb } from '../../../cluster/databases/mariadb-server.ts';
import { databaseUser } from '../../../cluster/databases/run-as.ts';
import type { DatabaseServer } from '../../../cluster/databases/server.ts';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { temporaryDirectory } from '../logs/stores.ts';
import { endWithParent } from '../process/end-with-parent.ts';

export interface TestMariadb {
  readonly server: DatabaseServer;
  /** Another database, empty but for what `setup` makes. */
  database(setup: readonly string[]): Promise<MariadbAddress>;
  /** On a connection of its own. */
  query<Row>(address: MariadbAddress, text: string, values?: readonly unknown[]): Promise<Row[]>;
  dispose(): Promise<void>;
}

/** Null where there is one, else why not: a reason to skip. */
export async function mariadbMissing(): Promise<string | null> {
  const mariadb = await findMariadb(databaseUser());
  return 'missing' in mariadb ? mariadb.missing : null;
}

/** For a whole file, within its `describe`: one server, and for each test a database of its own. */
export function mariadbForEach(setup: readonly string[]): {
  readonly mariadb: TestMariadb;
  readonly connection: MariadbAddress;
} {
  let mariadb: TestMariadb | null = null;
  let connection: MariadbAddress | null = null;
  const there = <T>(part: T | null): T => {
    if (part === null) throw new Error('No test runs.');
    return part;
  };
  beforeAll(async () => {
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb?.dispose());
  beforeEach(async () => {
    connection = await there(mariadb).database(setup);
  });
  return {
    get mariadb() {
      return there(mariadb);
    },
    get connection() {
      return there(connection);
    },
  };
}

export async function startMariadb(settings: readonly string[] = []): Promise<TestMariadb> {
  const directory = temporaryDirectory();
  // The server may run as another user.
  chmodSync(directory.path, 0o755);
  const made = await makeMariadb({
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
