/**
 * MariaDB numbers its sessions from 1 again after a restart: a branch whose server was restarted
 * behind a silent connection has a number that is another session's now.
 */
import mysql from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { openMariadbResource } from '../../src/mariadb.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { mariadbForEach, mariadbMissing } from '../support/resources/mariadb.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';
import { portOf, raise, runWork, type Work } from './sql-resource.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, numbers of MariaDB's sessions: ${missing}`);

/** So many sessions before the branch's: after the restart some are there before the test's. */
const sessionsBefore = 50;

describe.skipIf(missing !== null)(
  'a branch that is given up after its server was restarted',
  () => {
    const at = mariadbForEach([
      'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
      'INSERT INTO account VALUES (1, 100)',
    ]);
    const connect = async (): Promise<mysql.Connection> => {
      const connection = await mysql.createConnection({ ...at.connection });
      connection.on('error', () => undefined);
      return connection;
    };

    it('ends no session that has its number now', async () => {
      for (let at = 0; at < sessionsBefore; at += 1) await (await connect()).end();
      const proxy = await TcpProxy.started(at.connection.port);
      const resource = await openMariadbResource({
        name: at.connection.database,
        connection: { ...at.connection, port: portOf(proxy) },
        prepare: runWork,
      });
      const begun = Promise.withResolvers<number>();
      const given = new AbortController();
      const call = prepareCall<Work>(
        async (sql) => {
          await raise(sql);
          const { rows } = await sql.query<{ id: number }>('SELECT CONNECTION_ID() AS id');
          proxy.losesEnds = true;
          proxy.rule = (direction) => (direction === 'request' ? 'lose-replies' : 'pass');
          begun.resolve(Number(rows[0]?.id));
          await raise(sql);
        },
        { signal: given.signal },
      );
      const prepared = expect(resource.prepare(call)).rejects.toThrow();
      const id = await begun.promise;
      await at.mariadb.server.kill();
      await at.mariadb.server.start();
      proxy.rule = null;
      const others: mysql.Connection[] = [];
      while ((others.at(-1)?.threadId ?? 0) < id) others.push(await connect());
      expect(others.at(-1)?.threadId).toBe(id);
      given.abort(new Error('rolled back'));
      await prepared;
      for (const other of others) {
        await other.query('DO 0');
        await other.end();
      }
      proxy.losesEnds = false;
      proxy.cut();
      await resource.close();
      await proxy.close();
    });
  },
);
