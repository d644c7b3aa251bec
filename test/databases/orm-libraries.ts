/** The work of orm.ts in Drizzle and in Kysely, the same for both databases but for how each is made. */
import { eq, sql as raw, type SQLWrapper } from 'drizzle-orm';
import { type Dialect, Kysely } from 'kysely';
import type { Sql } from '../../src/postgresql.ts';
import type { OrmWork } from './orm.ts';

interface Tables {
  account: { id: number; balance: number };
}

export function kyselyWork(dialectOn: (sql: Sql) => Dialect): OrmWork {
  return async (sql, { by, thenFails, nested }) => {
    const db = new Kysely<Tables>({ dialect: dialectOn(sql) });
    await db.transaction().execute(async (tx) => {
      const changed = await tx
        .updateTable('account')
        .set((is) => ({ balance: is('balance', '+', by) }))
        .where('id', '=', 1)
        .executeTakeFirst();
      if (changed.numUpdatedRows !== 1n) throw new Error('Kysely does not see what it changed.');
      if (nested) await tx.selectFrom('account').selectAll().execute();
      if (thenFails) throw new Error('on purpose');
    });
  };
}

/** What this uses of Drizzle, whose types differ by database. */
interface DrizzleOn {
  transaction(body: (tx: DrizzleOn) => Promise<void>): Promise<void>;
  update(table: never): {
    set(values: object): { where(condition: unknown): PromiseLike<unknown> };
  };
}

export function drizzleWork(
  drizzleOn: (sql: Sql) => unknown,
  table: { readonly id: SQLWrapper; readonly balance: SQLWrapper },
): OrmWork {
  return async (sql, { by, thenFails, nested }) => {
    const db = drizzleOn(sql) as DrizzleOn;
    await db.transaction(async (tx) => {
      const add = async (on: DrizzleOn): Promise<void> => {
        const set = { balance: raw`${table.balance} + ${by}` };
        await on
          .update(table as never)
          .set(set)
          .where(eq(table.id, 1));
      };
      if (!nested) await add(tx);
      else {
        await tx.transaction(add);
        await tx
          .transaction(async (inner) => {
            await add(inner);
            throw new Error('on purpose');
          })
          .catch(() => undefined);
      }
      if (thenFails) throw new Error('on purpose');
    });
  };
}
