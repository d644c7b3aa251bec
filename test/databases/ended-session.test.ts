/** The server ends the session of a branch between two statements: it is told in its own words. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Sql } from '../../src/postgresql.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';
import { runWork, type Work, type WorkResource } from './sql-resource.ts';
import { workOnMariadb, workOnPostgresql } from './work-bench.ts';

const write = 'UPDATE account SET balance = 1 WHERE id = 1';
const tables = [
  'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
  'INSERT INTO account VALUES (1, 100)',
];

/** What prepare is answered with, where the session ends before a statement, and before its end. */
async function told(
  resource: WorkResource,
  end: (sql: Sql) => Promise<unknown>,
): Promise<string[]> {
  const said: string[] = [];
  for (const more of ['SELECT 1', null]) {
    const work: Work = async (sql) => {
      await sql.query(write);
      await end(sql);
      if (more !== null) await sql.query(more);
    };
    const prepared = Promise.resolve(resource.prepare(prepareCall(work)));
    said.push(JSON.stringify(await prepared.catch(({ reason }) => reason)));
  }
  return said;
}

describe('on PostgreSQL', () => {
  const bench = workOnPostgresql(tables.join(';'));
  const run = (text: string) => bench.at.postgresql.query(bench.at.connection, text);

  it.each<[string, (sql: Sql) => Promise<unknown>, string]>([
    [
      'idle_in_transaction_session_timeout',
      (sql) => sql.query('SET LOCAL idle_in_transaction_session_timeout = 50'),
      'due to idle-in-transaction timeout',
    ],
    [
      'pg_terminate_backend',
      async (sql) => {
        const { rows } = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await run(`SELECT pg_terminate_backend(${rows[0]?.pid})`);
      },
      'due to administrator command',
    ],
  ])('%s', async (_how, end, words) => {
    const resource = await bench.openWith(runWork);
    const said = await told(resource, async (sql) => {
      await end(sql);
      await pause(300);
    });
    expect(said).toEqual(Array(2).fill(expect.stringContaining(words)));
  });
});

/** MariaDB tells an idle session nothing: all there is is what the driver saw. */
const cut = /server closed the connection|ECONNRESET/;
const inactive = /disconnected by the server because of inactivity/;
const kinds = [
  { kind: 'mariadb', missing: await mariadbMissing('mariadb'), words: cut },
  { kind: 'mysql', missing: await mariadbMissing('mysql'), words: inactive },
] as const;

for (const { kind, missing, words } of kinds) {
  describe.skipIf(missing !== null)(`on ${kind}`, () => {
    const bench = workOnMariadb(tables, mariadbOfFile(kind));

    it('KILL', async () => {
      const resource = await bench.openWith(runWork);
      const said = await told(resource, async (sql) => {
        const { rows } = await sql.query<{ id: number }>('SELECT CONNECTION_ID() AS id');
        await bench.at.mariadb.query(bench.at.connection, `KILL ${rows[0]?.id}`);
        await pause(300);
      });
      expect(said).toEqual(Array(2).fill(expect.stringMatching(cut)));
    });

    it('wait_timeout', async () => {
      const resource = await bench.openWith(runWork);
      const said = await told(resource, async (sql) => {
        await sql.query('SET SESSION wait_timeout = 1');
        await pause(2_500);
      });
      expect(said).toEqual(Array(2).fill(expect.stringMatching(words)));
    });
  });
}
