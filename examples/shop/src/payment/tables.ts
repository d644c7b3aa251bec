/** The tables of payment, as Drizzle sees them and as they come to be. */
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core';

export const accounts = mysqlTable('accounts', {
  id: varchar({ length: 64 }).primaryKey(),
  cents: int().notNull(),
});

/** One for each order, whatever is repeated. */
export const charges = mysqlTable('charges', {
  order: varchar('order_id', { length: 64 }).primaryKey(),
  account: varchar({ length: 64 }).notNull(),
  cents: int().notNull(),
});

export const migrations: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS accounts (id VARCHAR(64) PRIMARY KEY, cents INT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS charges (order_id VARCHAR(64) PRIMARY KEY,
     account VARCHAR(64) NOT NULL, cents INT NOT NULL)`,
  `INSERT IGNORE INTO accounts VALUES ('anna', 100000000), ('bert', 100000000), ('carl', 10000)`,
];
