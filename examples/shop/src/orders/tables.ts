/** The table of orders, as Drizzle sees it and as it comes to be. */
import { integer, pgTable, text } from 'drizzle-orm/pg-core';

export const placed = pgTable('orders', {
  /** Made from the request's Idempotency-Key: one key, one order, for good. */
  id: text().primaryKey(),
  account: text().notNull(),
  sku: text().notNull(),
  quantity: integer().notNull(),
  cents: integer().notNull(),
  /** The transaction, for `verdict tx show`. */
  transaction: text('txid').notNull(),
});

export type Order = typeof placed.$inferSelect;

export const migrations: readonly string[] = [
  `CREATE TABLE orders (id text PRIMARY KEY, account text NOT NULL, sku text NOT NULL,
     quantity int NOT NULL, cents int NOT NULL, txid text NOT NULL)`,
];
