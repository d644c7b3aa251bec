/**
 * Two instances over the same databases, whose runs are ended at any moment: by signals, by their
 * time, by broken connections, by a close. What is told holds, and a row that one database reads
 * FOR UPDATE guards what another writes until that has committed.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions, type Transactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import { postgresql as postgresqlDatabase, type Sql } from '../../src/postgresql.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { type Told, toldBy, wrongIn } from '../support/checks/told.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { breakOnAndOn, portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually, pause } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);

type Name = 'orders' | 'bills' | 'stock';
const names: readonly Name[] = ['orders', 'bills', 'stock'];
const guards = 2;
const tables = [
  'CREATE TABLE sold (id varchar(60) NOT NULL)',
  'CREATE TABLE guard (id int PRIMARY KEY)',
  // What the run read before it wrote, and so what no other one that holds the guard can have read.
  'CREATE TABLE counted (guard varchar(20) NOT NULL, n int NOT NULL, id varchar(60) NOT NULL)',
  ...Array.from({ length: guards }, (_, id) => `INSERT INTO guard VALUES (${id})`),
];
const lives = 3;
const perLife = 12;
const workers = 3;
const seed = 20_262;

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

interface Sides {
  readonly open: (directory: string, maxSessions: number) => Promise<Transactions<Name>>;
  readonly proxies: readonly TcpProxy[];
  readonly rows: (of: Name, text: string) => Promise<readonly Record<string, unknown>[]>;
}

async function madeSides(urls: readonly string[] | undefined): Promise<Sides> {
  const directory = temporaryDirectory();
  const server = mariadb?.();
  const orders = await postgresql().database(tables.join(';'));
  const bills = await postgresql().database(tables.join(';'));
  const stock =
    server === undefined
      ? await postgresql().database(tables.join(';'))
      : await server.database(tables);
  const addresses = { orders, bills, stock };
  const proxies = await Promise.all(names.map((name) => TcpProxy.started(addresses[name].port)));
  onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    directory.remove();
  });
  const isolation = 'read committed';
  return {
    proxies,
    open: (own, maxSessions) => {
      const how = (name: Name, at: number) =>
        ({
          ...addresses[name],
          port: portOf(proxies[at] as TcpProxy),
          isolation,
          maxSessions,
        }) as const;
      const last = how('stock', 2);
      return openTransactions<Name>({
        directory: join(directory.path, own),
        databases: {
          orders: postgresqlDatabase(how('orders', 0)),
          bills: postgresqlDatabase(how('bills', 1)),
          stock: server === undefined ? postgresqlDatabase(last) : mariadbDatabase(last),
        },
        logger: silentLogger,
        ...(urls !== undefined && { urls }),
      });
    },
    rows: (of, text) =>
      of === 'stock' && server !== undefined
        ? server.query(stock, text)
        : postgresql().query(addresses[of], text),
  };
}

type Work = (databases: Readonly<Record<Name, Sql>>) => Promise<void>;

function oneOf<T>(random: Random, all: readonly T[]): T {
  return all[Math.floor(random.fraction() * all.length)] as T;
}

/** Some of the databases get a row; a guarded run also reads, waits, and writes what it read. */
function drawWork(random: Random, id: string): { readonly wrote: readonly Name[]; work: Work } {
  const isGuarded = random.fraction() < 0.5;
  const guarding = oneOf(random, names);
  const target = oneOf(
    random,
    names.filter((name) => name !== guarding),
  );
  const more = names.filter((name) => name !== target && random.fraction() < 0.3);
  const guard = Math.floor(random.fraction() * guards);
  const waitMs = random.fraction() * 10;
  const insert = `INSERT INTO sold VALUES ('${id}')`;
  const wrote = [target, ...more.filter((name) => !(isGuarded && name === guarding))];
  const key = `${guarding} ${guard}`;
  const work: Work = async (databases) => {
    if (isGuarded) {
      await databases[guarding].query(`SELECT id FROM guard WHERE id = ${guard} FOR UPDATE`);
      const { rows } = await databases[target].query<{ n: number | string }>(
        `SELECT count(*) AS n FROM counted WHERE guard = '${key}'`,
      );
      await pause(waitMs);
      await databases[target].query(
        `INSERT INTO counted VALUES ('${key}', ${Number(rows[0]?.n)}, '${id}')`,
      );
    }
    for (const name of wrote) await databases[name].query(insert);
  };
  return { wrote, work };
}

/** Where two runs under one guard read the same. */
async function twiceRead({ rows }: Sides): Promise<string[]> {
  const all = await Promise.all(
    names.map(async (name) => {
      const text =
        'SELECT guard, n, min(id) AS one, max(id) AS other, count(*) AS runs FROM counted GROUP BY guard, n HAVING count(*) > 1';
      return (await rows(name, text)).map((row) => `${name}: ${JSON.stringify(row)}`);
    }),
  );
  return all.flat();
}

async function prepared({ rows }: Sides): Promise<string[]> {
  const here = await rows('orders', 'SELECT gid AS id FROM pg_prepared_xacts');
  const there = mariadb === null ? [] : await rows('stock', 'XA RECOVER');
  return [...here, ...there].map((row) => JSON.stringify(row));
}

it.each([
  ['in this process', false],
  ['with nodes', true],
] as const)(
  'runs that are ended at any moment are whole or not there, decided %s',
  async (_, isApart) => {
    const random = seededRandom(seed + Number(isApart));
    const coordinator = isApart ? await startTestCoordinator() : null;
    if (coordinator !== null) onTestFinished(() => coordinator.close());
    const sides = await madeSides(coordinator === null ? undefined : coordinator.urls);
    const told: Told<Name>[] = [];
    let over = false;
    const breaking = breakOnAndOn(sides.proxies, random, () => over);

    const worker = async (db: Transactions<Name>, prefix: string): Promise<void> => {
      for (let turn = 0; turn < perLife; turn += 1) {
        const id = `${prefix}-${turn}`;
        const { wrote, work } = drawWork(random, id);
        const draw = random.fraction();
        // As far into a run on a slow machine, or hardly one of them would commit.
        const afterMs = random.fraction() * 60 * slownessFactor;
        const signal = new AbortController();
        if (draw < 0.3) setTimeout(() => signal.abort(), afterMs);
        const running = db.run(work, {
          timeoutMs: draw > 0.7 ? 5 + Math.floor(afterMs) : 4_000,
          maxAttempts: 3,
          answer: random.fraction() < 0.5 ? 'decided' : 'applied',
          signal: signal.signal,
        });
        told.push({ id, wrote, ended: await toldBy(running) });
      }
    };
    const instance = async (name: string, sizes: readonly number[]): Promise<void> => {
      for (let life = 0; life < lives; life += 1) {
        const db = await eventually(
          () => sides.open(name, sizes[life % sizes.length] ?? 1).catch(() => null),
          () => 'the databases to be opened',
        );
        const working = Array.from({ length: workers }, (__, at) =>
          worker(db, `${name}-${life}-${at}`),
        );
        // One of them is done, others are in the midst.
        await Promise.race(working);
        await db.close();
        await Promise.all(working);
      }
    };
    await Promise.all([instance('first', [1, 2, 16]), instance('second', [2, 16, 1])]);
    over = true;
    const broken = await breaking;
    // What the last ones left is ended by their directories' next process.
    const after = await Promise.all(['first', 'second'].map((name) => sides.open(name, 16)));
    let left: readonly string[] = [];
    try {
      await eventually(
        async () => {
          left = await prepared(sides);
          return left.length === 0 ? true : null;
        },
        () => `nothing to be prepared; there is ${left.join(', ')}`,
        30_000,
      );
    } finally {
      for (const db of after) await db.close();
    }
    const idsOf = async (name: Name) =>
      (await sides.rows(name, 'SELECT id FROM sold')).map(({ id }) => String(id));
    const [orders, bills, stock] = [
      await idsOf('orders'),
      await idsOf('bills'),
      await idsOf('stock'),
    ];
    const ended = (how: string) => told.filter((one) => one.ended === how).length;
    expect(wrongIn(told, { orders, bills, stock })).toEqual([]);
    expect(await twiceRead(sides)).toEqual([]);
    expect(broken).toBeGreaterThan(5);
    expect(ended('committed')).toBeGreaterThan(told.length / 4);
  },
  240_000 * slownessFactor,
);
