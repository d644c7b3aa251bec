/** Orders are in PostgreSQL, the stock is in MariaDB: both change, or neither. */
import process from 'node:process';
import { openTransactions } from 'verdict/embedded';
import { mariadb } from 'verdict/mariadb';
import { postgresql } from 'verdict/postgresql';

const { ORDERS_URL = '', STOCK_URL = '', VERDICT_DIRECTORY = './verdict' } = process.env;
/** Addresses of a cluster's nodes, with commas between them. */
const nodes = process.env['VERDICT_URLS'];

// Opening ends first what an earlier process left prepared, so a crash needs no care of yours.
export const db = await openTransactions({
  // Decisions are kept here. Keep it as you keep the databases: a volume, not a container's disk.
  directory: VERDICT_DIRECTORY,
  databases: {
    orders: postgresql({ connectionString: ORDERS_URL }),
    stock: mariadb({ uri: STOCK_URL }),
  },
  // The one option that moves it to a cluster: its nodes decide, in place of this process.
  ...(nodes === undefined ? {} : { urls: nodes.split(',') }),
});

export class SoldOut extends Error {}

/** Throws SoldOut, and then nothing is written anywhere. */
export async function placeOrder(id: string, item: string): Promise<void> {
  // The function is called again if a database undid its work for another order's sake. So it
  // does nothing but queries: send the mail after `run`.
  await db.run(async ({ orders, stock }) => {
    await orders.query('INSERT INTO orders (id, item) VALUES ($1, $2)', [id, item]);
    const taken = await stock.query(
      'UPDATE stock SET free = free - 1 WHERE item = ? AND free > 0',
      [item],
    );
    // The order was inserted above. Throwing takes it back.
    if (taken.affectedCount === 0) throw new SoldOut(`${item} is sold out`);
  });
}
