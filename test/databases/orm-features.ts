/** What users do with Kysely, Drizzle and Knex in a branch, the same on both databases. */
import { and, eq, sql as raw, relations } from 'drizzle-orm';
import * as mysql from 'drizzle-orm/mysql-core';
import * as pg from 'drizzle-orm/pg-core';
import type { Knex } from 'knex';
import { CamelCasePlugin, type Generated, type Kysely, Transaction } from 'kysely';
import { expect, it } from 'vitest';
import { drizzleBranch, drizzleMysqlBranch } from '../../src/drizzle.ts';
import { knexBranch } from '../../src/knex.ts';
import { kyselyBranch } from '../../src/kysely.ts';
import { type PrepareCall, vote } from '../../src/participant.ts';
import type { PrepareSql, SqlResource } from '../../src/postgresql.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';

export interface Order {
  readonly item: string;
  readonly count: number;
}

/** `notes`: what was not a number that JavaScript can count to, in `big`. */
interface Tables {
  stock_item: {
    id: Generated<number>;
    item_name: string;
    left_over: number;
    big: string | number | bigint;
    more: string | { color: string };
  };
  shelf: { id: number; stock_item_id: number };
}

interface CamelTables {
  stockItem: { id: Generated<number>; itemName: string; leftOver: number };
}

export interface FeatureBench {
  readonly kind: 'postgresql' | 'mariadb';
  readonly open: <Result>(
    prepare: PrepareSql<Order, Result>,
  ) => Promise<SqlResource<Order, Result>>;
  /** Of the one item there is, "lamp". */
  readonly left: () => Promise<number>;
}

const big = '9007199254740993';
const order: Order = { item: 'lamp', count: 3 };

const pgItems = pg.pgTable('stock_item', {
  id: pg.serial().primaryKey(),
  itemName: pg.text().notNull(),
  leftOver: pg.integer().notNull(),
  more: pg.jsonb().$type<{ color: string }>(),
});
const pgShelves = pg.pgTable('shelf', { id: pg.integer().primaryKey(), stockItemId: pg.integer() });
const pgSchema = {
  pgItems,
  pgShelves,
  itemRelations: relations(pgItems, ({ many }) => ({ shelves: many(pgShelves) })),
  shelfRelations: relations(pgShelves, ({ one }) => ({
    item: one(pgItems, { fields: [pgShelves.stockItemId], references: [pgItems.id] }),
  })),
};
const mysqlItems = mysql.mysqlTable('stock_item', {
  id: mysql.int().autoincrement().primaryKey(),
  itemName: mysql.varchar({ length: 50 }).notNull(),
  leftOver: mysql.int().notNull(),
});
const mysqlShelves = mysql.mysqlTable('shelf', {
  id: mysql.int().primaryKey(),
  stockItemId: mysql.int(),
});
const mysqlSchema = {
  mysqlItems,
  mysqlShelves,
  itemRelations: relations(mysqlItems, ({ many }) => ({ shelves: many(mysqlShelves) })),
  shelfRelations: relations(mysqlShelves, ({ one }) => ({
    item: one(mysqlItems, { fields: [mysqlShelves.stockItemId], references: [mysqlItems.id] }),
  })),
};

export function ormFeatures({ kind, open, left }: FeatureBench): void {
  /** Prepares, and commits what voted so. */
  async function vote_<Result>(prepare: PrepareSql<Order, Result>, payload = order) {
    const resource = await open(prepare);
    const call = prepareCall(payload);
    const voted = await resource.prepare(call);
    if (voted.vote === 'commit') await resource.commit(refOf(call));
    return voted;
  }

  /** Why it aborts. What it wrote is gone. */
  async function failure(prepare: PrepareSql<Order, unknown>): Promise<string> {
    const resource = await open(prepare);
    const call = prepareCall(order);
    const error = await Promise.resolve(resource.prepare(call)).then(
      ({ vote: voted }) => new Error(`It voted to ${voted}.`),
      (thrown: unknown) => thrown as Error,
    );
    await resource.rollback(refOf(call));
    expect(await left()).toBe(10);
    return error.message;
  }

  const takeWithKysely = (trx: Kysely<Tables>, { item, count }: Order) =>
    trx
      .updateTable('stock_item')
      .set((is) => ({ left_over: is('left_over', '-', count) }))
      .where('item_name', '=', item)
      .where('left_over', '>=', count)
      .executeTakeFirstOrThrow();

  const takeWithKnex = (trx: Knex.Transaction, { item, count }: Order) =>
    trx('stock_item')
      .where({ item_name: item })
      .where('left_over', '>=', count)
      .decrement('left_over', count);

  /** What each does in one statement, where it was not awaited, and after prepare. */
  const each: Readonly<
    Record<
      string,
      (
        body: (take: () => Promise<unknown>, bad: () => Promise<unknown>) => Promise<void>,
      ) => PrepareSql<Order, unknown>
    >
  > = {
    Kysely: (body) =>
      kyselyBranch(async (trx: Transaction<Tables>, { payload }) => {
        const bad = () =>
          trx
            .selectFrom('nothing' as 'shelf')
            .selectAll()
            .execute();
        await body(() => takeWithKysely(trx, payload), bad);
        return vote.commit();
      }),
    Drizzle: (body) =>
      kind === 'postgresql'
        ? drizzleBranch({ casing: 'snake_case' }, async (tx, { payload: { count } }) => {
            const set = { leftOver: raw`${pgItems.leftOver} - ${count}` };
            const take = () => tx.update(pgItems).set(set).execute();
            await body(take, () => tx.execute('SELECT * FROM nothing').execute());
            return vote.commit();
          })
        : drizzleMysqlBranch({ casing: 'snake_case' }, async (tx, { payload: { count } }) => {
            const set = { leftOver: raw`${mysqlItems.leftOver} - ${count}` };
            const take = () => tx.update(mysqlItems).set(set).execute();
            await body(take, async () => tx.execute('SELECT * FROM nothing'));
            return vote.commit();
          }),
    Knex: (body) =>
      knexBranch(async (trx, { payload }) => {
        await body(
          () => takeWithKnex(trx, payload).then(),
          () => trx('nothing').select().then(),
        );
        return vote.commit();
      }),
  };

  it.each(Object.entries(each))('%s: commits, once', async (_name, branch) => {
    expect(await vote_(branch((take) => take().then(() => undefined)))).toEqual({ vote: 'commit' });
    expect(await left()).toBe(7);
  });

  it.each(Object.entries(each))(
    '%s: a statement that was not awaited: abort',
    async (_name, branch) => {
      const work = branch(async (take) => {
        take().catch(() => undefined);
      });
      expect(await failure(work)).toMatch(/before ".*" was done: await every query/);
    },
  );

  it.each(Object.entries(each))('%s: an error that was caught', async (_name, branch) => {
    const work = branch(async (take, bad) => {
      await take();
      await bad().catch(() => undefined);
    });
    if (kind === 'postgresql') {
      expect(await failure(work)).toMatch(/current transaction is aborted/);
    } else {
      expect(await vote_(work)).toEqual({ vote: 'commit' });
      expect(await left()).toBe(7);
    }
  });

  it.each(Object.entries(each))(
    '%s: its handle after prepare sends nothing',
    async (_name, branch) => {
      const kept: (() => Promise<unknown>)[] = [];
      const work = branch(async (take) => {
        await take();
        kept.push(take);
      });
      await vote_(work);
      const error: unknown = await kept[0]?.().catch((thrown: unknown) => thrown);
      const { message, cause } = error as Error;
      expect(`${message} ${cause}`).toMatch(/The branch is over/);
      expect(await left()).toBe(7);
    },
  );

  it('types and values go through: the payload in, the result out', async () => {
    const prepare: PrepareSql<Order, { left: number }> = kyselyBranch(
      async (trx: Transaction<Tables>, { payload }) => {
        await takeWithKysely(trx, payload);
        const rows = await trx.selectFrom('stock_item').select('left_over').limit(1).execute();
        return vote.commit({ left: rows[0]?.left_over ?? -1 });
      },
    );
    expect(await vote_(prepare)).toEqual({ vote: 'commit', result: { left: 7 } });
    const refuses = knexBranch<Order>(async (trx, { payload }) => {
      const taken = await takeWithKnex(trx, payload);
      return taken === 1 ? vote.commit() : vote.abort('Too few.');
    });
    const abort = { vote: 'abort', reason: { message: 'Too few.' } };
    expect(await vote_(refuses, { ...order, count: 99 })).toMatchObject(abort);
    expect(await left()).toBe(7);
  });

  it('the handle is a transaction, and refuses to be ended', async () => {
    const told: string[] = [];
    const hear = (error: unknown) => void told.push((error as Error).message);
    const all: PrepareSql<Order, unknown> = kyselyBranch(
      async (trx: Transaction<Tables>, call, sql) => {
        expect(trx).toBeInstanceOf(Transaction);
        expect([trx.isTransaction, trx.withSchema('x').isTransaction]).toEqual([true, true]);
        await trx.destroy().catch(hear);
        await knexBranch<Order>(async (on, { payload }) => {
          expect(on.isTransaction).toBe(true);
          await on.commit().catch(hear);
          await on.rollback().catch(hear);
          // What was written for any Knex that is told its transaction.
          await on('stock_item').transacting(on).decrement('left_over', payload.count);
          return vote.commit();
        })(sql, call);
        return vote.commit();
      },
    );
    expect(await vote_(all)).toEqual({ vote: 'commit' });
    const refused = /^(commit|rollback)\(\) was refused: .*vote\.commit\(\) or vote\.abort/;
    expect(told).toEqual([
      expect.stringMatching(/destroy/),
      expect.stringMatching(refused),
      expect.stringMatching(refused),
    ]);
    expect(await left()).toBe(7);
  });

  it('two libraries in one branch: a rollback undoes its own', async () => {
    const prepare = kyselyBranch<Tables, Order>(async (trx, call, sql) => {
      await takeWithKysely(trx, call.payload);
      const within = knexBranch<Order>(async (on) => {
        const fails = on.transaction(async (tx) => {
          await takeWithKnex(tx, order);
          throw new Error('on purpose');
        });
        await Promise.all([
          expect(fails).rejects.toThrow('on purpose'),
          trx.transaction().execute((tx) => takeWithKysely(tx, order)),
        ]);
        return vote.commit();
      });
      return within(sql, call);
    });
    expect(await vote_(prepare)).toEqual({ vote: 'commit' });
    expect(await left()).toBe(4);
  });

  it('Kysely: transactions within transactions, and the outer handle of an open one', async () => {
    const told: unknown[] = [];
    const prepare = kyselyBranch<Tables, Order>(async (trx, { payload }) => {
      await trx.transaction().execute(async (one) => {
        await takeWithKysely(one, payload);
        const two = one.transaction().execute(async (tx) => {
          await takeWithKysely(tx, payload);
          await one
            .selectFrom('shelf')
            .selectAll()
            .execute()
            .catch((error) => told.push(error));
          const other = one.transaction().execute((it) => takeWithKysely(it, payload));
          await other.catch((error: unknown) => told.push(error));
          const level = tx.transaction().setIsolationLevel('serializable');
          await level
            .execute((it) => takeWithKysely(it, payload))
            .catch((error) => told.push(error));
          throw new Error('undone');
        });
        await two.catch(() => undefined);
        const controlled = await one.startTransaction().execute();
        await takeWithKysely(controlled, payload);
        await controlled.rollback().execute();
        await one
          .transaction()
          .execute((tx) => tx.transaction().execute((it) => takeWithKysely(it, payload)));
      });
      const controlled = await trx.startTransaction().execute();
      const saved = await controlled.savepoint('saved').execute();
      await takeWithKysely(saved, payload);
      await saved.rollbackToSavepoint('saved').execute();
      await saved.commit().execute();
      return vote.commit();
    });
    expect(await vote_(prepare)).toEqual({ vote: 'commit' });
    expect(told.map((error) => (error as Error).message)).toEqual([
      expect.stringMatching(/Nothing was sent: a transaction within this one is open/),
      expect.stringMatching(/Nothing was sent: a transaction within this one is open/),
      expect.stringMatching(/Nothing was sent: .* option "isolation"/),
    ]);
    expect(await left()).toBe(4);
  });

  it('Kysely: plugins and the log see everything, a stream is refused', async () => {
    const seen: string[] = [];
    const options = {
      plugins: [new CamelCasePlugin()],
      log: ({ query }: { readonly query: { readonly sql: string } }) => void seen.push(query.sql),
    };
    const prepare = kyselyBranch<CamelTables, Order>(options, async (trx, { payload }) => {
      const found = await trx
        .transaction()
        .execute((tx) =>
          tx.selectFrom('stockItem').selectAll().where('itemName', '=', payload.item).execute(),
        );
      expect(found).toMatchObject([{ itemName: 'lamp', leftOver: 10 }]);
      const rows = trx.selectFrom('stockItem').selectAll().stream();
      await expect(rows[Symbol.asyncIterator]().next()).rejects.toThrow(/has no stream/);
      return vote.commit();
    });
    expect(await vote_(prepare)).toEqual({ vote: 'commit' });
    expect(seen.some((text) => /stock_item/.test(text))).toBe(true);
  });

  it('Kysely: big numbers, JSON, dates and lists', async () => {
    const prepare = kyselyBranch<Tables, Order>(async (trx) => {
      await trx
        .updateTable('stock_item')
        .set({ big, more: JSON.stringify({ color: 'red' }) })
        .where('item_name', 'in', ['lamp', 'chair'])
        .execute();
      const found = await trx.selectFrom('stock_item').selectAll().where('big', '=', big).execute();
      return vote.commit(found);
    });
    const { result } = (await vote_(prepare)) as { result: Tables['stock_item'][] };
    const [row] = result;
    expect(kind === 'postgresql' ? row?.big : String(row?.big).slice(0, 10)).toBe(
      kind === 'postgresql' ? big : big.slice(0, 10),
    );
    expect(row?.more).toEqual({ color: 'red' });
  });

  it('a value that is an object is a value, and no condition', async () => {
    const payload = { item: { item_name: 1 } as unknown as string, count: 3 };
    const prepare = kyselyBranch<Tables, Order>(async (trx, call) => {
      const { numUpdatedRows } = await takeWithKysely(trx, call.payload);
      return numUpdatedRows === 1n ? vote.commit() : vote.abort('No such item.');
    });
    expect(await vote_(prepare, payload)).toMatchObject({ vote: 'abort' });
    expect(await left()).toBe(10);
  });

  it('Drizzle: relational queries, casing, a log, prepared statements', async () => {
    const seen: string[] = [];
    const logger = { logQuery: (text: string) => void seen.push(text) };
    const found: unknown[] = [];
    const prepare: PrepareSql<Order, unknown> =
      kind === 'postgresql'
        ? drizzleBranch(
            { schema: pgSchema, casing: 'snake_case', logger },
            async (tx, { payload: { item, count } }) => {
              found.push(await tx.query.pgItems.findFirst({ with: { shelves: true } }));
              const byName = tx
                .select()
                .from(pgItems)
                .where(and(eq(pgItems.itemName, raw.placeholder('name'))))
                .limit(1)
                .prepare('by_name');
              found.push(await byName.execute({ name: item }), await byName.execute({ name: 'x' }));
              const set = { leftOver: raw`${pgItems.leftOver} - ${count}`, more: { color: 'red' } };
              const changed = await tx.update(pgItems).set(set).returning();
              return vote.commit(changed[0]?.more);
            },
          )
        : drizzleMysqlBranch(
            { schema: mysqlSchema, casing: 'snake_case', logger },
            async (tx, { payload: { item, count } }) => {
              found.push(await tx.query.mysqlItems.findFirst({ with: { shelves: true } }));
              const byName = tx
                .select()
                .from(mysqlItems)
                .where(eq(mysqlItems.itemName, raw.placeholder('name')))
                .limit(1)
                .prepare();
              found.push(await byName.execute({ name: item }), await byName.execute({ name: 'x' }));
              await tx.update(mysqlItems).set({ leftOver: raw`${mysqlItems.leftOver} - ${count}` });
              const added = { itemName: 'chair', leftOver: 1 };
              const ids = await tx.insert(mysqlItems).values([added, added]).$returningId();
              return vote.commit(ids);
            },
          );
    const { result } = (await vote_(prepare)) as { readonly result: unknown };
    expect(found).toMatchObject([
      { itemName: 'lamp', shelves: [{ id: 5 }] },
      [{ leftOver: 10 }],
      [],
    ]);
    expect(result).toEqual(kind === 'postgresql' ? { color: 'red' } : [{ id: 2 }, { id: 3 }]);
    expect(seen.length).toBeGreaterThan(3);
    expect(await left()).toBe(7);
  });

  if (kind === 'mariadb') {
    it("Drizzle: the mode default needs MySQL's LATERAL joins", async () => {
      const options = { schema: mysqlSchema, casing: 'snake_case', mode: 'default' } as const;
      const prepare = drizzleMysqlBranch(options, async (tx, _call: PrepareCall<Order>, sql) => {
        const { rows } = await sql.query<{ version: string }>('SELECT version() AS version');
        const found = tx.query.mysqlItems.findFirst({ with: { shelves: true } }).execute();
        if (rows[0]?.version.includes('MariaDB') === true)
          await expect(found).rejects.toMatchObject({ cause: { code: 'ER_PARSE_ERROR' } });
        else expect(await found).toMatchObject({ shelves: [{ id: 5 }] });
        return vote.commit();
      });
      expect(await vote_(prepare)).toEqual({ vote: 'commit' });
    });
  }

  it('Drizzle: rollback() of the branch, and the other database, say what to do', async () => {
    const rollsBack: PrepareSql<Order, unknown> =
      kind === 'postgresql'
        ? drizzleBranch({}, (tx) => tx.rollback())
        : drizzleMysqlBranch({}, (tx) => tx.rollback());
    expect(await failure(rollsBack)).toMatch(/^rollback\(\) was refused: .*vote\.abort/);
    const wrong: PrepareSql<Order, unknown> =
      kind === 'postgresql'
        ? drizzleMysqlBranch({}, () => vote.commit())
        : drizzleBranch({}, () => vote.commit());
    expect(await failure(wrong)).toMatch(/^drizzle(Mysql)?Branch is for .* take drizzle/);
  });

  it('Drizzle, Knex: what a branch says of a statement that failed has none of its values', async () => {
    const password = 'hunter2';
    const statement = raw`SELECT * FROM missing WHERE password = ${password}`;
    // So it is where an option is given as undefined, as JavaScript may.
    const options = { compileSqlOnError: undefined } as object;
    const onKnex = knexBranch(options, (trx) =>
      trx('missing')
        .where({ password })
        .then(() => vote.commit()),
    );
    const onDrizzle: PrepareSql<Order, unknown> =
      kind === 'postgresql'
        ? drizzleBranch({}, (tx) => tx.execute(statement).then(() => vote.commit()))
        : drizzleMysqlBranch({}, (tx) => tx.execute(statement).then(() => vote.commit()));
    for (const fails of [onKnex, onDrizzle]) {
      const told = await failure(fails);
      expect(told).toMatch(/select .*missing/i);
      expect(told).not.toContain(password);
    }
  });

  it.each([true, false])('Knex: a time-out that runs out, cancel: %s', async (cancel) => {
    const sleeping = kind === 'postgresql' ? 'SELECT pg_sleep(0.5)' : 'SELECT SLEEP(0.5)';
    const work = (caught: boolean, lingers: boolean): PrepareSql<Order, unknown> =>
      knexBranch(async (trx, { payload }) => {
        const slow = trx.raw(sleeping).timeout(50, { cancel });
        if (caught) await slow.catch(() => undefined);
        else await slow;
        if (lingers) await takeWithKnex(trx, payload);
        return vote.commit();
      });
    const over = cancel ? /cancelling of query failed/ : /Defined query timeout/;
    expect(await failure(work(false, false))).toMatch(over);
    expect(await failure(work(true, false))).toMatch(/before "SELECT .* was done: await every/);
    // What comes after it waits for it.
    expect(await vote_(work(true, true))).toEqual({ vote: 'commit' });
    expect(await left()).toBe(7);
  });

  it('Knex: its hooks, what it inserts, events; streams and cancelling are refused', async () => {
    const seen: string[] = [];
    const options = {
      postProcessResponse: (rows: unknown) => (Array.isArray(rows) ? [...rows, 'seen'] : rows),
      wrapIdentifier: (name: string, wrap: (name: string) => string) =>
        wrap(name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    };
    const prepare = knexBranch<Order>(options, async (trx, { payload }) => {
      trx.on('query', ({ sql: text }: { readonly sql: string }) => seen.push(text));
      const rows = await trx.transaction((tx) => tx('stockItem').where({ itemName: payload.item }));
      expect(rows).toMatchObject([{ item_name: 'lamp' }, 'seen']);
      const row = { itemName: 'chair', leftOver: 1 };
      const [added] = await trx('stockItem').insert(row, kind === 'postgresql' ? ['id'] : []);
      const streamed = trx('stockItem').select().stream();
      await expect(streamed[Symbol.asyncIterator]().next()).rejects.toThrow(/has no stream/);
      const sleeping = kind === 'postgresql' ? 'SELECT pg_sleep(0)' : 'SELECT SLEEP(0)';
      await trx.raw(sleeping).timeout(20_000, { cancel: true });
      await trx.batchInsert('stockItem', [row, row], 1);
      return vote.commit(added);
    });
    const { result } = (await vote_(prepare)) as { readonly result: unknown };
    expect(result).toEqual(kind === 'postgresql' ? { id: 2 } : 2);
    expect(seen.filter((text) => /stock_item/.test(text)).length).toBeGreaterThan(2);
    expect(() => knexBranch({ pool: { max: 1 } } as never, () => vote.commit())).toThrow(/pool/);
  });
}
