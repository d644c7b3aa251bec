/** With Knex. */
import { knexBranch } from 'verdict/knex';
import { vote } from 'verdict/participant';
import type { Services } from './orders.ts';

export const services: Services = {
  stock: knexBranch(async (trx, { payload: { sku, quantity } }) => {
    const taken = await trx('stock')
      .where({ sku })
      .where('quantity', '>=', quantity)
      .decrement('quantity', quantity);
    return taken === 1 ? vote.commit() : vote.abort(`Not enough of ${sku}.`);
  }),
  payment: knexBranch(async (trx, { payload: { account, cents } }) => {
    const taken = await trx('account')
      .where({ id: account })
      .where('cents', '>=', cents)
      .decrement('cents', cents);
    return taken === 1 ? vote.commit() : vote.abort('Too little money.');
  }),
};
