/** Orders two lamps: anna can pay for them, bert cannot. */
import process from 'node:process';
import { connect } from 'verdict/client';
import type { Pay, Take } from './orders.ts';

await using client = await connect({
  urls: [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'],
  name: 'shop',
});
const take: Take = { sku: 'lamp', quantity: 2 };
for (const account of ['anna', 'bert']) {
  const pay: Pay = { account, cents: 9_800 };
  const branches = [
    { participant: 'stock', payload: take },
    { participant: 'payment', payload: pay },
  ];
  const outcome = await client.transact({ branches }, { retry: true });
  const said = outcome.outcome === 'committed' ? 'ordered' : outcome.reason.message;
  console.log(`${account}: ${said}`);
}
