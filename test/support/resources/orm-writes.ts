/** What the contract has a branch write, with each library in turn: payloads name theirs. */
import { mysqlTable, text as mysqlText, varchar } from 'drizzle-orm/mysql-core';
import { pgTable, text } from 'drizzle-orm/pg-core';
import type { Transaction } from 'kysely';
import { drizzleBranch, drizzleMysqlBranch } from '../../../src/drizzle.ts';
import { knexBranch } from '../../../src/knex.ts';
import { kyselyBranch } from '../../../src/kysely.ts';
import { vote } from '../../../src/participant.ts';
import type { PrepareSql } from '../../../src/postgresql.ts';

export interface OrmPayload {
  readonly writes: Readonly<Record<string, string>>;
  readonly refuse: boolean;
  readonly library: Library;
}

export type Library = 'kysely' | 'drizzle' | 'knex';
export const libraries: readonly Library[] = ['kysely', 'drizzle', 'knex'];

interface Tables {
  contract: { name: string; value: string };
}

const pgContract = pgTable('contract', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
});
const mysqlContract = mysqlTable('contract', {
  name: varchar('name', { length: 200 }).primaryKey(),
  value: mysqlText('value').notNull(),
});

type Writes = PrepareSql<OrmPayload, unknown>;

/** In one order for everybody: the contract is about branches that wait, not about deadlocks. */
function rowsOf({ writes }: OrmPayload): Tables['contract'][] {
  return Object.entries(writes)
    .sort()
    .map(([name, value]) => ({ name, value }));
}

function votedOn({ refuse }: OrmPayload): ReturnType<typeof vote.commit | typeof vote.abort> {
  return refuse ? vote.abort('Asked to refuse.') : vote.commit();
}

const knexWrites: Writes = knexBranch(async (trx, { payload }) => {
  for (const row of rowsOf(payload)) {
    await trx.transaction((within) => within('contract').insert(row).onConflict('name').merge());
  }
  return votedOn(payload);
});

export const postgresqlWrites: Readonly<Record<Library, Writes>> = {
  kysely: kyselyBranch(async (trx: Transaction<Tables>, { payload }) => {
    for (const row of rowsOf(payload)) {
      await trx
        .insertInto('contract')
        .values(row)
        .onConflict((on) => on.column('name').doUpdateSet({ value: row.value }))
        .execute();
    }
    return votedOn(payload);
  }),
  drizzle: drizzleBranch({}, async (tx, { payload }) => {
    for (const row of rowsOf(payload)) {
      const set = { value: row.value };
      await tx.insert(pgContract).values(row).onConflictDoUpdate({ target: pgContract.name, set });
    }
    return votedOn(payload);
  }),
  knex: knexWrites,
};

export const mariadbWrites: Readonly<Record<Library, Writes>> = {
  kysely: kyselyBranch(async (trx: Transaction<Tables>, { payload }) => {
    for (const row of rowsOf(payload)) {
      await trx
        .insertInto('contract')
        .values(row)
        .onDuplicateKeyUpdate({ value: row.value })
        .execute();
    }
    return votedOn(payload);
  }),
  drizzle: drizzleMysqlBranch({}, async (tx, { payload }) => {
    for (const row of rowsOf(payload)) {
      await tx
        .insert(mysqlContract)
        .values(row)
        .onDuplicateKeyUpdate({ set: { value: row.value } });
    }
    return votedOn(payload);
  }),
  knex: knexWrites,
};
