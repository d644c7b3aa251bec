/** What typeorm-work.ts and orm.ts ask, on MariaDB. */
import { describe } from 'vitest';
import { typeormTables } from '../support/orm/typeorm-entities.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { typeormWork } from './typeorm-work.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, TypeORM on MariaDB: ${missing}`);

describe.skipIf(missing !== null)('TypeORM on MariaDB', () => {
  typeormWork('mariadb', workOnMariadb(typeormTables.mariadb));
});
