/**
 * A service of two databases in a process of its own: moves money between them, run after run, and
 * tells of each, until it is killed. Run: transactions-entry.ts SETTINGS, one JSON object.
 */
import process from 'node:process';
import { type Database, isVerdictError, openTransactions } from '../../../src/embedded.ts';
import { mariadb } from '../../../src/mariadb.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { postgresql } from '../../../src/postgresql.ts';
import { tell } from '../process/tell.ts';
import { seededRandom } from '../samples/seeded-random.ts';
import type { DatabaseChoice, TransactionsSettings } from './transactions-process.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as TransactionsSettings;
const { directory, from, to, urls, crashAt, seed, loops = 4, recoverOnly = false } = settings;
const random = seededRandom(seed);
const accounts = 20;

let passed = 0;
const reached = (point: string): void => {
  if (point !== crashAt?.point) return;
  passed += 1;
  if (passed >= crashAt.times) process.kill(process.pid, 'SIGKILL');
};

function databaseOf({ kind, connection }: DatabaseChoice): Database {
  const options = { ...connection, isolation: 'read committed' } as const;
  return kind === 'postgresql' ? postgresql(options) : mariadb(options);
}

const db = await openTransactions({
  directory,
  databases: { source: databaseOf(from), target: databaseOf(to) },
  ...(urls === undefined ? {} : { urls }),
  logger: silentLogger,
  reached,
});
// A cluster's participants end their doubts behind their start: it stays until it is told to end.
const told = new Promise((done) => process.once('SIGTERM', done));
tell('opened');
if (recoverOnly && urls !== undefined) await told;
if (recoverOnly) await db.close();
else await Promise.all(Array.from({ length: loops }, () => go()));

async function go(): Promise<never> {
  for (;;) {
    const id = `${seed}-${Math.floor(random.fraction() * 1e12)}`;
    const draw = random.fraction();
    const account = 1 + Math.floor(random.fraction() * accounts);
    tell(`begun ${id}`);
    try {
      await db.run(async ({ source, target }) => {
        await Promise.all([
          source.query(`UPDATE account SET cents = cents - 1 WHERE id = ${account}`),
          target.query(`UPDATE account SET cents = cents + 1 WHERE id = ${account}`),
        ]);
        await source.query(`INSERT INTO moved (id) VALUES ('${id}')`);
        await target.query(`INSERT INTO moved (id) VALUES ('${id}')`);
        if (draw < 0.15) throw new Error('A whim.');
      });
      tell(`done ${id}`);
    } catch (error) {
      const unknown = isVerdictError(error) && error.code === 'OUTCOME_UNKNOWN';
      if (!unknown) tell(`undone ${id}`);
    }
    // One database alone: its commit is the decision.
    const alone = `${id}-alone`;
    tell(`begun ${alone}`);
    await db.run(async ({ source }) => {
      await source.query(`INSERT INTO alone (id) VALUES ('${alone}')`);
    });
    tell(`done ${alone}`);
  }
}
