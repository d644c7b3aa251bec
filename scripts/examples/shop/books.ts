/** The books of examples/shop: what its three databases say of each order, held side by side. */
import mysql from 'mysql2/promise';
import pg from 'pg';

/** URLs, as the services are given them. */
export interface ShopDatabases {
  readonly orders: string;
  readonly stock: string;
  readonly payment: string;
}

export interface Books {
  readonly orders: readonly OrderRow[];
  /** By sku: what is left, and what was taken for each order. */
  readonly items: Readonly<Record<string, number>>;
  readonly removals: readonly { order_id: string; sku: string; quantity: number }[];
  /** By account: cents, and what was charged for each order. */
  readonly accounts: Readonly<Record<string, number>>;
  readonly charges: readonly { order_id: string; account: string; cents: number }[];
  /** Branches that are prepared and have not ended. */
  readonly inDoubt: number;
}

export interface OrderRow {
  readonly id: string;
  readonly account: string;
  readonly sku: string;
  readonly quantity: number;
  readonly cents: number;
  readonly txid: string;
}

/** Makes the three databases, empty. Given: any database of each server, as a URL. */
export async function makeDatabases(postgresql: string, mariadb: string): Promise<ShopDatabases> {
  for (const name of ['orders', 'stock']) await pgRows(postgresql, `CREATE DATABASE ${name}`);
  await mysqlRows(mariadb, 'CREATE DATABASE payment');
  return {
    orders: new URL('/orders', postgresql).href,
    stock: new URL('/stock', postgresql).href,
    payment: new URL('/payment', mariadb).href,
  };
}

export async function readBooks({ orders, stock, payment }: ShopDatabases): Promise<Books> {
  const items = await pgRows<{ sku: string; left: number }>(stock, 'SELECT * FROM items');
  const accounts = await mysqlRows<{ id: string; cents: number }>(
    payment,
    'SELECT * FROM accounts',
  );
  return {
    orders: await pgRows(orders, 'SELECT * FROM orders'),
    items: Object.fromEntries(items.map(({ sku, left }) => [sku, left])),
    removals: await pgRows(stock, 'SELECT * FROM removals'),
    accounts: Object.fromEntries(accounts.map(({ id, cents }) => [id, cents])),
    charges: await mysqlRows(payment, 'SELECT * FROM charges'),
    inDoubt:
      // Of the whole server, so of both services.
      (await pgRows(orders, 'SELECT gid FROM pg_prepared_xacts')).length +
      (await mysqlRows(payment, 'XA RECOVER')).length,
  };
}

/** What is not in order; empty: all is. */
export function faultsOf(before: Books, after: Books): string[] {
  const faults: string[] = [];
  const expectEqual = (what: string, found: unknown, expected: unknown): void => {
    const [is, should] = [JSON.stringify(found), JSON.stringify(expected)];
    if (is !== should) faults.push(`${what}: ${is} and not ${should}`);
  };
  const { orders, removals, charges, items, accounts } = after;
  const sorted = (rows: readonly (readonly (string | number)[])[]): string[] =>
    rows.map((row) => row.join(' ')).sort();
  expectEqual(
    'what left the shelves, for which order',
    sorted(removals.map(({ order_id, sku, quantity }) => [order_id, sku, quantity])),
    sorted(orders.map(({ id, sku, quantity }) => [id, sku, quantity])),
  );
  expectEqual(
    'what was charged, for which order',
    sorted(charges.map(({ order_id, account, cents }) => [order_id, account, cents])),
    sorted(orders.map(({ id, account, cents }) => [id, account, cents])),
  );
  for (const [sku, left] of Object.entries(items)) {
    const taken = sum(removals.filter((each) => each.sku === sku).map(({ quantity }) => quantity));
    expectEqual(`${sku}s, left and ordered`, left + taken, before.items[sku]);
  }
  for (const [id, cents] of Object.entries(accounts)) {
    const spent = sum(charges.filter(({ account }) => account === id).map((each) => each.cents));
    expectEqual(`cents of ${id}, left and spent`, cents + spent, before.accounts[id]);
  }
  if (after.inDoubt > 0) faults.push(`${after.inDoubt} branches are in doubt`);
  return faults;
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

async function pgRows<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function mysqlRows<Row>(url: string, text: string): Promise<Row[]> {
  const connection = await mysql.createConnection({ uri: url, connectTimeout: 5_000 });
  connection.on('error', () => undefined);
  try {
    const [rows] = await connection.query(text);
    return rows as Row[];
  } finally {
    await connection.end().catch(() => undefined);
  }
}
