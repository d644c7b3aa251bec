/**
 * Two servers, the shop, and five kills of it, each while something is prepared. `--cluster`: three
 * nodes decide, in place of the shop itself. `--mysql`: MySQL in place of MariaDB.
 */
import { join } from 'node:path';
import process from 'node:process';
import { type Service, Stage } from '../../scripts/examples/stage.ts';
import { until } from '../../scripts/examples/until.ts';
import { Books } from './books.ts';

const kills = 5;

const options = process.argv.slice(2);
if (options.some((option) => option !== '--cluster' && option !== '--mysql')) {
  console.error('npm run example -- two-databases [--cluster] [--mysql]');
  process.exit(2);
}
const onCluster = options.includes('--cluster');
const second = options.includes('--mysql') ? 'MySQL' : 'MariaDB';

await using stage = new Stage(import.meta.url);
console.log(
  `Starting PostgreSQL and ${second}${onCluster ? ', and a cluster of three nodes' : ''}.`,
);
const env = {
  ORDERS_URL: await stage.postgresql(),
  STOCK_URL: await stage.mariadb(second),
  VERDICT_DIRECTORY: join(stage.data, 'verdict'),
  ...(onCluster ? { VERDICT_URLS: (await stage.cluster()).join() } : {}),
};
await using books = await Books.open(env.ORDERS_URL, env.STOCK_URL);

const placed = new Set<string>();
let refused = 0;
const onLine = (line: string): void => {
  const [word, id = ''] = line.split(' ');
  if (word === 'placed') placed.add(id);
  if (word === 'refused') refused += 1;
};

/** What the last one left prepared. */
let left: readonly string[] = [];
async function open(): Promise<Service> {
  const shop = await stage.service('shop.ts', { env, onLine, ready: /^open/ });
  // It ends before it opens. Of a cluster it does so a moment later.
  await until('what was left to end', async () => {
    const prepared = (await books.prepared()).flat();
    return !left.some((branch) => prepared.includes(branch));
  });
  const before = placed.size;
  await until('orders', () => placed.size >= before + 20);
  return shop;
}

for (let kill = 1; kill <= kills; kill += 1) {
  const shop = await open();
  await until('something prepared', async () => (await books.prepared()).flat().length > 0);
  await shop.kill();
  const [inPostgresql, inMariadb] = await books.prepared();
  console.log(
    `kill -9 after ${placed.size} orders: ${inPostgresql.length} prepared in PostgreSQL, ${inMariadb.length} in ${second}`,
  );
  left = [...inPostgresql, ...inMariadb];
}
const shop = await open();
await shop.stop();
const prepared = (await books.prepared()).flat();
const wrong = [
  ...(await books.wrong(placed)),
  ...prepared.map((branch) => `${branch} is prepared`),
];
console.log(`${placed.size} orders were confirmed, ${refused} refused: the globe is sold out.`);
for (const each of wrong) console.error(each);
if (wrong.length > 0) throw new Error('The books of the two databases do not agree.');
console.log('The books of both databases agree, and nothing is left prepared.');
