/** With Kysely. */
import type { Transaction } from 'kysely';
import { kyselyBranch } from 'verdict/kysely';
import { vote } from 'verdict/participant';
import type { Services } from './orders.ts';

interface Tables {
  readonly stock: { sku: string; quantity: number };
  readonly account: { id: string; cents: number };
}

export const services: Services = {
  stock: kyselyBranch(async (trx: Transaction<Tables>, { payload: { sku, quantity } }) => {
    const { numUpdatedRows } = await trx
      .updateTable('stock')
      .set((is) => ({ quantity: is('quantity', '-', quantity) }))
      .where('sku', '=', sku)
      .where('quantity', '>=', quantity)
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n ? vote.commit() : vote.abort(`Not enough of ${sku}.`);
  }),
  payment: kyselyBranch(async (trx: Transaction<Tables>, { payload: { account, cents } }) => {
    const { numUpdatedRows } = await trx
      .updateTable('account')
      .set((is) => ({ cents: is('cents', '-', cents) }))
      .where('id', '=', account)
      .where('cents', '>=', cents)
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n ? vote.commit() : vote.abort('Too little money.');
  }),
};
