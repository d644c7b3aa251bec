/** One order. Run: client.ts ORDER QUANTITY */
import process from 'node:process';
import { type BranchOf, connect } from 'verdict/client';
// Types alone: this program loads neither the schemas nor a database driver.
import type { inventory, payment } from './contracts.ts';

const { VERDICT_URL = '127.0.0.1:7070' } = process.env;
const [order = 'order-1', count = '1'] = process.argv.slice(2);
const quantity = Number(count);

const stock: BranchOf<typeof inventory> = {
  participant: 'inventory',
  payload: { sku: 'lamp', quantity },
};
const charge: BranchOf<typeof payment> = {
  participant: 'payment',
  payload: { order, account: 'anna', cents: 4_900 * quantity },
};

await using client = await connect({ urls: [VERDICT_URL], name: 'shop' });
const outcome = await client.transact(
  // The order's number makes a repetition, by whomever, the same transaction.
  { requestId: order, branches: [stock, charge] },
  { retry: true },
);
if (outcome.outcome === 'aborted') {
  console.log(`${order}: aborted. ${outcome.reason.message}`);
} else {
  // Null where the outcome was learnt without them, after a failover say.
  const { results } = outcome;
  const told =
    results === null
      ? ''
      : ` ${results.inventory.left} lamps left, anna has ${results.payment.balance} cents.`;
  console.log(`${order}: committed.${told}`);
}
