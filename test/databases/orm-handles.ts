/** What orm.ts asks of a library, on the handles of `verdict/kysely`, `drizzle` and `knex`. */
import { eq, sql as raw } from 'drizzle-orm';
import { int, mysqlTable } from 'drizzle-orm/mysql-core';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import type { Knex } from 'knex';
import type { Transaction } from 'kysely';
import { drizzleBranch, drizzleMysqlBranch } from '../../src/drizzle.ts';
import { knexBranch } from '../../src/knex.ts';
import { kyselyBranch } from '../../src/kysely.ts';
import { vote } from '../../src/participant.ts';
import type { PrepareSql, Sql } from '../../src/postgresql.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';
import type { OrmBody, OrmHandle, OrmTransaction } from './orm.ts';

interface Tables {
  account: { id: number; balance: number };
}

const pgAccount = pgTable('account', {
  id: integer('id').primaryKey(),
  balance: integer('balance').notNull(),
});

const mysqlAccount = mysqlTable('account', {
  id: int('id').primaryKey(),
  balance: int('balance').notNull(),
});

/** As orm.ts uses a handle. */
interface Uses<Handle> {
  readonly add: (on: Handle, by: number) => Promise<unknown>;
  readonly transaction: (
    on: Handle,
    body: (tx: Handle) => Promise<void>,
    withLevel: boolean,
  ) => Promise<unknown>;
}

type Branch<Handle> = (
  work: (handle: Handle) => ReturnType<typeof vote.commit>,
) => PrepareSql<unknown, unknown>;

/** A handle as `branch` gives it to its work. */
function handleOf<Handle>(branch: Branch<Handle>, sql: Sql): Promise<Handle> {
  return new Promise((resolve, reject) => {
    const prepare = branch((handle) => {
      // In a function of its own: a builder that is resolved with would be awaited, and sent.
      resolve(handle);
      return vote.commit();
    });
    Promise.resolve(prepare(sql, prepareCall(undefined))).catch(reject);
  });
}

function handles<Handle extends object>(
  branch: Branch<{ readonly handle: Handle }>,
  { add, transaction }: Uses<Handle>,
): (sql: Sql) => OrmHandle {
  const transactionOf = (on: Handle): OrmTransaction => ({
    add: async (by) => void (await add(on, by)),
    nested: async (body) => void (await transaction(on, (tx) => body(transactionOf(tx)), false)),
  });
  return (sql) => {
    const opened = handleOf(branch, sql);
    const run = async (body: OrmBody, withLevel: boolean): Promise<void> => {
      const { handle } = await opened;
      await transaction(handle, (tx) => body(transactionOf(tx)), withLevel);
    };
    return {
      add: async (by) => void (await add((await opened).handle, by)),
      transaction: (body) => run(body, false),
      withLevel: (body) => run(body, true),
    };
  };
}

const kysely = handles<Transaction<Tables>>(
  (work) => kyselyBranch((handle: Transaction<Tables>) => work({ handle })),
  {
    add: (on, by) =>
      on
        .updateTable('account')
        .set((is) => ({ balance: is('balance', '+', by) }))
        .where('id', '=', 1)
        .executeTakeFirstOrThrow(),
    transaction: (on, body, withLevel) => {
      const builder = on.transaction();
      return (withLevel ? builder.setIsolationLevel('read committed') : builder).execute(body);
    },
  },
);

const knex = handles<Knex.Transaction>((work) => knexBranch((handle) => work({ handle })), {
  add: (on, by) => on('account').where({ id: 1 }).increment('balance', by).then(),
  transaction: (on, body, withLevel) =>
    on.transaction(body, withLevel ? { isolationLevel: 'read committed' } : {}),
});

type DrizzleHandle = Parameters<Parameters<typeof drizzleBranch>[1]>[0];

/** Both of Drizzle's have these methods. */
const drizzleUses = (table: typeof pgAccount): Uses<DrizzleHandle> => ({
  add: (on, by) =>
    on
      .update(table)
      .set({ balance: raw`${table.balance} + ${by}` })
      .where(eq(table.id, 1)),
  transaction: (on, body, withLevel) =>
    (on.transaction as (body: unknown, config?: object) => Promise<unknown>)(
      body,
      withLevel ? { isolationLevel: 'read committed' } : undefined,
    ),
});

export const postgresqlHandles: Readonly<Record<string, (sql: Sql) => OrmHandle>> = {
  'verdict/kysely': kysely,
  'verdict/drizzle': handles<DrizzleHandle>(
    (work) => drizzleBranch({}, (handle) => work({ handle: handle as never })),
    drizzleUses(pgAccount),
  ),
  'verdict/knex': knex,
};

export const mariadbHandles: Readonly<Record<string, (sql: Sql) => OrmHandle>> = {
  'verdict/kysely': kysely,
  'verdict/drizzle': handles<DrizzleHandle>(
    (work) => drizzleMysqlBranch({}, (handle) => work({ handle: handle as never })),
    drizzleUses(mysqlAccount as never),
  ),
  'verdict/knex': knex,
};
