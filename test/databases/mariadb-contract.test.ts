import { afterAll, beforeAll, describe } from 'vitest';
import { type ResourceHarness, resourceContract } from '../contract/resource.ts';
import { type HostedProcess, hostResource } from '../support/hosted-resource.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/mariadb.ts';

const module = new URL('../support/hosted-mariadb.ts', import.meta.url).href;
const table = 'CREATE TABLE contract (name VARCHAR(200) PRIMARY KEY, value TEXT NOT NULL)';
const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, MariaDB's contract: ${missing}`);

describe.skipIf(missing !== null)('on a real server', () => {
  let mariadb: TestMariadb;
  beforeAll(async () => {
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb.dispose());

  resourceContract('MariaDB', async (): Promise<ResourceHarness> => {
    const connection = await mariadb.database([table]);
    // XA ids are the server's: each test is another participant.
    const name = `t'${connection.database}`;
    let host: HostedProcess | null = null;
    const running = (): HostedProcess => {
      if (host === null) throw new Error('Not started.');
      return host;
    };
    return {
      start: async () => {
        host = await hostResource(module, { connection, name });
      },
      get resource() {
        return running().resource;
      },
      payloadThatWrites: (writes) => ({ writes, refuse: false }),
      payloadThatRefuses: (key) => ({ writes: { [key]: 'x' }, refuse: true }),
      visible: async (key) => {
        const text = 'SELECT value FROM contract WHERE name = ?';
        const rows = await mariadb.query<{ value: string }>(connection, text, [key]);
        return rows[0]?.value ?? null;
      },
      crash: () => running().kill(),
      dispose: async () => {
        await host?.kill();
      },
    };
  });
});
