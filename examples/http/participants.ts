/** The participants `inventory` and `payment`, on stores that come with Verdict. */
import { createServer } from 'node:http';
import process from 'node:process';
import { serveParticipant, vote } from 'verdict/participant';
import { openVersionedStore, type VersionedStore } from 'verdict/versioned-store';

const urls = [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'];
const data = process.env['DATA'] ?? './data';

/** So much is left of each thing. An order takes some, and is counted. */
async function serve(name: string, thing: string, left: number): Promise<VersionedStore> {
  const store = await openVersionedStore({
    dataDirectory: `${data}/${name}/store`,
    initial: [
      { key: thing, value: left },
      { key: 'orders', value: 0 },
    ],
  });
  await serveParticipant({
    name,
    urls,
    dataDirectory: `${data}/${name}/journal`,
    resource: store.resource<{ of: string; amount: number }, void>(async (tx, { payload }) => {
      const { of, amount } = payload;
      const stock = (await tx.readForUpdate<number>(of))?.value ?? 0;
      if (stock < amount) return vote.abort(`Only ${stock} of ${of} left.`);
      const orders = (await tx.readForUpdate<number>('orders'))?.value ?? 0;
      await tx.write(of, stock - amount);
      await tx.write('orders', orders + 1);
      return vote.commit();
    }),
  });
  return store;
}

const inventory = await serve('inventory', 'lamp', 3);
const payment = await serve('payment', 'anna', 20_000);

/** Shows the books, which are nobody's business but this example's. */
createServer(async (_request, response) => {
  const amountOf = async (store: VersionedStore, key: string) => (await store.read(key))?.value;
  const books = {
    lamps: await amountOf(inventory, 'lamp'),
    taken: await amountOf(inventory, 'orders'),
    cents: await amountOf(payment, 'anna'),
    paid: await amountOf(payment, 'orders'),
  };
  response.end(JSON.stringify(books));
}).listen(Number(process.env['BOOKS_PORT'] ?? 8081), '127.0.0.1', () => {
  console.log('participants are ready');
});
