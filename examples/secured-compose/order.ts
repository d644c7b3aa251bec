/** The client `web`: an order of two, of which there is one. */
import { connect } from 'verdict/client';
import { tlsOf, urls } from './credentials.ts';

await using client = await connect({ urls: [...urls], name: 'web', tls: tlsOf('web') });
for (const requestId of ['gift-1', 'gift-1', 'gift-2']) {
  const outcome = await client.transact(
    { requestId, branches: [{ participant: 'gifts', payload: { gift: 'mug' } }] },
    { retry: true },
  );
  const told = outcome.outcome === 'committed' ? outcome.txid : outcome.reason.message;
  console.log(`${requestId}: ${outcome.outcome}, ${told}`);
}
