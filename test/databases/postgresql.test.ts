/** What sql-resource.ts asks, and what is PostgreSQL's own: other hands, isolation, rules that a service breaks, settings. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresqlAddress } from '../../cluster/databases/postgresql-server.ts';
import { openPostgresqlResource, type Sql } from '../../src/postgresql.ts';
import { startPostgresql, type TestPostgresql } from '../support/postgresql.ts';
import { prepareCall, refOf, Stop } from '../support/sql-calls.ts';
import { outcomeRows } from './outcome-rows.ts';
import {
  type OpenWork,
  raise,
  runWork,
  sqlResource,
  type Work,
  type WorkResource,
} from './sql-resource.ts';

const tables = `
  CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
  INSERT INTO account VALUES (1, 100), (2, 100)`;
let postgresql: TestPostgresql;
let connection: PostgresqlAddress;
const opened: WorkResource[] = [];

beforeAll(async () => {
  postgresql = await startPostgresql();
});
afterAll(() => postgresql.dispose());
beforeEach(async () => {
  connection = await postgresql.database(tables);
});
afterEach(async () => {
  for (const resource of opened.splice(0)) await resource.close();
});

async function open({ port, ...more }: OpenWork = {}): Promise<WorkResource> {
  const resource = await openPostgresqlResource({
    name: 'ledger',
    connection: { ...connection, ...(port === undefined ? {} : { port }) },
    prepare: runWork,
    ...more,
  });
  opened.push(resource);
  return resource;
}

async function balance(): Promise<number> {
  const text = 'SELECT balance FROM account WHERE id = 1';
  const rows = await postgresql.query<{ balance: number }>(connection, text);
  return rows[0]?.balance ?? Number.NaN;
}

async function prepared(): Promise<string[]> {
  const text = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
  return (await postgresql.query<{ gid: string }>(connection, text)).map(({ gid }) => gid);
}

sqlResource({
  open,
  otherName: () => 'another',
  port: () => connection.port,
  balance,
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
  raiseById: 'UPDATE account SET balance = balance + 1 WHERE id = $1',
  readLocking: 'SELECT * FROM account FOR SHARE',
  deadlockIsolation: 'read committed',
});

outcomeRows({
  open,
  otherName: () => 'another',
  rows: async () => {
    const text = 'SELECT gid FROM verdict_branches';
    return (await postgresql.query<{ gid: string }>(connection, text)).map(({ gid }) => gid);
  },
  age: async (txid, days) => {
    const text = `UPDATE verdict_branches SET seen_at = now() - $1 * interval '1 day' WHERE gid LIKE $2`;
    await postgresql.query(connection, text, [days, `%${txid}%`]);
  },
});

describe('what an operator did by hand', () => {
  it('ROLLBACK PREPARED: commit says so, for ever, and is no success', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await postgresql.query(connection, `ROLLBACK PREPARED '${(await prepared())[0]}'`);
    await expect(resource.commit(refOf(call))).rejects.toThrow(/none of that name has committed/);
    await expect(resource.commit(refOf(call))).rejects.toThrow(/none of that name has committed/);
    expect(await balance()).toBe(100);
    // What docs/DATABASES.md tells the operator to do.
    const name = `verdict:ledger:${call.txid}:${call.branch}`;
    await postgresql.query(connection, 'INSERT INTO verdict_branches (gid) VALUES ($1)', [name]);
    await resource.commit(refOf(call));
  });

  it('COMMIT PREPARED: a commit finds it done, a rollback says that it cannot be', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await postgresql.query(connection, `COMMIT PREPARED '${(await prepared())[0]}'`);
    await expect(resource.rollback(refOf(call))).rejects.toThrow(/somebody ran COMMIT PREPARED/);
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

  it.each(['COMMIT', ' rollback', 'PREPARE TRANSACTION $$x$$', 'begin'])('%s', async (text) => {
    const resource = await open();
    const call = prepareCall<Work>((sql) => sql.query(text));
    await expect(resource.prepare(call)).rejects.toThrow(/neither begins nor ends/);
  });

  it('ends its transaction past the guard: nothing is prepared, and prepare says so', async () => {
    const resource = await open();
    const call = prepareCall<Work>((sql) => raise(sql).then(() => sql.query('/**/ COMMIT')));
    await expect(resource.prepare(call)).rejects.toThrow(/null value in column "gid"/);
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
    await expect((kept as Sql | null)?.query('SELECT 1')).rejects.toThrow(/has been voted on/);
  });
});

it('votes to abort, and holds nothing, where PostgreSQL has no room for one more', async () => {
  const other = await startPostgresql(['max_prepared_transactions=1']);
  connection = await other.database(tables);
  try {
    const resource = await open();
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
  } finally {
    for (const resource of opened.splice(0)) await resource.close();
    await other.dispose();
  }
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
