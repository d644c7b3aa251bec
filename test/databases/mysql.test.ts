/**
 * MySQL, whose XA and SQL are not quite MariaDB's: the contract of resources, by plain SQL and by
 * three libraries in turn, and what Prisma and TypeORM do with it. The other suites of MariaDB's
 * run on it with `VERDICT_TEST_MYSQL=1`.
 */
import { describe, expect, it } from 'vitest';
import { prismaTables } from '../support/orm/prisma-client.ts';
import { typeormTables } from '../support/orm/typeorm-entities.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { allPayloads, mariadbContract } from './mariadb-contract.ts';
import { prismaWork } from './prisma-work.ts';
import { typeormWork } from './typeorm-work.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing('mysql');
if (missing !== null) console.warn(`SKIPPED, MySQL: ${missing}`);

describe.skipIf(missing !== null)('on a real server', () => {
  const server = mariadbOfFile('mysql');

  it('is a MySQL', async () => {
    const mysql = server();
    const text = 'SELECT @@version AS version, @@version_comment AS comment';
    const rows = await mysql.query<object>(await mysql.database([]), text);
    expect(rows).toEqual([
      { version: expect.stringMatching(/^[89]\.\d/), comment: expect.not.stringMatching(/maria/i) },
    ]);
  });

  mariadbContract('MySQL', {
    server,
    payloads: allPayloads,
    file: './hosted-orm.ts',
    settings: { database: 'mariadb' },
  });
  describe('Prisma on MySQL', () => {
    prismaWork('mysql', workOnMariadb(prismaTables.mysql, server));
  });
  describe('TypeORM on MySQL', () => {
    typeormWork('mariadb', workOnMariadb(typeormTables.mariadb, server));
  });
});
