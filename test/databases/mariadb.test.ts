/**
 * What sql-resource.ts asks, and what is MariaDB's own: other hands, sessions that live on,
 * settings.
 */
import { int, mysqlTable } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import { MysqlDialect } from 'kysely';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ormClient } from '../../src/mariadb.ts';
import { Ends } from '../../src/resources/mariadb/ends.ts';
import { xidOf } from '../../src/resources/mariadb/xid.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { mariadbMissing, onMysql } from '../support/resources/mariadb.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { ormWork } from './orm.ts';
import { mariadbHandles } from './orm-handles.ts';
import { drizzleOn, kyselyOn } from './orm-libraries.ts';
import { outcomeRows } from './outcome-rows.ts';
import {
  portOf,
  raise,
  runWork,
  sqlResource,
  type Work,
  type WorkResource,
} from './sql-resource.ts';
import { swallowed } from './swallowed.ts';
import { heard, waits } from './waits.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, MariaDB's resource: ${missing}`);

describe.skipIf(missing !== null)('MariaDB', () => {
  const bench = workOnMariadb([
    'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
    'INSERT INTO account VALUES (1, 100), (2, 100)',
  ]);
  const { at, balance } = bench;

  const open = (more?: Parameters<typeof bench.openWith>[1]): Promise<WorkResource> =>
    bench.openWith(runWork, more);

  async function prepared(): Promise<{ readonly data: string }[]> {
    const rows = await at.mariadb.query<{ data: Buffer }>(at.connection, 'XA RECOVER');
    return rows
      .map(({ data }) => ({ data: data.toString() }))
      .filter(({ data }) => data.includes(at.connection.database));
  }

  async function byHand(verb: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const data = (await prepared())[0]?.data ?? '';
    const gtrid = data.slice(0, data.length - `${at.connection.database}:ledger`.length);
    const bqual = data.slice(gtrid.length);
    await expect
      .poll(() =>
        at.mariadb.query(at.connection, `XA ${verb} '${gtrid}','${bqual}',${0x56_44_43_54}`).then(
          () => 'done',
          (error: Error) => error.message,
        ),
      )
      .toBe('done');
  }

  describe.each([
    ['that may see all', ''],
    ['that may see only its own', 'low'],
  ])('an account %s', (_what, user) => {
    const low = () => ({ ...at.connection, user: user === '' ? at.connection.user : user });
    beforeEach(async () => {
      if (user === '') return;
      const { database } = at.connection;
      for (const text of [
        `CREATE USER IF NOT EXISTS ${user}@'127.0.0.1'`,
        `GRANT ALL ON ${database}.* TO ${user}@'127.0.0.1'`,
        ...(onMysql ? [`GRANT XA_RECOVER_ADMIN ON *.* TO ${user}@'127.0.0.1'`] : []),
      ])
        await at.mariadb.query(at.connection, text);
    });
    waits({
      open: (more) => open({ ...more, connection: low() }),
      run: (text) => at.mariadb.query(low(), text),
      tellsApart: false,
    });

    it('a short statement that is met at each look, and is another one each time, is no news', async () => {
      const { logger, warnings } = heard();
      const resource = await open({ logger, connection: low() });
      const call = prepareCall(raise);
      expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      const connection = await mysql.createConnection(low());
      onTestFinished(() => connection.end());
      const untilMs = performance.now() + 4_000;
      while (performance.now() < untilMs) await connection.query('SELECT SLEEP(0.3)');
      expect(warnings).toEqual([]);
      await resource.commit(refOf(call));
    });
  });

  swallowed({
    open,
    port: () => at.connection.port,
    free: () =>
      at.mariadb.query(at.connection, 'SELECT 1 FROM account WHERE id = 1 FOR UPDATE NOWAIT'),
  });

  outcomeRows({
    open,
    otherName: () => `${at.connection.database}-other`,
    rows: async () => {
      const text = `SELECT name FROM verdict_branches WHERE name <> 'identity'`;
      return (await at.mariadb.query<{ name: string }>(at.connection, text)).map(
        ({ name }) => name,
      );
    },
    age: async (txid, days) => {
      const text =
        'UPDATE verdict_branches SET seen_at = UTC_TIMESTAMP() - INTERVAL ? DAY WHERE name LIKE ?';
      await at.mariadb.query(at.connection, text, [days, `%${txid}%`]);
    },
  });

  sqlResource({
    ...bench,
    open,
    otherName: () => `${at.connection.database}-other`,
    port: () => at.connection.port,
    prepared,
    // Until then, the first reply would be XAER_NOTA.
    sessionEnded: async (txid) => {
      const lock = `CONCAT('verdict:', LEFT(SHA2('verdict:${at.connection.database}:${txid}:ledger', 256), 40))`;
      await expect
        .poll(() => at.mariadb.query(at.connection, `SELECT IS_USED_LOCK(${lock}) AS holder`))
        .toEqual([{ holder: null }]);
    },
    words: { prepare: 'XA PREPARE', commit: 'XA COMMIT', rollback: 'XA ROLLBACK' },
    lost: /closed|lost|reset/i,
    ended: /closed|lost|reset/i,
    readLocking: 'SELECT * FROM account LOCK IN SHARE MODE',
  });

  it('a branch that its session still holds is committed all the same', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    // Another process of the shared resource, stopped between XA PREPARE and the end of its
    // connection.
    const proxy = await TcpProxy.started(at.connection.port);
    const other = await open({ port: portOf(proxy), shared: true });
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

  it('XA ROLLBACK by hand: commit says so, forever, until the operator has mended it', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await byHand('ROLLBACK');
    const failed = /none of that name has committed/;
    await expect(resource.commit(refOf(call))).rejects.toThrow(failed);
    await expect(resource.commit(refOf(call))).rejects.toThrow(failed);
    const name = `verdict:${at.connection.database}:${call.txid}:ledger`;
    await at.mariadb.query(at.connection, 'INSERT INTO verdict_branches (name) VALUES (?)', [name]);
    await resource.commit(refOf(call));
  });

  it('XA COMMIT by hand: a commit finds it done, a rollback says that it cannot be', async () => {
    const resource = await open();
    const call = prepareCall(raise);
    await resource.prepare(call);
    await byHand('COMMIT');
    await expect(resource.rollback(refOf(call))).rejects.toThrow(/someone ran XA COMMIT by hand/);
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it('waits for no server that went silent: each statement has its limit, and the next one another connection', async () => {
    const proxy = await TcpProxy.started(at.connection.port);
    const ends = new Ends(
      { ...at.connection, port: portOf(proxy) },
      { timeoutMs: 2_000, trustedMs: 60_000 },
    );
    const one = (value: number) => ends.rows<RowDataPacket>('SELECT ? AS value', [value]);
    expect(await one(1)).toEqual([{ value: 1 }]);
    // Connections enough, which are there when the server goes silent.
    await Promise.all([one(1), one(2), one(3)]);
    const silence = (): void => {
      proxy.rule = (direction) => (direction === 'request' ? 'lose-replies' : 'pass');
    };
    const silent = { code: 'PROTOCOL_SEQUENCE_TIMEOUT' };
    silence();
    await expect(one(2)).rejects.toMatchObject(silent);
    silence();
    await expect(ends.together((on) => on.rows('SELECT 3'))).rejects.toMatchObject(silent);
    // More than there are connections: none of those that wait for an answer is used again.
    for (let value = 4; value < 12; value += 1) expect(await one(value)).toEqual([{ value }]);
    await ends.end();
    await proxy.close();
  });

  describe('a service that ends its transaction: nothing is committed, and prepare names the statement', () => {
    it.each([
      ['/* x */ COMMIT'],
      ['-- x\nROLLBACK'],
      ['begin'],
      ['SET autocommit = 0, @x = 1; COMMIT'],
      ['CREATE TABLE another (id int)'],
      // MariaDB's own.
      ...(onMysql ? [] : [["EXECUTE IMMEDIATE 'COMMIT'"]]),
    ])('%s', async (text) => {
      const uri = `mysql://${at.connection.user}@127.0.0.1:${at.connection.port}/${at.connection.database}?multipleStatements=true`;
      const resource = await open({ connection: { uri } });
      const call = prepareCall<Work>(async (sql) => {
        await raise(sql);
        await sql.query(text).catch(() => undefined);
        await raise(sql).catch(() => undefined);
      });
      if (text.includes(';')) expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
      else {
        const error = await Promise.resolve(resource.prepare(call)).catch(
          (thrown: Error) => thrown.message,
        );
        expect(error).toContain('neither begins nor ends');
        expect(error).toContain(text.replace('\n', ' '));
      }
      await resource.rollback(refOf(call));
      expect(await prepared()).toEqual([]);
      expect(await balance()).toBe(100);
    });

    it('by the XA id of the branch: it cannot be undone, but nothing follows, and it is said', async () => {
      const resource = await open();
      const call = prepareCall<Work>(async (sql) => {
        await raise(sql);
        const xid = xidOf(at.connection.database, call)?.text;
        await sql.query(`XA END ${xid}`).catch(() => undefined);
        await sql.query(`XA COMMIT ${xid} ONE PHASE`).catch(() => undefined);
        await raise(sql).catch(() => undefined);
      });
      await expect(resource.prepare(call)).rejects.toThrow(
        /XA COMMIT .*ended it.*may be committed/,
      );
      expect(await balance()).toBe(101);
    });
  });

  describe('libraries with transactions of their own', () => {
    const account = mysqlTable('account', {
      id: int('id').primaryKey(),
      balance: int('balance').notNull(),
    });
    ormWork({
      ...bench,
      open,
      libraries: {
        Kysely: kyselyOn((sql) => new MysqlDialect({ pool: ormClient(sql) })),
        Drizzle: drizzleOn((sql) => drizzle({ client: ormClient(sql) }), account),
        ...mariadbHandles,
      },
    });
  });

  it('a file of the client’s: refused at once, and the session goes on', async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      const load = sql.query("LOAD DATA LOCAL INFILE '/etc/hosts' INTO TABLE account");
      await expect(load).rejects.toThrow();
      await raise(sql);
    });
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it("savepoints are the service's own", async () => {
    const resource = await open();
    const call = prepareCall<Work>(async (sql) => {
      await sql.query('SAVEPOINT one');
      await sql.query({ sql: 'UPDATE account SET balance = ?', values: [7] });
      await sql.query('ROLLBACK TO one');
      await raise(sql);
      await sql.query('RELEASE SAVEPOINT one');
    });
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    expect(await balance()).toBe(101);
  });

  it('sets what it needs of a session, whatever the server has as its default', async () => {
    await at.mariadb.query(at.connection, 'SET GLOBAL autocommit = 0, GLOBAL completion_type = 1');
    try {
      const resource = await open();
      for (const round of [1, 2]) {
        const call = prepareCall(raise);
        expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
        await resource.commit(refOf(call));
        expect(await balance()).toBe(100 + round);
        const undone = prepareCall(raise);
        expect(await resource.prepare(undone)).toEqual({ vote: 'commit' });
        await resource.rollback(refOf(undone));
      }
      const open_ = `SELECT 1 FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST
                      ON ID = trx_mysql_thread_id WHERE DB = DATABASE() AND ID <> CONNECTION_ID()`;
      expect(await at.mariadb.query(at.connection, open_)).toEqual([]);
    } finally {
      await at.mariadb.query(
        at.connection,
        'SET GLOBAL autocommit = 1, GLOBAL completion_type = 0',
      );
    }
  });

  it('prepares nothing on a server that would forget it, and says what to do', async () => {
    await at.mariadb.query(at.connection, 'SET GLOBAL innodb_flush_log_at_trx_commit = 2');
    try {
      await expect(open()).rejects.toThrow(/innodb_flush_log_at_trx_commit .* Set it to 1/);
    } finally {
      await at.mariadb.query(at.connection, 'SET GLOBAL innodb_flush_log_at_trx_commit = 1');
    }
  });
});
