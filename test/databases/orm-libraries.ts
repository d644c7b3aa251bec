/**
 * What orm.ts asks of a library, in Drizzle and in Kysely, the same for both databases but for how
 * each is made.
 */
import { eq, sql as raw, type SQLWrapper } from 'drizzle-orm';
import { type Dialect, Kysely } from 'kysely';
import type { Sql } from '../../src/postgresql.ts';
import type { OrmHandle, OrmTransaction } from './orm.ts';

interface Tables {
  account: { id: number; balance: number };
}

export function kyselyOn(dialectOn: (sql: Sql) => Dialect): (sql: Sql) => OrmHandle {
  return (sql) => {
    const db = new Kysely<Tables>({ dialect: dialectOn(sql) });
    const transactionOf = (on: Kysely<Tables>): OrmTransaction => ({
      add: async (by) => {
        const changed = await on
          .updateTable('account')
          .set((is) => ({ balance: is('balance', '+', by) }))
          .where('id', '=', 1)
          .executeTakeFirst();
        if (changed.numUpdatedRows !== 1n) throw new Error('Kysely does not see what it changed.');
      },
    });
    return {
      ...transactionOf(db),
      transaction: (body) => db.transaction().execute((tx) => body(transactionOf(tx))),
      withLevel: (body) =>
        db
          .transaction()
          .setIsolationLevel('read committed')
          .execute((tx) => body(transactionOf(tx))),
    };
  };
}

/** What this uses of Drizzle, whose types differ by database. */
interface DrizzleOn {
  transaction(body: (tx: DrizzleOn) => Promise<void>, how?: object): Promise<void>;
  update(table: never): {
    set(values: object): { where(condition: unknown): PromiseLike<unknown> };
  };
}

export function drizzleOn(
  on: (sql: Sql) => unknown,
  table: { readonly id: SQLWrapper; readonly balance: SQLWrapper },
): (sql: Sql) => OrmHandle {
  const transactionOf = (tx: DrizzleOn): OrmTransaction => ({
    add: async (by) => {
      const set = { balance: raw`${table.balance} + ${by}` };
      await tx
        .update(table as never)
        .set(set)
        .where(eq(table.id, 1));
    },
    nested: (body) => tx.transaction((inner) => body(transactionOf(inner))),
  });
  return (sql) => {
    const db = on(sql) as DrizzleOn;
    return {
      ...transactionOf(db),
      transaction: (body) => db.transaction((tx) => body(transactionOf(tx))),
      withLevel: (body) =>
        db.transaction((tx) => body(transactionOf(tx)), { isolationLevel: 'read committed' }),
    };
  };
}
