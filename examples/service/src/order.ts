/** A client: `npm run order -- [SKU [QUANTITY [REQUEST_ID]]]`. */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { connect } from 'verdict/client';
import { inventory } from './inventory.ts';
import { urls } from './settings.ts';

const [sku = 'lamp', quantity = '1', requestId = randomUUID()] = process.argv.slice(2);
const client = await connect({ urls, name: 'shop' });
try {
  // Again with the same id, within two minutes, it is the same order. A service more is a branch
  // more.
  const outcome = await client.transact(
    { requestId, branches: [inventory.branch({ sku, quantity: Number(quantity) })] },
    { retry: true },
  );
  if (outcome.outcome === 'committed') {
    console.log(`committed as ${outcome.txid}:`, outcome.results?.inventory);
  } else {
    console.log(`aborted: ${outcome.reason.message}`);
    process.exitCode = 1;
  }
} finally {
  await client.close();
}
