/** The tables of stock, as Drizzle sees them and as they come to be. */
import { integer, pgTable, text } from 'drizzle-orm/pg-core';

export const items = pgTable('items', {
  sku: text().primaryKey(),
  left: integer().notNull(),
});

/** What left the shelves, for which order. */
export const removals = pgTable('removals', {
  order: text('order_id').primaryKey(),
  sku: text().notNull(),
  quantity: integer().notNull(),
});

export const migrations: readonly string[] = [
  'CREATE TABLE items (sku text PRIMARY KEY, "left" int NOT NULL CHECK ("left" >= 0))',
  'CREATE TABLE removals (order_id text PRIMARY KEY, sku text NOT NULL, quantity int NOT NULL)',
  "INSERT INTO items VALUES ('lamp', 10000), ('rug', 10000), ('chair', 10000)",
];
