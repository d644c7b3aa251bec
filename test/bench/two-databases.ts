/**
 * What two-phase commit costs a service of two databases: `openTransactions` against two plain
 * commits one after the other, which a crash in between leaves half done. In turns, on the same
 * servers. Run: node test/bench/two-databases.ts [RUNS]
 */
import { join } from 'node:path';
import process from 'node:process';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb } from '../../src/mariadb.ts';
import { postgresql } from '../../src/postgresql.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { startMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';

const runs = Number(process.argv[2] ?? 100);
const rounds = 3;
const rows = Array.from({ length: 64 }, (_, index) => `(${index + 1}, 0)`).join(', ');
const setup = [
  'CREATE TABLE account (id int PRIMARY KEY, cents int)',
  `INSERT INTO account VALUES ${rows}`,
];
const onPostgresql = 'UPDATE account SET cents = cents + 1 WHERE id = $1';
const onMariadb = 'UPDATE account SET cents = cents + 1 WHERE id = ?';
const isolation = 'read committed';

const directory = temporaryDirectory();
const pgServer = await startPostgresql();
const myServer = await startMariadb();
const a = await pgServer.database(setup.join(';'));
const b = await pgServer.database(setup.join(';'));
const c = await myServer.database(setup);
const db = await openTransactions({
  directory: join(directory.path, 'verdict'),
  databases: {
    a: postgresql({ ...a, isolation }),
    b: postgresql({ ...b, isolation }),
    c: mariadb({ ...c, isolation }),
  },
});
const poolA = new pg.Pool({ ...a, max: 16 });
const poolB = new pg.Pool({ ...b, max: 16 });
const poolC = mysql.createPool({ ...c, connectionLimit: 16 });

type Commit = () => Promise<void>;
async function plainPostgresql(pool: pg.Pool, id: number): Promise<Commit> {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(onPostgresql, [id]);
  return async () => {
    await client.query('COMMIT');
    client.release();
  };
}
async function plainMariadb(id: number): Promise<Commit> {
  const connection = await poolC.getConnection();
  await connection.beginTransaction();
  await connection.execute(onMariadb, [id]);
  return async () => {
    await connection.commit();
    connection.release();
  };
}
async function plain(...works: readonly Promise<Commit>[]): Promise<void> {
  for (const commit of await Promise.all(works)) await commit();
}

const pairs: Readonly<Record<string, readonly [string, (id: number) => Promise<unknown>][]>> = {
  'PostgreSQL and PostgreSQL': [
    ['plain', (id) => plain(plainPostgresql(poolA, id), plainPostgresql(poolB, id))],
    [
      'verdict',
      (id) =>
        db.run((on) =>
          Promise.all([on.a.query(onPostgresql, [id]), on.b.query(onPostgresql, [id])]),
        ),
    ],
  ],
  'PostgreSQL and MariaDB': [
    ['plain', (id) => plain(plainPostgresql(poolA, id), plainMariadb(id))],
    [
      'verdict',
      (id) =>
        db.run((on) => Promise.all([on.a.query(onPostgresql, [id]), on.c.query(onMariadb, [id])])),
    ],
  ],
  'PostgreSQL alone': [
    ['plain', (id) => plain(plainPostgresql(poolA, id))],
    ['verdict', (id) => db.run((on) => on.a.query(onPostgresql, [id]))],
  ],
};

for (const atOnce of [1, 8]) {
  for (const [name, ways] of Object.entries(pairs)) {
    const spent = new Map<string, number>();
    for (let round = 0; round <= rounds; round += 1) {
      for (const [way, go] of ways) {
        const ms = await timed(atOnce, go);
        // The first round warms up.
        if (round > 0) spent.set(way, (spent.get(way) ?? 0) + ms);
      }
    }
    const each = (way: string): number => (spent.get(way) ?? 0) / (rounds * runs);
    const [plainMs, verdictMs] = [each('plain'), each('verdict')];
    console.log(
      `${name}, ${atOnce} at once: plain ${plainMs.toFixed(2)} ms, verdict ${verdictMs.toFixed(2)} ms, ratio ${(verdictMs / plainMs).toFixed(1)}`,
    );
  }
}
await db.close();
await Promise.all([poolA.end(), poolB.end(), poolC.end()]);
await myServer.dispose();
await pgServer.dispose();
directory.remove();

async function timed(atOnce: number, go: (id: number) => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < runs) {
      next += 1;
      await go(1 + (next % 64));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return performance.now() - startMs;
}
