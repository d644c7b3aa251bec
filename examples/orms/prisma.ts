/** With Prisma. Its two clients are generated from `prisma/`. */
import { vote } from 'verdict/participant';
import { prismaBranch } from 'verdict/prisma';
import { PrismaClient as PaymentClient } from './generated/payment/client.ts';
import { PrismaClient as StockClient } from './generated/stock/client.ts';
import type { Pay, Services, Take } from './orders.ts';

export const services: Services = {
  stock: prismaBranch<StockClient, Take, void>(
    (adapter) => new StockClient({ adapter }),
    async (prisma, { payload: { sku, quantity } }) => {
      const { count } = await prisma.stock.updateMany({
        where: { sku, quantity: { gte: quantity } },
        data: { quantity: { decrement: quantity } },
      });
      return count === 1 ? vote.commit() : vote.abort(`Not enough of ${sku}.`);
    },
  ),
  payment: prismaBranch<PaymentClient, Pay, void>(
    (adapter) => new PaymentClient({ adapter }),
    async (prisma, { payload: { account, cents } }) => {
      const { count } = await prisma.account.updateMany({
        where: { id: account, cents: { gte: cents } },
        data: { cents: { decrement: cents } },
      });
      return count === 1 ? vote.commit() : vote.abort('Too little money.');
    },
  ),
};
