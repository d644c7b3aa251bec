/** What the contract does not ask: lost replies, other sessions, other hands, and what PostgreSQL refuses. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresqlAddress } from '../../cluster/databases/postgresql-server.ts';
import { vote } from '../../src/participant.ts';
import {
  openPostgresqlResource,
  type PostgresqlResourceOptions,
  type PrepareSql,
  type Sql,
  type SqlResource,
} from '../../src/postgresql.ts';
import { startPostgresql, type TestPostgresql } from '../support/postgresql.ts';
import { prepareCall, refOf, Stop } from '../support/sql-calls.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

type Work = (sql: Sql) => Promise<unknown>;
type TestResource = SqlResource<Work, unknown>;

const tables = `
  CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
  INSERT INTO account VALUES (1, 100), (2, 100)`;
const raise: Work = (sql) => sql.query('UPDATE account SET balance = balance + 1 WHERE id = 1');
const runWork: PrepareSql<Work, unknown> = async (sql, { payload }) => {
  const answer = await payload(sql);
  return answer === 'readonly' ? vote.readonly() : vote.commit();
};

let postgresql: TestPostgresql;
let connection: PostgresqlAddress;
const opened: TestResource[] = [];

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

async function open(
  more: Partial<PostgresqlResourceOptions<Work, unknown>> = {},
): Promise<TestResource> {
  const resource = await openPostgresqlResource<Work>({
    name: 'ledger',
    connection,
    prepare: runWork,
    ...more,
  });
  opened.push(resource);
  return resource;
}

function through(proxy: TcpProxy): PostgresqlAddress {
  return { ...connection, port: Number(proxy.url.split(':').at(-1)) };
}

async function balance(id = 1): Promise<number> {
  const text = 'SELECT balance FROM account WHERE id = $1';
  const rows = await postgresql.query<{ balance: number }>(connection, text, [id]);
  return rows[0]?.balance ?? Number.NaN;
}

async function prepared(): Promise<string[]> {
  const text = 'SELECT gid FROM pg_prepared_xacts WHERE database = current_database()';
  return (await postgresql.query<{ gid: string }>(connection, text)).map(({ gid }) => gid);
}

describe('a lost reply', () => {
  it.each([
    ['COMMIT PREPARED', 101],
    ['ROLLBACK PREPARED', 100],
  ] as const)('to %s: asked again, it is known to be done', async (statement, expected) => {
    const proxy = await TcpProxy.started(connection.port);
    const resource = await open({ connection: through(proxy) });
    const call = prepareCall(raise);
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    const end = (): Promise<void> =>
      Promise.resolve(
        statement === 'COMMIT PREPARED'
          ? resource.commit(refOf(call))
          : resource.rollback(refOf(call)),
      );
    proxy.rule = (direction, bytes) =>
      direction === 'request' && bytes.includes(statement) ? 'lose-replies' : 'pass';
    const first = end();
    await expect.poll(prepared).toEqual([]);
    proxy.cut();
    await expect(first).rejects.toThrow(/terminated|closed|reset/i);
    await end();
    await end();
    expect(await balance()).toBe(expected);
    await proxy.close();
  });

  it('to PREPARE TRANSACTION: prepare throws, and the rollback finds what was prepared', async () => {
    const proxy = await TcpProxy.started(connection.port);
    const resource = await open({ connection: through(proxy) });
    const call = prepareCall(raise);
    proxy.rule = (direction, bytes) =>
      direction === 'request' && bytes.includes('PREPARE TRANSACTION') ? 'lose-replies' : 'pass';
    const first = resource.prepare(call);
    await expect.poll(prepared).toHaveLength(1);
    proxy.cut();
    await expect(first).rejects.toThrow(/terminated|closed|reset/i);
    await resource.rollback(refOf(call));
    expect(await prepared()).toEqual([]);
    await proxy.close();
  });
});

describe('two processes of one shared resource', () => {
  it('a rollback ends the session that is still preparing: the branch cannot come alive after it', async () => {
    const [first, second] = [await open({ shared: true }), await open({ shared: true })];
    const stop = new Stop();
    const call = prepareCall<Work>(async (sql) => {
      await raise(sql);
      await stop.here();
    });
    const preparing = first.prepare(call);
    await stop.reached;
    await second.rollback(refOf(call));
    stop.goOn();
    await expect(preparing).rejects.toThrow(/terminat|not queryable|closed/i);
    expect(await prepared()).toEqual([]);
    expect(await second.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
  });

  it('may commit at once: both are told that it is done, and it is done once', async () => {
    const [first, second] = [await open({ shared: true }), await open({ shared: true })];
    for (let round = 1; round <= 20; round += 1) {
      const call = prepareCall(raise);
      expect(await first.prepare(call)).toEqual({ vote: 'commit' });
      await Promise.all([first, second, first].map((each) => each.commit(refOf(call))));
      expect(await balance()).toBe(100 + round);
    }
  });

  it('do not end each other when one of them opens', async () => {
    const first = await open({ shared: true });
    const stop = new Stop();
    const call = prepareCall<Work>((sql) => raise(sql).then(() => stop.here()));
    const preparing = first.prepare(call);
    await stop.reached;
    await open({ shared: true });
    stop.goOn();
    expect(await preparing).toEqual({ vote: 'commit' });
  });
});

it('opening ends what the process before was at: inDoubt is all there is', async () => {
  const before = await open();
  const stop = new Stop();
  const preparing = before.prepare(prepareCall<Work>((sql) => raise(sql).then(() => stop.here())));
  await stop.reached;
  const other = await open({ name: 'another' });
  const after = await open();
  stop.goOn();
  await expect(preparing).rejects.toThrow();
  expect([...((await after.inDoubt?.()) ?? [])]).toEqual([]);
  expect(await prepared()).toEqual([]);
  // Those of another participant are its own affair.
  const theirs = prepareCall(raise);
  expect(await other.prepare(theirs)).toEqual({ vote: 'commit' });
  expect([...((await after.inDoubt?.()) ?? [])]).toEqual([]);
  expect([...((await other.inDoubt?.()) ?? [])]).toEqual([
    { txid: theirs.txid, branch: theirs.branch },
  ]);
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
  it('LOCK_TIMEOUT for a row that a prepared branch holds', async () => {
    const resource = await open({ lockWaitMs: 100 });
    const first = prepareCall(raise);
    await resource.prepare(first);
    expect(await resource.prepare(prepareCall(raise))).toMatchObject({
      vote: 'abort',
      reason: { code: 'LOCK_TIMEOUT', retryable: true },
    });
    await resource.commit(refOf(first));
    expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
  });

  it('DEADLOCK for one of two branches that wait for each other', async () => {
    const resource = await open({ isolation: 'read committed', lockWaitMs: 20_000 });
    const [a, b] = [new Stop(), new Stop()];
    const crossing = (own: number, other: number, stop: Stop) =>
      prepareCall<Work>(async (sql) => {
        const text = 'UPDATE account SET balance = balance + 1 WHERE id = $1';
        await sql.query(text, [own]);
        await stop.here();
        await sql.query(text, [other]);
      });
    const both = [resource.prepare(crossing(1, 2, a)), resource.prepare(crossing(2, 1, b))];
    await Promise.all([a.reached, b.reached]);
    a.goOn();
    b.goOn();
    // The other one waits for nothing any more once the first is chosen.
    const votes = await Promise.all(both);
    expect(votes.map((each) => each.vote).sort()).toEqual(['abort', 'commit']);
    const refused = votes.find((each) => each.vote === 'abort');
    expect(refused).toMatchObject({ reason: { code: 'DEADLOCK', retryable: true } });
  });

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

  it('readonly holds nothing and leaves nothing, even where it wrote', async () => {
    const resource = await open();
    const reads = prepareCall<Work>(async (sql) => {
      await sql.query('SELECT * FROM account FOR SHARE');
      return 'readonly';
    });
    expect(await resource.prepare(reads)).toEqual({ vote: 'readonly' });
    const writes = prepareCall<Work>((sql) => raise(sql).then(() => 'readonly'));
    expect(await resource.prepare(writes)).toEqual({ vote: 'readonly' });
    expect(await prepared()).toEqual([]);
    expect(await balance()).toBe(100);
    expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
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
    const second = (): ReturnType<TestResource['prepare']> =>
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
