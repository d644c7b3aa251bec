/**
 * What sql-resource.ts asks, and what is PostgreSQL's own: other hands, isolation, rules that a
 * service breaks, settings.
 */
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { PostgresDialect } from 'kysely';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openPostgresqlResource, ormClient, type Sql } from '../../src/postgresql.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';
import { prepareCall, refOf, Stop } from '../support/resources/sql-calls.ts';
import { ormWork } from './orm.ts';
import { postgresqlHandles } from './orm-handles.ts';
import { drizzleOn, kyselyOn } from './orm-libraries.ts';
import { outcomeRows } from './outcome-rows.ts';
import { raise, runWork, sqlResource, type Work, type WorkResource } from './sql-resource.ts';
import { swallowed } from './swallowed.ts';
import { heard, waits } from './waits.ts';
import { workOnPostgresql } from './work-bench.ts';

const tables = `
  CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
  INSERT INTO account VALUES (1, 100), (2, 100)`;
const bench = workOnPostgresql(tables);
const { at, balance } = bench;

const open = (more?: Parameters<typeof bench.openWith>[1]): Promise<WorkResource> =>
  bench.openWith(runWork, more);

/** In the database of the test. */
function run<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> {
  return at.postgresql.query(at.connection, text, values);
}

async function prepared(): Promise<string[]> {
  const text = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
  return (await run<{ gid: string }>(text)).map(({ gid }) => gid);
}

sqlResource({
  ...bench,
  open,
  otherName: () => 'another',
  port: () => at.connection.port,
  prepared,
  // What is prepared is the server's at once.
  sessionEnded: async () => undefined,
  words: {
    prepare: 'PREPARE TRANSACTION',
    commit: 'COMMIT PREPARED',
    rollback: 'ROLLBACK PREPARED',
  },
  lost: /terminated|closed|reset/i,
  ended: /terminat|not queryable|closed/i,
  readLocking: 'SELECT * FROM account FOR SHARE',
});

swallowed({
  open,
  port: () => at.connection.port,
  free: () => run('SELECT 1 FROM account WHERE id = 1 FOR UPDATE NOWAIT'),
});

waits({
  open,
  run,
  tellsApart: true,
});

it('a reader that waits for no one, and a foreign prepared transaction, are no news', async () => {
  const { logger, warnings } = heard();
  const resource = await open({ logger });
  const call = prepareCall<Work>((sql) => sql.query('UPDATE account SET balance = 7 WHERE id = 2'));
  expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
  const foreign = `BEGIN; UPDATE account SET balance = 8 WHERE id = 1; PREPARE TRANSACTION 'theirs'`;
  await run(foreign);
  const waiting = run('UPDATE account SET balance = 9 WHERE id = 1');
  await run('SELECT pg_sleep(4) FROM account LIMIT 1');
  expect(warnings).toEqual([]);
  await run(`ROLLBACK PREPARED 'theirs'`);
  await waiting;
  await resource.rollback(refOf(call));
});

outcomeRows({
  open,
  otherName: () => 'another',
  rows: async () => {
    const text = `SELECT gid FROM verdict_branches WHERE gid <> 'identity'`;
    return (await run<{ gid: string }>(text)).map(({ gid }) => gid);
  },
  age: async (txid, days) => {
    const text = `UPDATE verdict_branches SET seen_at = now() - $1 * interval '1 day' WHERE gid LIKE $2`;
    await run(text, [days, `%${txid}%`]);
  },
});

describe('what an operator did by hand', () => {
  it('ROLLBACK PREPARED: commit says so, forever, and is no success', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await run(`ROLLBACK PREPARED '${(await prepared())[0]}'`);
    await expect(resource.commit(refOf(call))).rejects.toThrow(/none of that name has committed/);
    await expect(resource.commit(refOf(call))).rejects.toThrow(/none of that name has committed/);
    expect(await balance()).toBe(100);
    // What docs/DATABASES.md tells the operator to do.
    const name = `verdict:ledger:${call.txid}:${call.branch}`;
    await run('INSERT INTO verdict_branches (gid) VALUES ($1)', [name]);
    await resource.commit(refOf(call));
  });

  it('COMMIT PREPARED: a commit finds it done, a rollback says that it cannot be', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await run(`COMMIT PREPARED '${(await prepared())[0]}'`);
    await expect(resource.rollback(refOf(call))).rejects.toThrow(/someone ran COMMIT PREPARED/);
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });
});

describe('votes', () => {
  it.each([
    ['serializable', 'CONFLICT'],
    ['repeatable read', null],
  ] as const)('a write skew under %s: %s', async (isolation, code) => {
    const resource = await open({ isolation });
    const stops = [new Stop(), new Stop()];
    const skew = (index: number) =>
      prepareCall<Work>(async (sql) => {
        await sql.query('SELECT sum(balance) FROM account');
        await stops[index]?.here();
        await sql.query('UPDATE account SET balance = balance - 150 WHERE id = $1', [index + 1]);
      });
    const both = [resource.prepare(skew(0)), resource.prepare(skew(1))];
    for (const stop of stops) await stop.reached;
    for (const stop of stops) stop.goOn();
    const reasons = (await Promise.all(both)).map((each) =>
      each.vote === 'abort' ? each.reason.code : null,
    );
    expect(reasons.filter((each) => each !== null)).toEqual(code === null ? [] : [code]);
  });

  it('abort for a name that PostgreSQL has no room for', async () => {
    const resource = await open();
    const call = prepareCall(raise, { branch: 'é'.repeat(60) });
    expect(await resource.prepare(call)).toMatchObject({
      vote: 'abort',
      reason: { code: 'VOTED_ABORT', message: expect.stringContaining('too long') },
    });
    await resource.rollback(refOf(call));
  });
});

describe('a service', () => {
  it('may use savepoints, and statements as objects', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      await sql.query('SAVEPOINT one');
      await sql.query({ text: 'UPDATE account SET balance = $1', values: [7] });
      await sql.query('SELECT 1 / 0').catch(() => undefined);
      await sql.query('ROLLBACK TO one');
      await sql.query({ text: 'UPDATE account SET balance = balance + $1 WHERE id = 1' }, [1]);
      await sql.query('RELEASE one');
    });
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it('may set what it likes for its session: the branch can be ended, and the next finds nothing of it', async () => {
    const resource = await open();
    const setup = 'CREATE SCHEMA other; CREATE ROLE low; GRANT USAGE ON SCHEMA public TO low';
    await run(setup);
    const call = prepareCall<Work>(async (sql) => {
      await raise(sql);
      await sql.query('SELECT pg_advisory_lock(42)');
      for (const set of ['search_path = other', "TIME ZONE 'Asia/Tokyo'", 'ROLE low'])
        await sql.query(`SET ${set}`);
    });
    const looked = (): Promise<unknown[]> => {
      const rows: unknown[] = [];
      const look = prepareCall<Work>(async (sql) => {
        const { rows: found } = await sql.query(
          `SELECT current_user, current_setting('search_path'), current_setting('TimeZone'),
                  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42)`,
        );
        rows.push(...found);
        return 'readonly';
      });
      return Promise.resolve(resource.prepare(look)).then(() => rows);
    };
    const before = await looked();
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    expect(await looked()).toEqual(before);
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it('that only reads and is checked as a commit is leaves no row behind', async () => {
    const resource = await open({ isolation: 'serializable' });
    const call = prepareCall<Work>((sql) =>
      sql.query('SELECT * FROM account').then(() => 'readonly'),
    );
    expect(await resource.prepare(call)).toEqual({ vote: 'readonly' });
    expect(await run(`SELECT * FROM verdict_branches WHERE gid <> 'identity'`)).toEqual([]);
  });
});

describe('libraries with transactions of their own', () => {
  const account = pgTable('account', {
    id: integer('id').primaryKey(),
    balance: integer('balance').notNull(),
  });
  ormWork({
    ...bench,
    open,
    libraries: {
      Kysely: kyselyOn((sql) => new PostgresDialect({ pool: ormClient(sql) })),
      Drizzle: drizzleOn((sql) => drizzle({ client: ormClient(sql) }), account),
      ...postgresqlHandles,
    },
  });

  it('with callbacks, and on the pool itself', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      const pool = ormClient(sql);
      await new Promise((resolve, reject) => {
        const heard = (error: unknown, result: unknown) =>
          error ? reject(error) : resolve(result);
        pool.connect((_none: unknown, client: { query: (...all: unknown[]) => void }) =>
          client.query('BEGIN', () =>
            client.query('UPDATE account SET balance = $1 WHERE id = 1', [7], () =>
              client.query('COMMIT', heard),
            ),
          ),
        );
      });
      await new Promise((resolve) => pool.query('SELECT 1', resolve));
      await expect(pool.query('BEGIN')).rejects.toThrow(/is a pool.*connect\(\)/);
    });
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    expect(await balance()).toBe(7);
  });

  it('on the bare handle: refused, and nothing is committed', async () => {
    const resource = await open();
    const on = drizzleOn((sql) => drizzle({ client: sql as never }), account);
    const call = prepareCall<Work>((sql) => on(sql).transaction((tx) => tx.add(7)));
    await expect(resource.prepare(call)).rejects.toThrow(/"begin" was refused.*ormClient/);
    expect(await balance()).toBe(100);
  });
});

describe('a service that breaks the rules', () => {
  it('hides a failed statement: nothing is prepared, and prepare says so', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      await raise(sql);
      await sql.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(resource.prepare(call)).rejects.toThrow(/Nothing was prepared|aborted/);
    await resource.rollback(refOf(call));
    expect(await prepared()).toEqual([]);
    expect(await balance()).toBe(100);
  });

  describe('ends its transaction, in whatever words: nothing is committed, and prepare names the statement', () => {
    it.each([
      ['COMMIT'],
      ['/* x */ COMMIT'],
      ['-- x\nEND'],
      ['COMMIT AND CHAIN'],
      [' rollback'],
      ['ROLLBACK AND CHAIN'],
      ['PREPARE TRANSACTION $$x$$'],
      ['begin'],
      ['START TRANSACTION'],
      ['SET CONSTRAINTS ALL IMMEDIATE'],
    ])('%s', async (text) => {
      const resource = await open();
      const call = prepareCall<Work>(async (sql) => {
        await raise(sql);
        // A service that passes over the error, and over the next.
        await sql.query(text).catch(() => undefined);
        await raise(sql).catch(() => undefined);
        await sql.query('COMMIT').catch(() => undefined);
      });
      await expect(resource.prepare(call)).rejects.toThrow('neither begins nor ends');
      await expect(resource.prepare(prepareCall<Work>((sql) => sql.query(text)))).rejects.toThrow(
        text.trim().replace('\n', ' '),
      );
      await resource.rollback(refOf(call));
      expect(await prepared()).toEqual([]);
      expect(await balance()).toBe(100);
    });
  });

  it.each([['COPY account FROM STDIN'], ['COPY account TO STDOUT']])(
    '%s: refused at once, and the session goes on',
    async (text) => {
      const resource = await open();
      const call = prepareCall<Work>(async (sql) => {
        await sql.query('SAVEPOINT one');
        await expect(sql.query(text)).rejects.toThrow(
          /"COPY .* was refused: .* no stream .*unnest/,
        );
        await sql.query('ROLLBACK TO one');
        await raise(sql);
      });
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      await resource.commit(refOf(call));
      const again = prepareCall<Work>((sql) => raise(sql).then(() => sql.query(text)));
      await expect(resource.prepare(again)).rejects.toThrow('has no stream');
      expect(await balance()).toBe(101);
    },
  );

  it.each([
    ['two statements in one text', 'UPDATE account SET balance = 7; COMMIT', /multiple commands/],
    [
      'a block that commits',
      'DO $$ BEGIN UPDATE account SET balance = 7; COMMIT; END $$',
      /invalid transaction/,
    ],
  ])('%s: the server refuses', async (_what, text, error) => {
    const resource = await open();
    const call = prepareCall<Work>((sql) => raise(sql).then(() => sql.query(text)));
    await expect(resource.prepare(call)).rejects.toThrow(error);
    expect(await balance()).toBe(100);
  });

  it('does not wait for the statement that ends it: what follows is not sent outside of a transaction', async () => {
    const resource = await open();
    const call = prepareCall<Work>((sql) =>
      Promise.allSettled([sql.query('ROLLBACK'), raise(sql), raise(sql)]),
    );
    await expect(resource.prepare(call)).rejects.toThrow('neither begins nor ends');
    expect(await balance()).toBe(100);
  });

  it('does not wait for a statement at all: prepare names it', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      void raise(sql).catch(() => undefined);
    });
    await expect(resource.prepare(call)).rejects.toThrow(/before "UPDATE account .*await every/);
    expect(await prepared()).toEqual([]);
  });

  it('keeps its sql for later', async () => {
    const resource = await open();
    let kept: Sql | null = null;
    await resource.prepare(
      prepareCall<Work>((sql) => {
        kept = sql;
        return raise(sql);
      }),
    );
    await expect((kept as Sql | null)?.query('SELECT 1')).rejects.toThrow(/is over/);
  });
});

it('votes to abort, and holds nothing, where PostgreSQL has no room for one more', async () => {
  const other = await startPostgresql(['max_prepared_transactions=1']);
  // After its resource.
  onTestFinished(() => other.dispose());
  const resource = await open({ connection: await other.database(tables) });
  const first = prepareCall(raise);
  expect(await resource.prepare(first)).toEqual({ vote: 'commit' });
  const second = (): ReturnType<WorkResource['prepare']> =>
    resource.prepare(
      prepareCall<Work>((sql) => sql.query('UPDATE account SET balance = 7 WHERE id = 2')),
    );
  expect(await second()).toMatchObject({
    vote: 'abort',
    reason: { retryable: true, message: expect.stringContaining('max_prepared_transactions') },
  });
  await resource.commit(refOf(first));
  expect(await second()).toEqual({ vote: 'commit' });
});

it('prepares nothing on a server whose max_prepared_transactions is 0, and says what to do', async () => {
  const other = await startPostgresql(['max_prepared_transactions=0']);
  try {
    const options = { name: 'ledger', connection: await other.database(tables), prepare: runWork };
    await expect(openPostgresqlResource(options)).rejects.toThrow(
      /max_prepared_transactions of this PostgreSQL is 0.*Set it/,
    );
  } finally {
    await other.dispose();
  }
});
