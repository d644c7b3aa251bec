/** The participant `inventory`: its stock is in MariaDB. */
import process from 'node:process';
import type { Transaction } from 'kysely';
import { kyselyBranch } from 'verdict/kysely';
import { openMariadbResource } from 'verdict/mariadb';
import { type BranchOf, serveParticipant, vote } from 'verdict/participant';
import { inventory } from './contracts.ts';

interface Tables {
  stock: { sku: string; free: number };
}

const { STOCK_URL = '', VERDICT_URL = '127.0.0.1:7070', DATA = './data' } = process.env;

const resource = await openMariadbResource<BranchOf<typeof inventory>['payload'], { left: number }>(
  {
    name: inventory.name,
    connection: { uri: STOCK_URL },
    // `trx` is one transaction of MariaDB, which Verdict prepares after the vote, and commits or rolls
    // back when all have voted. It may run more than once for one vote, each time on new rows.
    prepare: kyselyBranch(async (trx: Transaction<Tables>, { payload: { sku, quantity } }) => {
      const { numUpdatedRows } = await trx
        .updateTable('stock')
        .set((is) => ({ free: is('free', '-', quantity) }))
        .where('sku', '=', sku)
        // Decided by the statement that writes: right under every isolation level.
        .where('free', '>=', quantity)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) return vote.abort(`There are not ${quantity} of ${sku}.`);
      const { free } = await trx
        .selectFrom('stock')
        .select('free')
        .where('sku', '=', sku)
        .executeTakeFirstOrThrow();
      return vote.commit({ left: free });
    }),
  },
);

const participant = await serveParticipant({
  ...inventory,
  urls: [VERDICT_URL],
  // Votes and outcomes. The next process goes on from there.
  dataDirectory: `${DATA}/inventory`,
  resource,
});
await participant.connected();
console.log('inventory is ready');

process.once('SIGTERM', async () => {
  await participant.close();
  await resource.close();
});
