import { afterAll, beforeAll } from 'vitest';
import { resourceContract } from '../contract/resource.ts';
import { hostedHarness } from '../support/resources/hosted-harness.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

const table = 'CREATE TABLE contract (name text PRIMARY KEY, value text NOT NULL)';

let postgresql: TestPostgresql;
beforeAll(async () => {
  postgresql = await startPostgresql();
});
afterAll(() => postgresql.dispose());

resourceContract('PostgreSQL', async () => {
  const connection = await postgresql.database(table);
  return hostedHarness({
    file: './hosted-postgresql.ts',
    settings: { connection, name: "the store's" },
    payloadThatWrites: (writes) => ({ writes, refuse: false }),
    payloadThatRefuses: (key) => ({ writes: { [key]: 'x' }, refuse: true }),
    visible: async (key) => {
      const text = 'SELECT value FROM contract WHERE name = $1';
      const rows = await postgresql.query<{ value: string }>(connection, text, [key]);
      return rows[0]?.value ?? null;
    },
    remove: () => endPrepared(connection),
  });
});

/** They count for the whole server. */
async function endPrepared(
  connection: Awaited<ReturnType<TestPostgresql['database']>>,
): Promise<void> {
  const rows = await postgresql.query<{ gid: string }>(
    connection,
    'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()',
  );
  for (const { gid } of rows) await postgresql.query(connection, `ROLLBACK PREPARED '${gid}'`);
}
