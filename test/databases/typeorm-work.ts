/** What TypeORM does within a branch, the same for both databases. */
import { DefaultNamingStrategy, type EntityManager } from 'typeorm';
import { expect, it } from 'vitest';
import type { PrepareSql, Sql } from '../../src/postgresql.ts';
import { type TypeormBranchOptions, typeormBranch } from '../../src/typeorm.ts';
import {
  type Account,
  accounts,
  type Kinds,
  kindsOf,
  type Line,
  Listener,
  lines,
  orders,
  seen,
} from '../support/orm/typeorm-entities.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { type OrmHandle, type OrmTransaction, ormWork } from './orm.ts';
import { type OpenWork, runWork, type Work, type WorkResource } from './sql-resource.ts';
import type { WorkBench } from './work-bench.ts';

class SnakeNaming extends DefaultNamingStrategy {
  override columnName(name: string, custom: string | undefined, prefixes: string[]): string {
    return (
      custom ?? [...prefixes, name].join('_').replace(/[A-Z]/g, (one) => `_${one.toLowerCase()}`)
    );
  }
}

const managers = new WeakMap<Sql, EntityManager>();

/** For a payload that is a function of `sql`: its manager is found with `managerOf`. */
function typeormPrepare(type: 'postgres' | 'mariadb'): PrepareSql<Work, unknown> {
  const options: TypeormBranchOptions = {
    type,
    entities: [accounts, orders, lines, kindsOf(type === 'postgres')],
    subscribers: [Listener],
    namingStrategy: new SnakeNaming(),
  };
  return typeormBranch<Work, unknown>(options, (manager, call, sql) => {
    managers.set(sql, manager);
    return runWork(sql, call);
  });
}

function managerOf(sql: Sql): EntityManager {
  const manager = managers.get(sql);
  if (manager === undefined) throw new Error('No manager of TypeORM for this branch.');
  return manager;
}

function typeormHandle(sql: Sql): OrmHandle {
  const transactionOf = (on: EntityManager): OrmTransaction => ({
    add: async (by) => {
      const { affected } = await on.increment(accounts, { id: 1 }, 'balance', by);
      if (affected !== 1) throw new Error('TypeORM does not see what it changed.');
    },
    nested: (body) => on.transaction((inner) => body(transactionOf(inner))),
  });
  const manager = managerOf(sql);
  return {
    ...transactionOf(manager),
    transaction: (body) => manager.transaction((tx) => body(transactionOf(tx))),
    withLevel: (body) => manager.transaction('READ COMMITTED', (tx) => body(transactionOf(tx))),
  };
}

export function typeormWork(type: 'postgres' | 'mariadb', bench: Omit<WorkBench, 'at'>): void {
  const { openWith, balance } = bench;
  const open = (more?: OpenWork): Promise<WorkResource> => openWith(typeormPrepare(type), more);

  ormWork({ ...bench, open, libraries: { TypeORM: typeormHandle } });

  async function committed(work: (manager: EntityManager, sql: Sql) => Promise<unknown>) {
    await commitOn(await open(), work);
  }

  async function commitOn(
    resource: WorkResource,
    work: (manager: EntityManager, sql: Sql) => Promise<unknown>,
  ): Promise<void> {
    const call = prepareCall<Work>((sql) => work(managerOf(sql), sql));
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
  }

  it('gives back what it was given: bigint, decimal, json, enums, dates, bytes', async () => {
    const entity = kindsOf(type === 'postgres');
    const kinds: Kinds = {
      id: String(2n ** 62n + 1n),
      price: '1234567890123.4567',
      data: { list: [1, 'two', null] },
      colour: 'green',
      at: new Date('2026-02-03T04:05:06.789Z'),
      bytes: Buffer.from([0, 1, 255]),
      flag: true,
      maybe: null,
    };
    await committed(async (manager) => {
      const { name } = entity.options;
      await manager.getRepository<Kinds>(name).save({ ...kinds });
      expect(await manager.findOneByOrFail<Kinds>(name, { id: kinds.id })).toEqual(kinds);
      expect(await manager.sum<Kinds>(name, 'price' as never)).toBeDefined();
      expect(await manager.countBy<Kinds>(name, { flag: true, colour: 'green' })).toBe(1);
    });
  });

  it('cascades, lazy relations, versions, names of its own, several statements at once', async () => {
    await committed(async (manager) => {
      const made = manager.create(orders, { customerName: 'Ada' });
      const [lamp, desk] = [{ sku: 'lamp' }, { sku: 'desk' }].map((one) =>
        manager.create(lines, one),
      ) as [Line, Line];
      made.lines = Promise.resolve([lamp, desk]);
      await manager.save(made);
      const read = await manager.findOneByOrFail(orders, { id: made.id });
      expect(read.version).toBe(1);
      expect((await read.lines).map(({ sku }) => sku).sort()).toEqual(['desk', 'lamp']);
      read.customerName = 'Grace';
      await manager.save(read);
      expect((await manager.findOneByOrFail(orders, { id: made.id })).version).toBe(2);
      await Promise.all([
        manager.save(lines, { sku: 'chair', order: read }),
        manager.save(lines, { sku: 'table', order: read }),
        manager.find(lines, { relations: { order: true } }),
      ]);
      const found = await manager
        .createQueryBuilder(lines, 'line')
        .innerJoinAndSelect('line.order', 'o')
        .where('o.customerName = :name', { name: 'Grace' })
        .orderBy('line.sku')
        .skip(1)
        .take(2)
        .getMany();
      expect(found.map(({ sku }) => sku)).toEqual(['desk', 'lamp']);
      await manager.delete(orders, made.id);
      expect(await manager.count(lines)).toBe(0);
    });
  });

  it('subscribers work within the branch; raw queries, upsert, locks', async () => {
    seen.length = 0;
    await committed(async (manager) => {
      const account = await manager
        .findOneOrFail(accounts, {
          where: { id: 1 },
          lock: { mode: 'pessimistic_write' },
        })
        .catch((error: Error) => {
          // It wants a transaction of its own for that.
          expect(error.name).toBe('PessimisticLockTransactionRequiredError');
          return manager.transaction((tx) =>
            tx.findOneOrFail(accounts, { where: { id: 1 }, lock: { mode: 'pessimistic_write' } }),
          );
        });
      account.balance = 5;
      await manager.save(accounts, account);
      await manager.upsert(accounts, { id: 3, balance: 1 }, ['id']);
      const mark = type === 'postgres' ? '$1' : '?';
      const rows = await manager.query(`SELECT balance FROM account WHERE id = ${mark}`, [3]);
      expect(rows).toEqual([{ balance: 1 }]);
    });
    expect(seen).toEqual(['update 5']);
    expect(await balance()).toBe(5);
  });

  it('a failure that is caught within a transaction of its own: the rest goes on', async () => {
    await committed(async (manager) => {
      await manager.update(accounts, 1, { balance: 1 });
      const twice = manager.transaction((tx) => tx.insert(accounts, { id: 1, balance: 0 }));
      await expect(twice).rejects.toThrow(/duplicate/i);
    });
    expect(await balance()).toBe(1);
  });

  it('after its branch a manager reaches none, and outside of one it says so', async () => {
    const resource = await open();
    let late: Promise<unknown> = Promise.resolve();
    let goOn: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let first: EntityManager | null = null;
    await commitOn(resource, async (manager) => {
      first = manager;
      late = waits.then(() => manager.update(accounts, 1, { balance: 666 }));
      late.catch(() => undefined);
    });
    await commitOn(resource, async (manager) => {
      expect(manager === first).toBe(true);
      goOn();
      await expect(late).rejects.toThrow(/The branch is over/);
      await manager.update(accounts, 2, { balance: 1 });
    });
    expect(await balance()).toBe(100);
    const outside = (first as unknown as EntityManager).find(accounts);
    await expect(outside).rejects.toThrow(/outside of one/);
  });

  it('branches at once have a session each', async () => {
    const resource = await open();
    let there = 0;
    await Promise.all(
      [1, 2].map((id) =>
        commitOn(resource, async (manager) => {
          there += 1;
          await expect.poll(() => there).toBe(2);
          await manager.increment(accounts, { id }, 'balance', id);
          const other: Account | null = await manager.findOneBy(accounts, { id });
          expect(other?.balance).toBe(100 + id);
        }),
      ),
    );
    expect(await balance()).toBe(101);
  });

  it('what is not awaited: the branch aborts', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      void managerOf(sql)
        .update(accounts, 1, { balance: 1 })
        .catch(() => 0);
    });
    await expect(resource.prepare(call)).rejects.toThrow(/The function returned before "UPDATE/);
    await resource.rollback(refOf(call));
    expect(await balance()).toBe(100);
  });

  it('a query runner of its own is a transaction of the branch; the DataSource is not its to end', async () => {
    const add = (on: EntityManager, by: number) => on.increment(accounts, { id: 1 }, 'balance', by);
    const resource = await open();
    await commitOn(resource, async (manager) => {
      const runner = manager.connection.createQueryRunner();
      await runner.startTransaction();
      await add(runner.manager, 10);
      await runner.startTransaction();
      await add(runner.manager, 100);
      await runner.rollbackTransaction();
      await runner.commitTransaction();
      await runner.startTransaction();
      await add(runner.manager, 1_000);
      await runner.rollbackTransaction();
      await runner.release();
      await manager.connection.transaction((tx) => add(tx, 1));
      await expect(manager.connection.destroy()).rejects.toThrow(/shared by all branches/);
      await expect(manager.connection.synchronize()).rejects.toThrow(/"ready" of serveParticipant/);
      await add(manager, 2);
    });
    await commitOn(resource, (manager) => add(manager, 4));
    expect(await balance()).toBe(117);
  });

  it('a COMMIT: not sent', async () => {
    await committed(async (manager) => {
      await manager.update(accounts, 1, { balance: 1 });
      await expect(manager.query('COMMIT')).rejects.toThrow(/was not sent|neither begins nor ends/);
    }).catch((error: Error) => expect(error.message).toMatch(/neither begins nor ends/));
  });

  it('a row that is held: LOCK_TIMEOUT, which may be retried', async () => {
    const resource = await open({ lockWaitMs: 100 });
    const raise: Work = (sql) => managerOf(sql).update(accounts, 1, { balance: 1 });
    const first = prepareCall<Work>(raise);
    expect(await resource.prepare(first)).toEqual({ vote: 'commit' });
    expect(await resource.prepare(prepareCall<Work>(raise))).toMatchObject({
      vote: 'abort',
      reason: { code: 'LOCK_TIMEOUT', retryable: true },
    });
    await resource.rollback(refOf(first));
  });

  it.each(['synchronize', 'dropSchema', 'migrationsRun', 'cache', 'isolationLevel'] as const)(
    'the option %s is refused, with what to do',
    (name) => {
      const options = { type, entities: [accounts], [name]: true };
      expect(() =>
        typeormBranch(options as TypeormBranchOptions, () => ({ vote: 'commit' })),
      ).toThrow(new RegExp(`takes no option "${name}": .*Leave it away`));
    },
  );

  it("the other database's type is refused, with what to do", async () => {
    const wrong = type === 'postgres' ? ('mysql' as const) : ('postgres' as const);
    const options = { type: wrong, entities: [accounts] };
    const resource = await openWith(
      typeormBranch<Work, never>(options, () => ({ vote: 'commit' })),
    );
    const call = prepareCall<Work>(async () => undefined);
    await expect(resource.prepare(call)).rejects.toThrow(/was given type .* Set type to '/);
  });
}
