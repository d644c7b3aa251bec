/**
 * A service of two databases dies by kill -9 at every point of a run: before any prepare, between
 * two, before and after the decision, between the commits. The next start on its directory ends
 * what is prepared as it was decided; money has moved on both sides or on neither.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Books,
  type DatabaseChoice,
  TransactionsProcess,
  type TransactionsSettings,
  wrongIn,
} from '../support/library/transactions-process.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually, pause } from '../support/process/child.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const accounts = Array.from({ length: 20 }, (_, index) => `(${index + 1}, 100000)`).join(', ');
const start = 20 * 100_000;
/** What its process voted for is asked about once the transaction's time is over. */
const doubtsMs = 60_000;
const tables = [
  'CREATE TABLE account (id int PRIMARY KEY, cents int NOT NULL)',
  'CREATE TABLE moved (id varchar(60) PRIMARY KEY)',
  'CREATE TABLE alone (id varchar(60) PRIMARY KEY)',
  `INSERT INTO account VALUES ${accounts}`,
];
/** Two branches a run: an odd count is between the two. */
const points = [
  { point: 'work-done', times: 9 },
  { point: 'before-prepare', times: 5 },
  { point: 'prepared', times: 9 },
  { point: 'prepared', times: 10 },
  { point: 'before-decision', times: 5 },
  { point: 'decision-in-flight', times: 5 },
  { point: 'decision-durable', times: 5 },
  { point: 'after-outcome', times: 5 },
  { point: 'committed', times: 9 },
  { point: 'committed', times: 10 },
  { point: 'before-finish', times: 5 },
  { point: 'committed-alone', times: 5 },
] as const;

interface Side {
  readonly choice: DatabaseChoice;
  books(): Promise<Books>;
}

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

async function booksBy(
  rows: (text: string) => Promise<readonly object[]>,
  prepared: string,
): Promise<Books> {
  const ids = async (table: string) =>
    (await rows(`SELECT id FROM ${table}`)).map((row) => String((row as { id: string }).id));
  const [sum] = await rows('SELECT SUM(cents) AS cents FROM account');
  return {
    cents: Number((sum as { cents: unknown }).cents),
    moved: await ids('moved'),
    alone: await ids('alone'),
    prepared: await rows(prepared),
  };
}

async function onPostgresql(): Promise<Side> {
  const connection = await postgresql().database(tables.join(';'));
  const own = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
  return {
    choice: { kind: 'postgresql', connection },
    books: () => booksBy((text) => postgresql().query(connection, text), own),
  };
}

async function onMariadb(): Promise<Side> {
  if (mariadb === null) throw new Error('There is no MariaDB.');
  const server = mariadb();
  const connection = await server.database(tables);
  return {
    choice: { kind: 'mariadb', connection },
    books: () => booksBy((text) => server.query<object>(connection, text), 'XA RECOVER'),
  };
}

interface Manner {
  readonly urls?: readonly string[];
  /** Who ends what is left has a directory of its own: another process of the service. */
  readonly bySibling?: boolean;
}

type Lives = (more: Partial<TransactionsSettings>) => TransactionsProcess;

/** Checks the books after `live`, and one more process that only ends what is left. */
async function inLives(
  sides: () => Promise<readonly [Side, Side]>,
  live: (start: Lives) => Promise<void>,
  { bySibling = false, ...more }: Manner = {},
): Promise<number> {
  const directory = temporaryDirectory();
  const [from, to] = await sides();
  const processes: TransactionsProcess[] = [];
  const startOne: Lives = (how) => {
    const one = new TransactionsProcess({
      directory: join(directory.path, 'verdict'),
      from: from.choice,
      to: to.choice,
      seed: processes.length + 1,
      ...more,
      ...how,
    });
    processes.push(one);
    return one;
  };
  try {
    await live(startOne);
    const others = join(directory.path, 'sibling');
    const last = startOne({ recoverOnly: true, ...(bySibling && { directory: others }) });
    const wrong = async () => wrongIn(processes, start, await from.books(), await to.books());
    if (more.urls !== undefined) {
      await last.child.line(/^opened/);
      await eventually(
        async () => ((await wrong()).length === 0 ? true : null),
        () => 'the books to be in order',
        doubtsMs,
      );
      last.child.signal('SIGTERM');
    }
    const { code } = await last.child.exited;
    if (code !== 0) throw new Error(`It ended with ${code}:\n${last.child.lines.join('\n')}`);
    expect(await wrong()).toEqual([]);
    return processes.flatMap((one) => one.ids('done')).length;
  } finally {
    for (const { child } of processes) if (child.exit === null) await child.kill();
    directory.remove();
  }
}

async function killedAt(
  point: { readonly point: string; readonly times: number },
  sides: () => Promise<readonly [Side, Side]>,
  more: Manner = {},
): Promise<void> {
  await inLives(
    sides,
    async (start) => {
      for (const loops of [1, 4]) {
        const life = start({ crashAt: point, loops });
        const { signal } = await life.child.exited;
        if (signal !== 'SIGKILL')
          throw new Error(`It ended by itself:\n${life.child.lines.join('\n')}`);
      }
    },
    more,
  );
}

async function killedAtRandom(sides: () => Promise<readonly [Side, Side]>): Promise<void> {
  const random = seededRandom(11);
  const done = await inLives(sides, async (start) => {
    for (let round = 0; round < 5; round += 1) {
      const life = start({ loops: 6 });
      await life.child.line(/^done/);
      await pause(random.fraction() * 400);
      await life.child.kill();
    }
  });
  expect(done).toBeGreaterThan(5);
}

const twoPostgresql = async () => [await onPostgresql(), await onPostgresql()] as const;
const both = async () => [await onPostgresql(), await onMariadb()] as const;

describe('on two PostgreSQL databases', () => {
  it.for(points)('killed at $point ($times)', (point) => killedAt(point, twoPostgresql));

  it('killed again and again', () => killedAtRandom(twoPostgresql));
});

describe.skipIf(noMariadb !== null)('on PostgreSQL and MariaDB', () => {
  it.for(points)('killed at $point ($times)', (point) => killedAt(point, both));

  it('killed again and again', () => killedAtRandom(both));
});

describe('of a cluster, on two PostgreSQL databases', () => {
  let node: NodeProcess;
  const data = temporaryDirectory();
  beforeAll(async () => {
    node = await NodeProcess.started({ data: data.path, options: quickOptions });
  });
  afterAll(async () => {
    await node.kill();
    data.remove();
  });

  it.for([
    { point: 'work-done', times: 9 },
    { point: 'prepared', times: 9 },
    { point: 'prepared', times: 10 },
    { point: 'committed', times: 9 },
    { point: 'committed-alone', times: 5 },
  ])('killed at $point ($times)', (point) => killedAt(point, twoPostgresql, { urls: [node.url] }));

  it.for([
    { point: 'prepared', times: 10 },
    { point: 'committed', times: 9 },
  ])('killed at $point ($times), and another process ends it', (point) =>
    killedAt(point, twoPostgresql, { urls: [node.url], bySibling: true }),
  );
});
