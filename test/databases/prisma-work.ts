/** What Prisma does within a branch, the same for both databases. */
import { inspect } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { thrownText } from '../../src/core/thrown.ts';
import type { PrepareSql, Sql } from '../../src/postgresql.ts';
import type { PrismaBranchAdapter, PrismaLike } from '../../src/prisma.ts';
import { prismaBranch } from '../../src/prisma.ts';
import { type PrismaProvider, prismaClientClass } from '../support/orm/prisma-client.ts';
import { pause } from '../support/process/child.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { type OrmHandle, type OrmTransaction, ormWork } from './orm.ts';
import { type OpenWork, runWork, type Work, type WorkResource } from './sql-resource.ts';
import type { WorkBench } from './work-bench.ts';

// biome-ignore lint/suspicious/noExplicitAny: generated, so not there when types are checked
export type AnyClient = PrismaLike & Record<string, any>;

const clients = new WeakMap<Sql, AnyClient>();

/** For a payload that is a function of `sql`: its client is found with `prismaOf`. */
function prismaPrepare(
  make: (adapter: PrismaBranchAdapter) => AnyClient,
): PrepareSql<Work, unknown> {
  return prismaBranch<AnyClient, Work, unknown>(make, (prisma, call, sql) => {
    clients.set(sql, prisma);
    return runWork(sql, call);
  });
}

function prismaOf(sql: Sql): AnyClient {
  const client = clients.get(sql);
  if (client === undefined) throw new Error('No client of Prisma for this branch.');
  return client;
}

function prismaHandle(sql: Sql): OrmHandle {
  const transactionOf = (on: AnyClient): OrmTransaction => ({
    add: async (by) => {
      await on['account'].update({ where: { id: 1 }, data: { balance: { increment: by } } });
    },
    nested: (body) => on['$transaction']((inner: AnyClient) => body(transactionOf(inner))),
  });
  const prisma = prismaOf(sql);
  return {
    ...transactionOf(prisma),
    transaction: (body) => prisma['$transaction']((tx: AnyClient) => body(transactionOf(tx))),
    withLevel: (body) =>
      prisma['$transaction']((tx: AnyClient) => body(transactionOf(tx)), {
        isolationLevel: 'ReadCommitted',
      }),
  };
}

export function prismaWork(provider: PrismaProvider, bench: Omit<WorkBench, 'at'>): void {
  const { balance } = bench;
  let PrismaClient: new (options: object) => AnyClient;
  beforeAll(async () => {
    PrismaClient = await prismaClientClass(provider);
  });

  const openWith = (
    make: (adapter: PrismaBranchAdapter) => AnyClient,
    more?: OpenWork,
  ): Promise<WorkResource> => bench.openWith(prismaPrepare(make), more);

  const open = (more?: OpenWork): Promise<WorkResource> =>
    openWith((adapter) => new PrismaClient({ adapter }), more);

  ormWork({ ...bench, open, libraries: { Prisma: prismaHandle } });

  async function committed(work: (prisma: AnyClient, sql: Sql) => Promise<unknown>): Promise<void> {
    await commitOn(await open(), work);
  }

  async function commitOn(
    resource: WorkResource,
    work: (prisma: AnyClient, sql: Sql) => Promise<unknown>,
  ): Promise<void> {
    const call = prepareCall<Work>((sql) => work(prismaOf(sql), sql));
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
  }

  const kinds = {
    id: 2n ** 62n + 1n,
    price: '1234567890123.4567',
    data: { list: [1, 'two', null], deep: { yes: true } },
    colour: 'GREEN',
    at: new Date('2026-02-03T04:05:06.789Z'),
    day: new Date('2026-02-03T00:00:00.000Z'),
    bytes: new Uint8Array([0, 1, 255]),
    flag: true,
    ratio: 0.1,
    maybe: null,
  };

  it('gives back what it was given: BigInt, Decimal, Json, enums, dates, bytes', async () => {
    await committed(async (prisma) => {
      await prisma['kinds'].create({ data: kinds });
      const read = await prisma['kinds'].findUniqueOrThrow({ where: { id: kinds.id } });
      expect({ ...read, price: String(read.price), tags: undefined }).toEqual({
        ...kinds,
        tags: undefined,
      });
      const [dear] = await prisma['kinds'].findMany({
        where: { price: { gt: '1234567890123.4566' }, flag: true, colour: { in: ['GREEN'] } },
        orderBy: { at: 'desc' },
        take: 1,
        skip: 0,
      });
      expect(dear.id).toBe(kinds.id);
      const { _sum, _count } = await prisma['kinds'].aggregate({
        _sum: { price: true },
        _count: true,
      });
      expect([String(_sum.price), _count]).toEqual([kinds.price, 1]);
      expect(await prisma['$queryRaw']`SELECT id, price, flag FROM kinds`).toEqual([
        { id: kinds.id, price: expect.anything(), flag: expect.anything() },
      ]);
    });
  });

  it('raw queries, with values, and statements', async () => {
    await committed(async (prisma) => {
      expect(await prisma['$executeRaw']`UPDATE account SET balance = ${7} WHERE id = ${1}`).toBe(
        1,
      );
      const rows = await prisma[
        '$queryRaw'
      ]`SELECT balance FROM account WHERE id IN (${1}, ${2}) ORDER BY id LIMIT ${1}`;
      expect(rows).toEqual([{ balance: 7 }]);
      expect(await prisma['$queryRawUnsafe']('SELECT COUNT(*) AS n FROM account')).toEqual([
        { n: 2n },
      ]);
    });
    expect(await balance()).toBe(7);
  });

  if (provider === 'postgresql') {
    it('several schemas, and lists', async () => {
      await committed(async (prisma, sql) => {
        await prisma['archived'].create({ data: { id: 1 } });
        expect(await sql.query('SELECT id FROM archive.archived')).toMatchObject({
          rows: [{ id: 1 }],
        });
      });
    });
  }

  it('writes that take several statements, relations and cascades', async () => {
    await committed(async (prisma) => {
      const { id } = await prisma['order'].create({
        data: { lines: { create: [{ sku: 'lamp' }, { sku: 'desk' }] } },
      });
      const order = await prisma['order'].findUnique({
        where: { id },
        include: { lines: { orderBy: { sku: 'asc' } } },
      });
      expect(order.lines.map(({ sku }: { sku: string }) => sku)).toEqual(['desk', 'lamp']);
      await prisma['order'].update({
        where: { id },
        data: { lines: { deleteMany: { sku: 'desk' }, create: { sku: 'chair' } } },
      });
      const line = { sku: 'chair', orderId: id };
      await prisma['line'].upsert({ where: { sku: 'chair' }, create: line, update: line });
      expect(await prisma['line'].createMany({ data: [{ sku: 'x', orderId: id }] })).toEqual({
        count: 1,
      });
      await prisma['order'].delete({ where: { id } });
      expect(await prisma['line'].count()).toBe(0);
    });
  });

  it('several statements at once, those that it batches among them', async () => {
    await committed(async (prisma) => {
      const found = await Promise.all(
        [1, 2, 3].map((id) => prisma['account'].findUnique({ where: { id } })),
      );
      expect(found.map((one) => one?.balance)).toEqual([100, 100, undefined]);
      const [raised] = await prisma['$transaction']([
        prisma['account'].update({ where: { id: 1 }, data: { balance: { increment: 1 } } }),
        prisma['account'].update({ where: { id: 2 }, data: { balance: { increment: 1 } } }),
      ]);
      expect(raised.balance).toBe(101);
      const failing = prisma['$transaction']([
        prisma['account'].update({ where: { id: 1 }, data: { balance: { increment: 10 } } }),
        prisma['account'].create({ data: { id: 1, balance: 0 } }),
      ]);
      await expect(failing).rejects.toMatchObject({ code: 'P2002' });
    });
    expect(await balance()).toBe(101);
  });

  it('a failure that is caught within a transaction of its own: the rest goes on', async () => {
    await committed(async (prisma) => {
      await prisma['account'].update({ where: { id: 1 }, data: { balance: 1 } });
      await prisma['$transaction']((tx: AnyClient) =>
        tx['account'].create({ data: { id: 1, balance: 0 } }),
      ).catch((error: { code: string }) => expect(error.code).toBe('P2002'));
    });
    expect(await balance()).toBe(1);
  });

  it('extensions, on the client and on its transactions', async () => {
    const seen: string[] = [];
    const resource = await openWith((adapter) =>
      new PrismaClient({ adapter })['$extends']({
        query: {
          $allModels: {
            $allOperations: ({ operation, args, query }: Record<string, unknown>) => {
              seen.push(String(operation));
              return (query as (args: unknown) => unknown)(args);
            },
          },
        },
        model: {
          account: {
            async raise(this: unknown, id: number) {
              await (this as AnyClient)['update']({ where: { id }, data: { balance: 3 } });
            },
          },
        },
        result: {
          account: {
            double: {
              needs: { balance: true },
              compute: (one: { balance: number }) => 2 * one.balance,
            },
          },
        },
      }),
    );
    await commitOn(resource, async (prisma) => {
      await prisma['$transaction']((tx: AnyClient) => tx['account'].raise(1));
      expect(await prisma['account'].findFirst({ where: { id: 1 } })).toMatchObject({ double: 6 });
    });
    expect(seen).toEqual(['update', 'findFirst']);
    expect(await balance()).toBe(3);
  });

  it('branches at once have a client each, and one after the other share it', async () => {
    let made = 0;
    const resource = await openWith((adapter) => {
      made += 1;
      return new PrismaClient({ adapter });
    });
    const met: AnyClient[] = [];
    await Promise.all(
      [1, 2].map((id) =>
        commitOn(resource, async (prisma) => {
          met.push(prisma);
          await expect.poll(() => met.length).toBe(2);
          expect(await prisma['account'].findUnique({ where: { id } })).toMatchObject({ id });
        }),
      ),
    );
    expect(met[0] === met[1]).toBe(false);
    await commitOn(resource, async (prisma) => void expect(met.includes(prisma)).toBe(true));
    expect(made).toBe(2);
  });

  it('after its branch a client reaches none, not even one that works with it now', async () => {
    const resource = await open();
    let late: Promise<unknown> = Promise.resolve();
    let goOn: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let first: AnyClient | null = null;
    await commitOn(resource, async (prisma) => {
      first = prisma;
      late = waits.then(() =>
        prisma['account'].update({ where: { id: 1 }, data: { balance: 666 } }),
      );
      late.catch(() => undefined);
    });
    await commitOn(resource, async (prisma) => {
      expect(prisma === first).toBe(true);
      goOn();
      await expect(late).rejects.toThrow(/The branch is over/);
      await prisma['account'].update({ where: { id: 2 }, data: { balance: 1 } });
    });
    expect(await balance()).toBe(100);
    const outside = (first as unknown as AnyClient)['account'].findMany();
    await expect(outside).rejects.toThrow(/outside of one/);
  });

  it('what is not awaited: the branch aborts', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      void prismaOf(sql)
        ['account'].update({ where: { id: 1 }, data: { balance: 1 } })
        .catch(() => 0);
    });
    await expect(resource.prepare(call)).rejects.toThrow(
      /The function returned before "(UPDATE|SELECT|BEGIN)/,
    );
    await resource.rollback(refOf(call));
    expect(await balance()).toBe(100);
  });

  it('a COMMIT: not sent; within a transaction, which it ends, the branch aborts', async () => {
    await committed(async (prisma) => {
      await prisma['account'].update({ where: { id: 1 }, data: { balance: 1 } });
      await expect(prisma['$executeRaw']`COMMIT`).rejects.toThrow(/use its own transaction\(\)/);
    });
    expect(await balance()).toBe(1);
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      const ends = prismaOf(sql)['$transaction']((tx: AnyClient) => tx['$executeRaw']`COMMIT`);
      await ends.catch(() => 0);
    });
    await expect(resource.prepare(call)).rejects.toThrow(/neither begins nor ends/);
    await resource.rollback(refOf(call));
  });

  it('a $transaction past its limits is rolled back and throws, and the branch goes on', async () => {
    const add = (on: AnyClient, by: number) =>
      on['account'].update({ where: { id: 1 }, data: { balance: { increment: by } } });
    await committed(async (prisma) => {
      const tooLong = prisma['$transaction'](
        async (tx: AnyClient) => {
          await add(tx, 10);
          await pause(300);
          await add(tx, 100);
        },
        { timeout: 100 },
      );
      await expect(tooLong).rejects.toMatchObject({ code: 'P2028' });
      await add(prisma, 1);

      const first = prisma['$transaction'](async (tx: AnyClient) => {
        await add(tx, 2);
        await pause(300);
      });
      const waited = prisma['$transaction']((tx: AnyClient) => add(tx, 1_000), { maxWait: 50 });
      await expect(waited).rejects.toMatchObject({ code: 'P2028' });
      await first;
      await prisma['$transaction']((tx: AnyClient) => add(tx, 4));
      await prisma['$disconnect']();
      await add(prisma, 8);
    });
    expect(await balance()).toBe(115);
  });

  it('a row that is held: LOCK_TIMEOUT, which may be retried', async () => {
    const resource = await open({ lockWaitMs: 100 });
    const raise: Work = (sql) =>
      prismaOf(sql)['account'].update({ where: { id: 1 }, data: { balance: 1 } });
    const first = prepareCall<Work>(raise);
    expect(await resource.prepare(first)).toEqual({ vote: 'commit' });
    expect(await resource.prepare(prepareCall<Work>(raise))).toMatchObject({
      vote: 'abort',
      reason: { code: 'LOCK_TIMEOUT', retryable: true },
    });
    await resource.rollback(refOf(first));
  });

  it("Prisma's own errors are the service's, and abort", async () => {
    const resource = await open();
    const missing = prepareCall<Work>((sql) =>
      prismaOf(sql)['account'].update({ where: { id: 9 }, data: { balance: 1 } }),
    );
    await expect(resource.prepare(missing)).rejects.toMatchObject({ code: 'P2025' });
    const wrong = prepareCall<Work>((sql) => prismaOf(sql)['account'].findMany({ nonsense: 1 }));
    await expect(resource.prepare(wrong)).rejects.toThrow(/nonsense/);
  });

  it('what a branch says of a call that failed has none of its values', async () => {
    const resource = await open();
    const value = 'hunter2';
    const told = async (work: (on: AnyClient) => Promise<unknown>): Promise<string> => {
      const call = prepareCall<Work>((sql) => work(prismaOf(sql)));
      const error = await Promise.resolve(resource.prepare(call)).catch((thrown: Error) => thrown);
      const { message, stack } = error as Error;
      expect(`${message}${stack}`).not.toContain(value);
      return message;
    };
    const wrong = await told((on) => on['account'].create({ data: { id: 9, balance: value } }));
    expect(wrong).toMatch(
      /^Invalid `.*create\(\)` invocation: Argument `balance`: .* provided String/,
    );
    const unknown = await told((on) =>
      on['contract'].create({ data: { name: value, value, more: 1 } }),
    );
    expect(unknown).toMatch(/^Invalid `.*create\(\)` invocation: Unknown argument `more`/);
    const data = [{ name: 'a', value }];
    const noTable = await told((on) => on['contract'].createMany({ data }));
    expect(noTable).toMatch(/^Invalid `.*createMany\(\)` invocation: The table .* does not exist/);
  });

  it('nor does it where the error was wrapped', async () => {
    const value = 'hunter2';
    const resource = await open();
    const told = async (wrapped: (error: unknown) => Error): Promise<string> => {
      const call = prepareCall<Work>((sql) =>
        prismaOf(sql)
          ['account'].create({ data: { id: 9, balance: value } })
          .catch((error: unknown) => Promise.reject(wrapped(error))),
      );
      const error = await Promise.resolve(resource.prepare(call)).catch((thrown: Error) => thrown);
      expect(`${thrownText(error)}${inspect(error)}`).not.toContain(value);
      return thrownText(error);
    };
    const said = /Invalid `.*create\(\)` invocation: Argument `balance`: .* provided String/;
    expect(await told((cause) => new Error('no order', { cause }))).toMatch(said);
    const both = (error: unknown): Error => new AggregateError([new Error('one'), error], 'two');
    expect(await told(both)).toMatch(said);
  });

  it('a branch says every line of what the database said', async () => {
    const resource = await open();
    const raise =
      provider === 'postgresql'
        ? "DO $$ BEGIN RAISE EXCEPTION E'one\ntwo'; END $$"
        : "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'one\ntwo'";
    const call = prepareCall<Work>((sql) => prismaOf(sql)['$executeRawUnsafe'](raise));
    await expect(resource.prepare(call)).rejects.toThrow(
      /^Invalid `.*executeRawUnsafe\(\)` invocation: .*one\ntwo/,
    );
  });

  it('a client that is on no adapter of the branch is refused', async () => {
    const other = { $connect: async () => undefined };
    const resource = await openWith(() => other);
    const call = prepareCall<Work>(async () => undefined);
    await expect(resource.prepare(call)).rejects.toThrow(/must make a client on the adapter/);
  });
}
