/** The two services in each ORM, one ORM after the other, on one PostgreSQL and one MariaDB. */
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { Stage } from '../../scripts/examples/stage.ts';

const known = ['kysely', 'drizzle', 'knex', 'prisma', 'typeorm'];
const [wanted] = process.argv.slice(2);
if (wanted !== undefined && !known.includes(wanted)) {
  console.error(`There is no "${wanted}" in this example. There are: ${known.join(', ')}.`);
  process.exit(2);
}

const stage = new Stage(import.meta.url);
await using _ = stage;
const [postgresql, mariadb] = await Promise.all([stage.postgresql(), stage.mariadb()]);
const stock = new pg.Client({ connectionString: postgresql });
await stock.connect();
const payment = await mysql.createConnection(mariadb);
for (const orm of wanted === undefined ? known : [wanted]) {
  if (orm === 'prisma') generateClients();
  await fresh();
  // A coordinator for each, so that each is the first to serve these names.
  const env = {
    VERDICT_URL: await stage.coordinator(),
    DATA: stage.data,
    STOCK_DATABASE: postgresql,
    PAYMENT_DATABASE: mariadb,
  };
  const args = (service: string) => ({ env, args: [service, orm], ready: /is ready/ });
  await stage.service('service.ts', args('stock'));
  await stage.service('service.ts', args('payment'));
  console.log(`With ${orm}:`);
  if ((await stage.program('order.ts', { env })) !== 0) throw new Error('The orders failed.');
  await booksInOrder();
}
await stock.end();
await payment.end();
console.log('The books are in order.');

async function fresh(): Promise<void> {
  await stock.query('DROP TABLE IF EXISTS stock');
  await stock.query('CREATE TABLE stock (sku text PRIMARY KEY, quantity int NOT NULL)');
  await stock.query("INSERT INTO stock VALUES ('lamp', 10)");
  await payment.query('DROP TABLE IF EXISTS account');
  await payment.query('CREATE TABLE account (id VARCHAR(100) PRIMARY KEY, cents INT NOT NULL)');
  await payment.query("INSERT INTO account VALUES ('anna', 20000), ('bert', 50)");
}

/** A commit reaches the databases right after its answer. */
async function booksInOrder(): Promise<void> {
  const inOrder = 'lamp 8, anna 10200, bert 50';
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const { rows } = await stock.query<{ sku: string; quantity: number }>('SELECT * FROM stock');
    const [accounts] = await payment.query<mysql.RowDataPacket[]>('SELECT * FROM account');
    const found = [
      ...rows.map(({ sku, quantity }) => `${sku} ${quantity}`),
      ...accounts.map((each) => `${each['id']} ${each['cents']}`),
    ].join(', ');
    if (found === inOrder) {
      console.log(found);
      return;
    }
    if (performance.now() >= deadlineMs) throw new Error(`The books are not in order: ${found}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** As `npx prisma generate` does it. */
function generateClients(): void {
  const cli = fileURLToPath(import.meta.resolve('prisma/build/index.js'));
  for (const service of ['stock', 'payment']) {
    execFileSync(process.execPath, [cli, 'generate', '--schema', `prisma/${service}.prisma`], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 120_000,
      // It would fetch an engine that it does not need for this.
      env: {
        ...process.env,
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    });
  }
}
