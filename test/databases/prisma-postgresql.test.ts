/** What prisma-work.ts and orm.ts ask, on PostgreSQL. */
import { describe } from 'vitest';
import { prismaTables } from '../support/orm/prisma-client.ts';
import { prismaWork } from './prisma-work.ts';
import { workOnPostgresql } from './work-bench.ts';

describe('Prisma on PostgreSQL', () => {
  prismaWork('postgresql', workOnPostgresql(prismaTables.postgresql.join(';')));
});
