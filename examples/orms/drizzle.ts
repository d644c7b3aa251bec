/** With Drizzle. */
import { and, eq, gte, sql } from 'drizzle-orm';
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { drizzleBranch, drizzleMysqlBranch } from 'verdict/drizzle';
import { vote } from 'verdict/participant';
import type { Services } from './orders.ts';

const stock = pgTable('stock', {
  sku: text().primaryKey(),
  quantity: integer().notNull(),
});
const accounts = mysqlTable('account', {
  id: varchar({ length: 100 }).primaryKey(),
  cents: int().notNull(),
});

export const services: Services = {
  stock: drizzleBranch({ schema: { stock } }, async (tx, { payload: { sku, quantity } }) => {
    const taken = await tx
      .update(stock)
      .set({ quantity: sql`${stock.quantity} - ${quantity}` })
      .where(and(eq(stock.sku, sku), gte(stock.quantity, quantity)))
      .returning();
    return taken.length === 1 ? vote.commit() : vote.abort(`Not enough of ${sku}.`);
  }),
  payment: drizzleMysqlBranch(
    { schema: { accounts } },
    async (tx, { payload: { account, cents } }) => {
      const [{ affectedRows }] = await tx
        .update(accounts)
        .set({ cents: sql`${accounts.cents} - ${cents}` })
        .where(and(eq(accounts.id, account), gte(accounts.cents, cents)));
      return affectedRows === 1 ? vote.commit() : vote.abort('Too little money.');
    },
  ),
};
