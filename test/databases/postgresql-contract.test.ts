import { afterAll, beforeAll } from 'vitest';
import { type ResourceHarness, resourceContract } from '../contract/resource.ts';
import { type HostedProcess, hostResource } from '../support/hosted-resource.ts';
import { startPostgresql, type TestPostgresql } from '../support/postgresql.ts';

const module = new URL('../support/hosted-postgresql.ts', import.meta.url).href;
const table = 'CREATE TABLE contract (name text PRIMARY KEY, value text NOT NULL)';

let postgresql: TestPostgresql;
beforeAll(async () => {
  postgresql = await startPostgresql();
});
afterAll(() => postgresql.dispose());

resourceContract('PostgreSQL', async (): Promise<ResourceHarness> => {
  const connection = await postgresql.database(table);
  let host: HostedProcess | null = null;
  const running = (): HostedProcess => {
    if (host === null) throw new Error('Not started.');
    return host;
  };
  return {
    start: async () => {
      host = await hostResource(module, { connection, name: "the store's" });
    },
    get resource() {
      return running().resource;
    },
    payloadThatWrites: (writes) => ({ writes, refuse: false }),
    payloadThatRefuses: (key) => ({ writes: { [key]: 'x' }, refuse: true }),
    visible: async (key) => {
      const text = 'SELECT value FROM contract WHERE name = $1';
      const rows = await postgresql.query<{ value: string }>(connection, text, [key]);
      return rows[0]?.value ?? null;
    },
    crash: () => running().kill(),
    dispose: async () => {
      await host?.kill();
      await endPrepared(connection);
    },
  };
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
