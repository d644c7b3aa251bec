/** What prisma-work.ts and orm.ts ask, on MariaDB. */
import { describe } from 'vitest';
import { prismaTables } from '../support/orm/prisma-client.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { prismaWork } from './prisma-work.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, Prisma on MariaDB: ${missing}`);

describe.skipIf(missing !== null)('Prisma on MariaDB', () => {
  prismaWork('mysql', workOnMariadb(prismaTables.mysql));
});
