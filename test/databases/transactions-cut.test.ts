/**
 * Runs while the connections to both databases break at any message, either way, now heard of and
 * now not. What is told holds in the end: committed is in every database that was written, once,
 * aborted is in none, and what no one knew is whole or not there.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions, type Transactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { postgresql as postgresqlDatabase } from '../../src/postgresql.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { type Told, toldBy, wrongIn } from '../support/checks/told.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { breakOnAndOn, portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const table = 'CREATE TABLE sold (id varchar(60) NOT NULL)';
const workers = 3;
const perWorker = 100;
const seed = 20_261;

type Name = 'orders' | 'stock';
type Ids = () => Promise<readonly string[]>;

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

interface Sides {
  readonly db: Transactions<Name>;
  readonly proxies: readonly TcpProxy[];
  readonly ids: Readonly<Record<Name, Ids>>;
  readonly prepared: Ids;
}

async function opened(urls: readonly string[] | undefined): Promise<Sides> {
  const directory = temporaryDirectory();
  const orders = await postgresql().database(table);
  const server = mariadb?.();
  const other =
    server === undefined ? await postgresql().database(table) : await server.database([table]);
  const proxies = [await TcpProxy.started(orders.port), await TcpProxy.started(other.port)];
  const [first, second] = proxies.map(portOf);
  const stock = { ...other, port: second ?? 0 };
  const db = await openTransactions<Name>({
    directory: join(directory.path, 'verdict'),
    databases: {
      orders: postgresqlDatabase({ ...orders, port: first ?? 0 }),
      stock: server === undefined ? postgresqlDatabase(stock) : mariadbDatabase(stock),
    },
    logger: silentLogger,
    ...(urls !== undefined && { urls }),
  });
  onTestFinished(async () => {
    for (const proxy of proxies) proxy.heal();
    await db.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    directory.remove();
  });
  const rows = async (of: Name, text: string): Promise<readonly object[]> =>
    of === 'stock' && server !== undefined
      ? server.query<object>(other, text)
      : postgresql().query(of === 'orders' ? orders : other, text);
  const idsOf = (of: Name) => async () =>
    (await rows(of, 'SELECT id FROM sold')).map((row) => (row as { id: string }).id);
  return {
    db,
    proxies,
    ids: { orders: idsOf('orders'), stock: idsOf('stock') },
    prepared: async () => {
      const left = await rows('orders', 'SELECT gid AS id FROM pg_prepared_xacts');
      const there = server === undefined ? [] : await rows('stock', 'XA RECOVER');
      return [...left, ...there].map((row) => JSON.stringify(row));
    },
  };
}

async function sell(
  db: Transactions<Name>,
  id: string,
  wrote: readonly Name[],
): Promise<Told<Name>> {
  const running = db.run(
    async (databases) => {
      for (const name of wrote) {
        await databases[name].query(`INSERT INTO sold VALUES ('${id}')`);
      }
    },
    { timeoutMs: 4_000, maxAttempts: 4 },
  );
  return { id, wrote, ended: await toldBy(running) };
}

it.each([
  ['in this process', false],
  ['with nodes', true],
] as const)(
  'no broken connection makes half a run, or one twice, decided %s',
  async (_, isApart) => {
    const random = seededRandom(seed + Number(isApart));
    const coordinator = isApart ? await startTestCoordinator() : null;
    if (coordinator !== null) onTestFinished(() => coordinator.close());
    const { db, proxies, ids, prepared } = await opened(
      coordinator === null ? undefined : coordinator.urls,
    );
    let over = false;
    const breaking = breakOnAndOn(proxies, random, () => over);
    const told: Told<Name>[] = [];
    const choices: readonly (readonly Name[])[] = [
      ['orders'],
      ['stock'],
      ['orders', 'stock'],
      ['orders', 'stock'],
    ];
    await Promise.all(
      Array.from({ length: workers }, async (__, worker) => {
        for (let turn = 0; turn < perWorker; turn += 1) {
          const wrote = choices[Math.floor(random.fraction() * choices.length)] ?? ['orders'];
          told.push(await sell(db, `${worker}-${turn}`, wrote));
        }
      }),
    );
    over = true;
    const broken = await breaking;
    let left: readonly string[] = [];
    await eventually(
      async () => {
        left = await prepared();
        return left.length === 0 ? true : null;
      },
      () => `nothing to be prepared; there is ${left.join(', ')}`,
      30_000,
    );
    const committed = told.filter(({ ended }) => ended === 'committed').length;
    expect(wrongIn(told, { orders: await ids.orders(), stock: await ids.stock() })).toEqual([]);
    expect(broken).toBeGreaterThan(10);
    expect(committed).toBeGreaterThan(told.length / 2);
  },
  240_000 * slownessFactor,
);
