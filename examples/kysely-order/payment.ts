/** The participant `payment`: its accounts are in PostgreSQL. */
import process from 'node:process';
import type { Transaction } from 'kysely';
import { kyselyBranch } from 'verdict/kysely';
import { type BranchOf, serveParticipant, vote } from 'verdict/participant';
import { openPostgresqlResource } from 'verdict/postgresql';
import { payment } from './contracts.ts';

interface Tables {
  account: { owner: string; cents: number };
  /** One row for each order, and its number is the key: no order is ever charged twice. */
  charge: { order_id: string; cents: number };
}

const { ACCOUNTS_URL = '', VERDICT_URL = '127.0.0.1:7070', DATA = './data' } = process.env;

const resource = await openPostgresqlResource<
  BranchOf<typeof payment>['payload'],
  { balance: number }
>({
  name: payment.name,
  connection: { connectionString: ACCOUNTS_URL },
  prepare: kyselyBranch(async (trx: Transaction<Tables>, { payload }) => {
    const { order, account, cents } = payload;
    const charged = await trx
      .updateTable('account')
      .set((is) => ({ cents: is('cents', '-', cents) }))
      .where('owner', '=', account)
      .where('cents', '>=', cents)
      .returning('cents')
      .executeTakeFirst();
    if (charged === undefined) return vote.abort(`${account} has too little money.`);
    await trx.insertInto('charge').values({ order_id: order, cents }).execute();
    return vote.commit({ balance: charged.cents });
  }),
});

const participant = await serveParticipant({
  ...payment,
  urls: [VERDICT_URL],
  dataDirectory: `${DATA}/payment`,
  resource,
});
await participant.connected();
console.log('payment is ready');

process.once('SIGTERM', async () => {
  await participant.close();
  await resource.close();
});
