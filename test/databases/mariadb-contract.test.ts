import { afterAll, beforeAll, describe } from 'vitest';
import { resourceContract } from '../contract/resource.ts';
import { hostedHarness } from '../support/resources/hosted-harness.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';

const table = 'CREATE TABLE contract (name VARCHAR(200) PRIMARY KEY, value TEXT NOT NULL)';
const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, MariaDB's contract: ${missing}`);

describe.skipIf(missing !== null)('on a real server', () => {
  let mariadb: TestMariadb;
  beforeAll(async () => {
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb.dispose());

  resourceContract('MariaDB', async () => {
    const connection = await mariadb.database([table]);
    return hostedHarness({
      file: './hosted-mariadb.ts',
      // XA ids are the server's: each test is another participant.
      settings: { connection, name: `t'${connection.database}` },
      payloadThatWrites: (writes) => ({ writes, refuse: false }),
      payloadThatRefuses: (key) => ({ writes: { [key]: 'x' }, refuse: true }),
      visible: async (key) => {
        const text = 'SELECT value FROM contract WHERE name = ?';
        const rows = await mariadb.query<{ value: string }>(connection, text, [key]);
        return rows[0]?.value ?? null;
      },
      remove: () => undefined,
    });
  });
});
