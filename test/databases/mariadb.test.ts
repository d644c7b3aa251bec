/** What the contract does not ask: lost replies, other sessions, other hands, and what MariaDB refuses. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MariadbAddress } from '../../cluster/databases/mariadb-server.ts';
import {
  type MariadbResourceOptions,
  openMariadbResource,
  type Sql,
  type SqlResource,
} from '../../src/mariadb.ts';
import { vote } from '../../src/participant.ts';
import { mariadbMissing, startMariadb, type TestMariadb } from '../support/mariadb.ts';
import { prepareCall, refOf, Stop } from '../support/sql-calls.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

type Work = (sql: Sql) => Promise<unknown>;
type TestResource = SqlResource<Work, unknown>;

const raise: Work = (sql) => sql.query('UPDATE account SET balance = balance + 1 WHERE id = 1');
const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, MariaDB's resource: ${missing}`);

describe.skipIf(missing !== null)('MariaDB', () => {
  let mariadb: TestMariadb;
  let connection: MariadbAddress;
  const opened: TestResource[] = [];

  beforeAll(async () => {
    mariadb = await startMariadb();
  });
  afterAll(() => mariadb.dispose());
  beforeEach(async () => {
    connection = await mariadb.database([
      'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
      'INSERT INTO account VALUES (1, 100), (2, 100)',
    ]);
  });
  afterEach(async () => {
    for (const resource of opened.splice(0)) await resource.close();
  });

  async function open(
    more: Partial<MariadbResourceOptions<Work, unknown>> = {},
  ): Promise<TestResource> {
    const resource = await openMariadbResource<Work>({
      name: connection.database,
      connection,
      prepare: async (sql, { payload }) => {
        const answer = await payload(sql);
        return answer === 'readonly' ? vote.readonly() : vote.commit();
      },
      ...more,
    });
    opened.push(resource);
    return resource;
  }

  async function balance(): Promise<number> {
    const text = 'SELECT balance FROM account WHERE id = 1';
    return (await mariadb.query<{ balance: number }>(connection, text))[0]?.balance ?? Number.NaN;
  }

  async function prepared(): Promise<{ readonly data: string }[]> {
    const rows = await mariadb.query<{ data: Buffer }>(connection, 'XA RECOVER');
    return rows
      .map(({ data }) => ({ data: data.toString() }))
      .filter(({ data }) => data.includes(connection.database));
  }

  function through(proxy: TcpProxy): MariadbAddress {
    return { ...connection, port: Number(proxy.url.split(':').at(-1)) };
  }

  async function byHand(verb: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const data = (await prepared())[0]?.data ?? '';
    const gtrid = data.slice(0, data.length - `${connection.database}:ledger`.length);
    const bqual = data.slice(gtrid.length);
    await expect
      .poll(() =>
        mariadb.query(connection, `XA ${verb} '${gtrid}','${bqual}',${0x56_44_43_54}`).then(
          () => 'done',
          (error: Error) => error.message,
        ),
      )
      .toBe('done');
  }

  it.each([
    ['XA COMMIT', 101],
    ['XA ROLLBACK', 100],
  ] as const)(
    '%s whose reply is lost: asked again, it is known to be done',
    async (statement, expected) => {
      const proxy = await TcpProxy.started(connection.port);
      const resource = await open({ connection: through(proxy) });
      const call = prepareCall(raise);
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      const end = (): Promise<void> =>
        Promise.resolve(
          statement === 'XA COMMIT' ? resource.commit(refOf(call)) : resource.rollback(refOf(call)),
        );
      // While the session of its prepare still lives, the first reply would be XAER_NOTA.
      const lock = `CONCAT('verdict:', SHA1('verdict:${connection.database}:${call.txid}:ledger'))`;
      await expect
        .poll(() => mariadb.query(connection, `SELECT IS_USED_LOCK(${lock}) AS holder`))
        .toEqual([{ holder: null }]);
      proxy.rule = (direction, bytes) =>
        direction === 'request' && bytes.includes(statement) ? 'lose-replies' : 'pass';
      const first = end();
      await expect.poll(prepared).toEqual([]);
      proxy.cut();
      await expect(first).rejects.toThrow(/closed|lost|reset/i);
      await end();
      await end();
      expect(await balance()).toBe(expected);
      await proxy.close();
    },
  );

  it('XA PREPARE whose reply is lost: prepare throws, and the rollback finds what was prepared', async () => {
    const proxy = await TcpProxy.started(connection.port);
    const resource = await open({ connection: through(proxy) });
    const call = prepareCall(raise);
    proxy.rule = (direction, bytes) =>
      direction === 'request' && bytes.includes('XA PREPARE') ? 'lose-replies' : 'pass';
    const first = resource.prepare(call);
    await expect.poll(prepared).toHaveLength(1);
    proxy.cut();
    await expect(first).rejects.toThrow(/closed|lost|reset/i);
    await resource.rollback(refOf(call));
    expect(await prepared()).toEqual([]);
    expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
    await proxy.close();
  });

  it('a rollback ends the session that is still preparing: the branch cannot come alive after it', async () => {
    const [first, second] = [await open({ shared: true }), await open({ shared: true })];
    const stop = new Stop();
    const call = prepareCall<Work>((sql) => raise(sql).then(() => stop.here()));
    const preparing = first.prepare(call);
    await stop.reached;
    await second.rollback(refOf(call));
    stop.goOn();
    await expect(preparing).rejects.toThrow();
    expect(await prepared()).toEqual([]);
    expect(await second.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
  });

  it('two processes may commit at once: both are told that it is done, and it is done once', async () => {
    const [first, second] = [await open({ shared: true }), await open({ shared: true })];
    for (let round = 1; round <= 10; round += 1) {
      const call = prepareCall(raise);
      expect(await first.prepare(call)).toEqual({ vote: 'commit' });
      await Promise.all([first, second, first].map((each) => each.commit(refOf(call))));
      expect(await balance()).toBe(100 + round);
    }
  });

  it('opening ends what the process before was at: inDoubt is all there is', async () => {
    const before = await open();
    const stop = new Stop();
    const preparing = before.prepare(
      prepareCall<Work>((sql) => raise(sql).then(() => stop.here())),
    );
    await stop.reached;
    const after = await open();
    stop.goOn();
    await expect(preparing).rejects.toThrow();
    expect([...((await after.inDoubt?.()) ?? [])]).toEqual([]);
    expect(await prepared()).toEqual([]);
  });

  it('a branch that its session still holds is committed all the same', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    // Another process of the shared resource, stopped between XA PREPARE and the end of its connection.
    const proxy = await TcpProxy.started(connection.port);
    const other = await open({ connection: through(proxy), shared: true });
    proxy.rule = (direction, bytes) =>
      direction === 'request' && bytes.includes('XA PREPARE') ? 'lose-replies' : 'pass';
    const preparing = other.prepare(call);
    const ended = expect(preparing).rejects.toThrow();
    await expect.poll(prepared).toHaveLength(1);
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
    proxy.cut();
    await ended;
    await proxy.close();
  });

  it('XA ROLLBACK by hand: commit says so, for ever, until the operator has mended it', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await byHand('ROLLBACK');
    const failed = /none of that name has committed/;
    await expect(resource.commit(refOf(call))).rejects.toThrow(failed);
    await expect(resource.commit(refOf(call))).rejects.toThrow(failed);
    const name = `verdict:${connection.database}:${call.txid}:ledger`;
    await mariadb.query(connection, 'INSERT INTO verdict_branches (name) VALUES (?)', [name]);
    await resource.commit(refOf(call));
  });

  it('XA COMMIT by hand: a commit finds it done, a rollback says that it cannot be', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await byHand('COMMIT');
    await expect(resource.rollback(refOf(call))).rejects.toThrow(/somebody ran XA COMMIT by hand/);
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it('votes LOCK_TIMEOUT for a row that a prepared branch holds', async () => {
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

  it('votes DEADLOCK for one of two branches that wait for each other', async () => {
    const resource = await open({ lockWaitMs: 20_000 });
    const stops = [new Stop(), new Stop()];
    const crossing = (index: 0 | 1) =>
      prepareCall<Work>(async (sql) => {
        const text = 'UPDATE account SET balance = balance + 1 WHERE id = ?';
        await sql.query(text, [index + 1]);
        await stops[index]?.here();
        await sql.query(text, [2 - index]);
      });
    const both = [resource.prepare(crossing(0)), resource.prepare(crossing(1))];
    for (const stop of stops) await stop.reached;
    for (const stop of stops) stop.goOn();
    const votes = await Promise.all(both);
    expect(votes.map((each) => each.vote).sort()).toEqual(['abort', 'commit']);
    expect(votes.find((each) => each.vote === 'abort')).toMatchObject({
      reason: { code: 'DEADLOCK', retryable: true },
    });
  });

  it('readonly holds nothing and leaves nothing, even where it wrote', async () => {
    const resource = await open();
    const call = prepareCall<Work>((sql) => raise(sql).then(() => 'readonly'));
    expect(await resource.prepare(call)).toEqual({ vote: 'readonly' });
    expect(await prepared()).toEqual([]);
    expect(await balance()).toBe(100);
    expect(await resource.prepare(prepareCall(raise))).toEqual({ vote: 'commit' });
  });

  it('prepares nothing on a server that would forget it, and says what to do', async () => {
    await mariadb.query(connection, 'SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    try {
      await expect(open()).rejects.toThrow(/innodb_flush_log_at_trx_commit .* Set it to 1/);
    } finally {
      await mariadb.query(connection, 'SET GLOBAL innodb_flush_log_at_trx_commit = 1');
    }
  });
});
