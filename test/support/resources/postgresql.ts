/** A PostgreSQL for a test file, with a database of its own for each test. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import {
  makePostgresql,
  type PostgresqlAddress,
} from '../../../cluster/databases/postgresql-server.ts';
import type { DatabaseServer } from '../../../cluster/databases/server.ts';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { temporaryDirectory } from '../logs/stores.ts';
import { endWithParent } from '../process/end-with-parent.ts';
import { addressForEach, serverOfFile } from './of-file.ts';

export interface TestPostgresql {
  readonly server: DatabaseServer;
  /** Another database, empty but for what `setup` makes. */
  database(setup: string): Promise<PostgresqlAddress>;
  /** On a connection of its own. */
  query<Row extends pg.QueryResultRow>(
    address: PostgresqlAddress,
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
  dispose(): Promise<void>;
}

/** For a whole file, or a `describe`. It is there once tests run. */
export function postgresqlOfFile(): () => TestPostgresql {
  return serverOfFile(() => startPostgresql());
}

/** One server for a file or a `describe`, and for each of its tests a database of its own. */
export function postgresqlForEach(setup: string): {
  readonly postgresql: TestPostgresql;
  readonly connection: PostgresqlAddress;
} {
  const server = postgresqlOfFile();
  const address = addressForEach(() => server().database(setup));
  return {
    get postgresql() {
      return server();
    },
    get connection() {
      return address();
    },
  };
}

export async function startPostgresql(settings: readonly string[] = []): Promise<TestPostgresql> {
  const directory = temporaryDirectory();
  // The server may run as another user.
  chmodSync(directory.path, 0o755);
  const { server, address } = await makePostgresql({
    directory: join(directory.path, 'postgresql'),
    port: await freePort(),
    onStart: endWithParent,
    settings,
  });
  await server.start();
  let databases = 0;
  const postgresql: TestPostgresql = {
    server,
    query: async (on, text, values = []) => {
      const client = new pg.Client({ ...on });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(text, [...values])).rows;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    database: async (setup) => {
      databases += 1;
      const own = { ...address, database: `test_${databases}` };
      await postgresql.query(address, `CREATE DATABASE ${own.database}`);
      await postgresql.query(own, setup);
      return own;
    },
    dispose: async () => {
      await server.kill();
      directory.remove();
    },
  };
  return postgresql;
}
