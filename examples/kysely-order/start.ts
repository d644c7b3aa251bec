/** A coordinator, both participants, three orders, and a kill -9 between vote and commit. */
import process from 'node:process';
import { connect } from 'verdict/client';
import { Stage } from '../../scripts/examples/stage.ts';
import { until } from '../../scripts/examples/until.ts';
import { Books } from './books.ts';

if (process.argv.length > 2) {
  console.error('npm run example -- kysely-order');
  process.exit(2);
}

await using stage = new Stage(import.meta.url);
console.log('Starting PostgreSQL, MariaDB and a coordinator.');
const env = {
  ACCOUNTS_URL: await stage.postgresql(),
  STOCK_URL: await stage.mariadb(),
  VERDICT_URL: await stage.coordinator(),
  DATA: stage.data,
};
await using books = await Books.open(env.ACCOUNTS_URL, env.STOCK_URL);
const inventory = await stage.service('inventory.ts', { env, ready: /ready/ });
const servePayment = () => stage.service('payment.ts', { env, ready: /ready/ });
const payment = await servePayment();
const order = async (...args: string[]): Promise<void> => {
  const code = await stage.program('client.ts', { env, args });
  if (code !== 0) throw new Error(`client.ts ended with ${code}.`);
};

await order('order-1', '2');
// Payment could charge it, inventory cannot deliver it: neither does.
await order('order-2', '2');

// Inventory stands still: payment votes, and nothing can be decided.
inventory.signal('SIGSTOP');
const answer = order('order-3', '1');
await using client = await connect({ urls: [env.VERDICT_URL], name: 'shop' });
const txid = await until('the vote of payment', async () => {
  const [prepared] = await books.preparedInPostgresql();
  if (prepared === undefined) return null;
  const { branches } = await client.status(prepared);
  const vote = branches.find(({ participant }) => participant === 'payment')?.state;
  return vote === 'prepared' ? prepared : null;
});
await payment.kill();
console.log('payment has voted to commit order-3, and is killed with -9');
inventory.signal('SIGCONT');
await answer;
const [left] = await books.preparedInPostgresql();
if (left !== txid) throw new Error('Payment left nothing prepared.');
console.log('order-3 is still prepared in PostgreSQL; payment is started again');
await servePayment();
await until('the commit at payment', () => books.isAllEnded());

const told = await books.told();
console.log(told);
if (told !== 'anna has 5300 cents, charged for order-1 and order-3; 0 of lamp left') {
  throw new Error('The books are not in order.');
}
console.log('The books are in order.');
