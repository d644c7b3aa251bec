/** The contract of the Resource port on PostgreSQL, however its branches work. */
import { resourceContract } from '../contract/resource.ts';
import { hostedHarness } from '../support/resources/hosted-harness.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import type { MariadbContract } from './mariadb-contract.ts';

const table = 'CREATE TABLE contract (name text PRIMARY KEY, value text NOT NULL)';

export function postgresqlContract(
  what: string,
  { payloads, file = './hosted-postgresql.ts', settings = {} }: Omit<MariadbContract, 'server'>,
): void {
  const server = postgresqlOfFile();
  resourceContract(what, async () => {
    const postgresql = server();
    const connection = await postgresql.database(table);
    return hostedHarness({
      file,
      settings: { connection, name: "the store's", ...settings },
      ...payloads,
      visible: async (key) => {
        const text = 'SELECT value FROM contract WHERE name = $1';
        const rows = await postgresql.query<{ value: string }>(connection, text, [key]);
        return rows[0]?.value ?? null;
      },
      // They count for the whole server.
      remove: async () => {
        const text = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
        for (const { gid } of await postgresql.query<{ gid: string }>(connection, text))
          await postgresql.query(connection, `ROLLBACK PREPARED '${gid}'`);
      },
    });
  });
}
