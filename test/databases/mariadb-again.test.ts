/** A branch that is run again, before the server has heard that the session before is over. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { vote } from '../../src/participant.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';
import { portOf, type Work } from './sql-resource.ts';
import { workOnMariadb } from './work-bench.ts';

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, branches that run again on MariaDB: ${missing}`);

const quit = Buffer.from([1, 0, 0, 0, 1]);
const raise = 'UPDATE account SET balance = balance + 1 WHERE id = 1';

describe.skipIf(missing !== null)('a branch that lost to another', () => {
  const bench = workOnMariadb([
    'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
    'INSERT INTO account VALUES (1, 100)',
  ]);

  it('waits for the end of its first session', async () => {
    const { at } = bench;
    const proxy = await TcpProxy.started(at.connection.port);
    onTestFinished(() => proxy.close());
    proxy.rule = (direction, bytes) => {
      if (direction !== 'request' || !bytes.equals(quit)) return 'pass';
      proxy.rule = null;
      setTimeout(() => proxy.release(), 300);
      return 'hold';
    };
    let runs = 0;
    const resource = await bench.openWith(
      async (sql) => {
        runs += 1;
        await sql.query('SET SESSION innodb_snapshot_isolation = ON');
        await sql.query('SELECT balance FROM account');
        if (runs === 1) await at.mariadb.query(at.connection, raise);
        await sql.query(raise);
        return vote.commit();
      },
      { port: portOf(proxy), shared: true, isolation: 'repeatable read', lockWaitMs: 10_000 },
    );
    const call = prepareCall<Work>(async () => undefined);
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    expect(runs).toBe(2);
  });
});
