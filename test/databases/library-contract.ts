/** The contract of the Resource port where branches work with a library, on both databases. */
import { describe } from 'vitest';
import type { Isolation } from '../../src/postgresql.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { mariadbContract, type Payloads, plainPayloads } from './mariadb-contract.ts';
import { postgresqlContract } from './postgresql-contract.ts';

/** `file`: of test/support/resources, opened with `{database, ...}`. */
export async function libraryContract(
  library: string,
  file: string,
  {
    payloads = plainPayloads,
    ...onMariadb
  }: { readonly payloads?: Payloads; readonly isolation?: Isolation } = {},
): Promise<void> {
  describe(`${library} on PostgreSQL`, () => {
    postgresqlContract(`${library} on PostgreSQL`, {
      payloads,
      file,
      settings: { database: 'postgresql' },
    });
  });

  const missing = await mariadbMissing();
  if (missing !== null) console.warn(`SKIPPED, ${library} on MariaDB: ${missing}`);
  describe.skipIf(missing !== null)(`${library} on MariaDB`, () => {
    mariadbContract(`${library} on MariaDB`, {
      server: mariadbOfFile(),
      payloads,
      file,
      settings: { database: 'mariadb', ...onMariadb },
    });
  });
}
