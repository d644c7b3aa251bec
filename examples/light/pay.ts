/** A client: pays once under its id, which it is given. Run: pay ID CENTS */
import process from 'node:process';
import { connect } from 'verdict-client';

const [requestId = 'one', cents = '100'] = process.argv.slice(2);
const client = await connect({
  urls: [process.env['VERDICT_URL'] ?? '127.0.0.1:7070'],
  name: 'payer',
});
const outcome = await client.transact(
  { requestId, branches: [{ participant: 'till', payload: { cents: Number(cents) } }] },
  { retry: true },
);
if (outcome.outcome === 'committed') console.log(`paid ${cents}`);
else console.log(`not paid: ${outcome.reason.message}`);
await client.close();
