/** The participant `gifts`: so many are left of each. */
import process from 'node:process';
import { serveParticipant, vote } from 'verdict/participant';
import { openVersionedStore } from 'verdict/versioned-store';
import { tlsOf, urls } from './credentials.ts';

const directory = process.env['GIFTS_DATA'] ?? './gifts';
const store = await openVersionedStore({
  dataDirectory: `${directory}/store`,
  initial: [{ key: 'mug', value: 1 }],
});
const gifts = await serveParticipant({
  name: 'gifts',
  urls: [...urls],
  tls: tlsOf('gifts'),
  dataDirectory: `${directory}/journal`,
  resource: store.resource<{ gift: string }, { left: number }>(async (tx, { payload }) => {
    const left = ((await tx.readForUpdate<number>(payload.gift))?.value ?? 0) - 1;
    if (left < 0) return vote.abort(`No ${payload.gift} is left.`);
    await tx.write(payload.gift, left);
    return vote.commit({ left });
  }),
});
console.log('gifts is ready');
process.once('SIGTERM', () => void gifts.close().then(() => store.close()));
