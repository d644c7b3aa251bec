/**
 * Libraries with transactions of their own in the runs of `openTransactions`, while connections
 * break at any message: what their savepoints undid is gone, what they kept is there with the run.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions, type Transactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import { postgresql as postgresqlDatabase, type Sql } from '../../src/postgresql.ts';
import { type Told, toldBy, wrongIn } from '../support/checks/told.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { breakOnAndOn, portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import type { OrmBody, OrmHandle } from './orm.ts';
import { mariadbHandles, postgresqlHandles } from './orm-handles.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);

type Name = 'orders' | 'stock';
const names: readonly Name[] = ['orders', 'stock'];
const tables = [
  'CREATE TABLE sold (id varchar(60) NOT NULL, amount int NOT NULL)',
  'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
  'INSERT INTO account VALUES (1, 0)',
];
const workers = 3;
const perWorker = 12;
const seed = 20_264;

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

const fails: OrmBody = () => Promise.reject(new Error('on purpose'));

/** Whatever it draws, `amount` is what it adds where nothing undoes the run. */
async function add(handle: OrmHandle, amount: number, random: Random): Promise<void> {
  const draw = Math.floor(random.fraction() * 4);
  const undone: OrmBody = (tx) => tx.add(1_000_000).then(() => fails(tx));
  if (draw === 0) await handle.transaction((tx) => tx.add(amount));
  else if (draw === 1) {
    await handle.transaction(undone).catch(() => undefined);
    await handle.transaction((tx) => tx.add(amount));
  } else if (draw === 2) {
    await handle.transaction(async (tx) => {
      await tx.nested?.(undone).catch(() => undefined);
      await tx.add(amount - 1);
      await (tx.nested ?? ((body) => body(tx)))((inner) => inner.add(1));
    });
  } else {
    await Promise.all([
      handle.transaction(undone).catch(() => undefined),
      handle.transaction((tx) => tx.add(amount)),
    ]);
  }
}

async function sell(db: Transactions<Name>, random: Random, id: string): Promise<Told<Name>> {
  const libraries = Object.keys(postgresqlHandles);
  const library = libraries[Math.floor(random.fraction() * libraries.length)] ?? '';
  const amount = 2 + Math.floor(random.fraction() * 100);
  const isWhim = random.fraction() < 0.1;
  const order = random.fraction() < 0.8 ? names : [...names].reverse();
  const handleOf = (name: Name, sql: Sql): OrmHandle | undefined =>
    (name === 'stock' && mariadb !== null ? mariadbHandles : postgresqlHandles)[library]?.(sql);
  const running = db.run(
    async (databases) => {
      for (const name of order) {
        const handle = handleOf(name, databases[name]);
        if (handle === undefined) throw new Error(`There is no ${library}.`);
        await databases[name].query(`INSERT INTO sold VALUES ('${id}', ${amount})`);
        await add(handle, amount, random);
      }
      if (isWhim) throw new Error('A whim.');
    },
    { timeoutMs: 4_000, maxAttempts: 4 },
  );
  return { id, wrote: names, ended: await toldBy(running) };
}

it(
  'what their savepoints keep is whole or not there, and what they undo is gone',
  async () => {
    const random = seededRandom(seed);
    const directory = temporaryDirectory();
    const server = mariadb?.();
    const orders = await postgresql().database(tables.join(';'));
    const stock =
      server === undefined
        ? await postgresql().database(tables.join(';'))
        : await server.database(tables);
    const proxies = [await TcpProxy.started(orders.port), await TcpProxy.started(stock.port)];
    const [first = 0, second = 0] = proxies.map(portOf);
    const how = { isolation: 'read committed', lockWaitMs: 1_000 } as const;
    const toStock = { ...stock, ...how, port: second };
    const db = await openTransactions<Name>({
      directory: join(directory.path, 'verdict'),
      databases: {
        orders: postgresqlDatabase({ ...orders, ...how, port: first }),
        stock: server === undefined ? postgresqlDatabase(toStock) : mariadbDatabase(toStock),
      },
      logger: silentLogger,
    });
    onTestFinished(async () => {
      await db.close();
      await Promise.all(proxies.map((proxy) => proxy.close()));
      directory.remove();
    });
    const rows = (of: Name, text: string): Promise<readonly Record<string, unknown>[]> =>
      of === 'stock' && server !== undefined
        ? server.query(stock, text)
        : postgresql().query(of === 'orders' ? orders : stock, text);

    let over = false;
    const breaking = breakOnAndOn(proxies, random, () => over);
    const told: Told<Name>[] = [];
    await Promise.all(
      Array.from({ length: workers }, async (_, worker) => {
        for (let turn = 0; turn < perWorker; turn += 1)
          told.push(await sell(db, random, `${worker}-${turn}`));
      }),
    );
    over = true;
    const broken = await breaking;
    await eventually(
      async () => {
        const here = await rows('orders', 'SELECT gid FROM pg_prepared_xacts');
        const there = server === undefined ? [] : await rows('stock', 'XA RECOVER');
        return here.length + there.length === 0 ? true : null;
      },
      () => 'nothing to be prepared',
      30_000,
    );
    const idsOf = async (name: Name) =>
      (await rows(name, 'SELECT id FROM sold')).map(({ id }) => String(id));
    const committed = told.filter(({ ended }) => ended === 'committed').length;
    expect(wrongIn(told, { orders: await idsOf('orders'), stock: await idsOf('stock') })).toEqual(
      [],
    );
    for (const name of names) {
      const [sums] = await rows(
        name,
        'SELECT balance, (SELECT coalesce(sum(amount), 0) FROM sold) AS sold FROM account',
      );
      expect({ name, balance: Number(sums?.['balance']) }).toEqual({
        name,
        balance: Number(sums?.['sold']),
      });
    }
    expect(broken).toBeGreaterThan(5);
    expect(committed).toBeGreaterThan(told.length / 3);
  },
  240_000 * slownessFactor,
);
