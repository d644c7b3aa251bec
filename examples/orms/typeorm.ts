/** With TypeORM. The entities may be classes with decorators as well. */
import { EntitySchema, MoreThanOrEqual } from 'typeorm';
import { vote } from 'verdict/participant';
import { typeormBranch } from 'verdict/typeorm';
import type { Pay, Services, Take } from './orders.ts';

const stock = new EntitySchema<{ sku: string; quantity: number }>({
  name: 'stock',
  columns: { sku: { type: String, primary: true }, quantity: { type: Number } },
});
const accounts = new EntitySchema<{ id: string; cents: number }>({
  name: 'account',
  columns: { id: { type: String, primary: true }, cents: { type: Number } },
});

export const services: Services = {
  stock: typeormBranch<Take, void>(
    { type: 'postgres', entities: [stock] },
    async (manager, { payload: { sku, quantity } }) => {
      const enough = { sku, quantity: MoreThanOrEqual(quantity) };
      const { affected } = await manager.decrement(stock, enough, 'quantity', quantity);
      return affected === 1 ? vote.commit() : vote.abort(`Not enough of ${sku}.`);
    },
  ),
  payment: typeormBranch<Pay, void>(
    { type: 'mariadb', entities: [accounts] },
    async (manager, { payload }) => {
      const account = await manager.findOneByOrFail(accounts, { id: payload.account });
      if (account.cents < payload.cents) return vote.abort('Too little money.');
      account.cents -= payload.cents;
      await manager.save(accounts, account);
      return vote.commit();
    },
  ),
};
