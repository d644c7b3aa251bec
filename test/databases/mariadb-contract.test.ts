import { describe } from 'vitest';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { mariadbContract, plainPayloads } from './mariadb-contract.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, MariaDB's contract: ${missing}`);

describe.skipIf(missing !== null)('on a real server', () => {
  mariadbContract('MariaDB', { server: mariadbOfFile(), payloads: plainPayloads });
});
