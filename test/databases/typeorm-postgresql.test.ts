/** What typeorm-work.ts and orm.ts ask, on PostgreSQL. */
import { describe } from 'vitest';
import { typeormTables } from '../support/orm/typeorm-entities.ts';
import { typeormWork } from './typeorm-work.ts';
import { workOnPostgresql } from './work-bench.ts';

describe('TypeORM on PostgreSQL', () => {
  typeormWork('postgres', workOnPostgresql(typeormTables.postgres.join(';')));
});
