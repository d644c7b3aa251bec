/** The shop on temporary databases: orders, some of them repeated, and then the books. */
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../cluster/launcher/free-ports.ts';
import {
  faultsOf,
  makeDatabases,
  readBooks,
  type ShopDatabases,
  sum,
} from '../../scripts/examples/shop/books.ts';
import { buildShop } from '../../scripts/examples/shop/build.ts';
import { Stage } from '../../scripts/examples/stage.ts';

const startTimeoutMs = 30_000;
const answerTimeoutMs = 30_000;

await using stage = new Stage(import.meta.url);
console.log('Starting PostgreSQL, MariaDB, a coordinator, and two replicas of each service.');
const databases = await startDatabases();
const ports = await freePorts(6);
await buildShop();
const env = {
  VERDICT_URL: await stage.coordinator(),
  ORDERS_URL: databases.orders,
  STOCK_URL: databases.stock,
  PAYMENT_URL: databases.payment,
  PORTS: ports.join(','),
  DATA_DIRECTORY: join(stage.data, 'replicas'),
};
await stage.service('dist/run.js', { env, ready: /is ready at/ });
await Promise.all(ports.map(healthy));
const before = await readBooks(databases);

// Each twice, at both replicas at once, as after a double click. One costs more than there is.
const orders = [
  ['order-1', { account: 'anna', sku: 'lamp', quantity: 2 }],
  ['order-2', { account: 'bert', sku: 'rug', quantity: 1 }],
  ['order-3', { account: 'anna', sku: 'chair', quantity: 4 }],
  ['order-4', { account: 'carl', sku: 'rug', quantity: 1 }],
] as const;
for (const [key, body] of orders) {
  const { account, sku, quantity } = body;
  console.log(`\n${key}, twice at once: ${account} orders ${quantity} of ${sku}`);
  const answers = await Promise.all(ports.slice(0, 2).map((port) => ordered(port, key, body)));
  for (const answer of answers) console.log(`  ${answer}`);
  if (answers[0] !== answers[1]) throw new Error('One key had two answers.');
}

const after = await readBooks(databases);
const faults = faultsOf(before, after);
if (after.orders.length !== 3) faults.push(`${after.orders.length} orders and not 3`);
if (faults.length > 0) throw new Error(`The books are not in order:\n${faults.join('\n')}`);
const cents = sum(after.charges.map((charge) => charge.cents));
console.log(`
${after.orders.length} orders; ${sum(after.removals.map(({ quantity }) => quantity))} things left the stock; ${after.charges.length} charges of ${cents} cents in all.
Stock and orders add up to what there was, charges to the orders' totals, and nothing is in doubt.
The books are in order.`);

async function startDatabases(): Promise<ShopDatabases> {
  try {
    return await makeDatabases(await stage.postgresql(), await stage.mariadb());
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}
PostgreSQL comes with "npm ci"; MariaDB with "apt-get install mariadb-server-core", or name its
mariadbd in VERDICT_MARIADBD_BIN. With Docker the shop runs on compose.yaml: see its README.`);
    process.exit(1);
  }
}

async function ordered(port: number, key: string, body: object): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  const { id, cents, detail } = (await response.json()) as Record<string, unknown>;
  return response.ok ? `placed as ${id}, ${cents} cents` : `${response.status}: ${detail}`;
}

async function healthy(port: number): Promise<void> {
  const untilMs = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      const { ok } = await fetch(`http://127.0.0.1:${port}/health`);
      if (ok) return;
    } catch {
      // It does not listen yet.
    }
    if (performance.now() > untilMs) {
      console.error(`No service is ready at port ${port}; its words are above.`);
      process.exit(1);
    }
    await sleep(100);
  }
}
