/** What tests of a resource's work over a database stand on. */
import { afterEach } from 'vitest';
import { type MariadbConnection, openMariadbResource } from '../../src/mariadb.ts';
import {
  type Isolation,
  openPostgresqlResource,
  type PostgresqlConnection,
  type PrepareSql,
  type SqlResource,
} from '../../src/postgresql.ts';
import { mariadbForEach, type TestMariadb } from '../support/resources/mariadb.ts';
import { postgresqlForEach } from '../support/resources/postgresql.ts';
import type { OpenWork, SqlBench, Work, WorkResource } from './sql-resource.ts';

export interface WorkBench<At = unknown, Connection = never> {
  /** The database of the test. */
  readonly at: At;
  /** Over that database, unless told another connection. It is closed after the test. */
  readonly openWith: (
    prepare: PrepareSql<Work, unknown>,
    more?: OpenWork & { readonly connection?: Connection },
  ) => Promise<WorkResource>;
  readonly balance: SqlBench['balance'];
  readonly raiseById: string;
  readonly deadlockIsolation?: Isolation;
}

type Openable = Pick<SqlResource<never, unknown>, 'begin' | 'close'>;

/** Resources that begin as the SDK would have them begin, and are closed after their test. */
export function begunForEach(): <Each extends Openable>(
  opening: Promise<Each>,
  instance?: string,
) => Promise<Each> {
  const opened: Openable[] = [];
  afterEach(async () => {
    for (const resource of opened.splice(0)) await resource.close();
  });
  return async (opening, instance = '') => {
    const resource = await opening;
    opened.push(resource);
    await resource.begin?.({ instance });
    return resource;
  };
}

const ofAccount = 'SELECT balance FROM account WHERE id = 1';

/** `setup` makes the accounts. */
export function workOnPostgresql(
  setup: string,
): WorkBench<ReturnType<typeof postgresqlForEach>, PostgresqlConnection> {
  const at = postgresqlForEach(setup);
  const begun = begunForEach();
  return {
    at,
    openWith: (prepare, { port = at.connection.port, instance, ...more } = {}) => {
      const connection = { ...at.connection, port };
      const opening = openPostgresqlResource({ name: 'ledger', connection, prepare, ...more });
      return begun(opening, instance);
    },
    balance: async () => {
      const rows = await at.postgresql.query<{ balance: number }>(at.connection, ofAccount);
      return rows[0]?.balance ?? Number.NaN;
    },
    raiseById: 'UPDATE account SET balance = balance + 1 WHERE id = $1',
    deadlockIsolation: 'read committed',
  };
}

/** `setup` makes the accounts. */
export function workOnMariadb(
  setup: readonly string[],
  server?: () => TestMariadb,
): WorkBench<ReturnType<typeof mariadbForEach>, MariadbConnection> {
  const at = mariadbForEach(setup, server);
  const begun = begunForEach();
  return {
    at,
    openWith: (prepare, { port = at.connection.port, instance, ...more } = {}) => {
      const name = at.connection.database;
      const connection = { ...at.connection, port };
      return begun(openMariadbResource({ name, connection, prepare, ...more }), instance);
    },
    balance: async () => {
      const rows = await at.mariadb.query<{ balance: number }>(at.connection, ofAccount);
      return rows[0]?.balance ?? Number.NaN;
    },
    raiseById: 'UPDATE account SET balance = balance + 1 WHERE id = ?',
  };
}
