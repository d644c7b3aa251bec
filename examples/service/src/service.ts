/** The service as a process: `npm start`, and `npm run dev` with a coordinator beside it. */
import { join } from 'node:path';
import process from 'node:process';
import { openVersionedStore } from 'verdict/versioned-store';
import { startInventory } from './inventory.ts';
import { dataDirectory, urls } from './settings.ts';

const store = await openVersionedStore({
  dataDirectory: join(dataDirectory, 'store'),
  initial: [{ key: 'lamp', value: 10 }],
});
const service = await startInventory(store, {
  urls,
  dataDirectory: join(dataDirectory, 'journal'),
});
console.log('inventory is ready');

// Until Ctrl-C, or until whoever runs it asks it to end.
await new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, resolve);
});
await service.close();
await store.close();
