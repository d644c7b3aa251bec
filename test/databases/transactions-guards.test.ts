/** A row that a run locks in one database guards what it writes in others, until that is there. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openTransactions } from '../../src/embedded.ts';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import {
  type Isolation,
  postgresql as postgresqlDatabase,
  type Sql,
} from '../../src/postgresql.ts';
import { startTestCoordinator } from '../../src/testing.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { eventually, pause } from '../support/process/child.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);
const tables = ['CREATE TABLE item (id int PRIMARY KEY)', 'INSERT INTO item VALUES (1)'];
const insert = 'INSERT INTO item VALUES (2)';
const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

interface Guarding {
  readonly what: string;
  readonly on: 'PostgreSQL' | 'MariaDB';
  /** Takes the lock, in `guards`. */
  readonly lock: string;
  /** Fails at once where it is held. */
  readonly look: string;
  readonly isolation?: Isolation;
  /** When all have prepared: the caller gives the run up, too late, or the connection breaks. */
  readonly after?: 'given up' | 'cut off';
}

const lock = 'SELECT id FROM item WHERE id = 1 FOR UPDATE';
const look = `${lock} NOWAIT`;
const cases: readonly Guarding[] = [
  { what: 'a row', on: 'PostgreSQL', lock, look },
  { what: 'a row, cut off', on: 'PostgreSQL', lock, look, after: 'cut off' },
  {
    what: 'a lock of the application',
    on: 'PostgreSQL',
    lock: 'SELECT pg_advisory_xact_lock(1)',
    look: 'SELECT 1 / pg_try_advisory_xact_lock(1)::int',
  },
  {
    what: 'a table',
    on: 'PostgreSQL',
    lock: 'LOCK TABLE item IN SHARE MODE',
    look: 'BEGIN; LOCK TABLE item IN ROW EXCLUSIVE MODE NOWAIT; COMMIT',
  },
  { what: 'a row', on: 'MariaDB', lock, look },
  { what: 'a row, cut off', on: 'MariaDB', lock, look, after: 'cut off' },
  {
    what: 'a row that is read, given up too late',
    on: 'MariaDB',
    lock: 'SELECT id FROM item WHERE id = 1',
    look,
    isolation: 'serializable',
    after: 'given up',
  },
];
const all = cases.flatMap((one) =>
  (['this process', 'nodes'] as const).map((decider) => ({ ...one, decider })),
);

it.each(all.filter(({ on }) => on === 'PostgreSQL' || mariadb !== null))(
  'on $on $what, decided by $decider',
  async ({ on, lock: takes, look: looks, isolation = 'read committed', after, decider }) => {
    const server = mariadb?.();
    const directory = temporaryDirectory();
    const coordinator = decider === 'nodes' ? await startTestCoordinator() : null;
    const setup = tables.join(';');
    const [first, second] = [
      await postgresql().database(setup),
      await postgresql().database(setup),
    ];
    const guards =
      on === 'MariaDB' && server !== undefined
        ? await server.database(tables)
        : await postgresql().database(setup);
    const proxy = await TcpProxy.started(second.port);
    const toGuards = await TcpProxy.started(guards.port);
    const given = new AbortController();
    const ofGuards = { ...guards, isolation, port: portOf(toGuards) };
    const prepared = new Set<string | undefined>();
    const db = await openTransactions({
      directory: join(directory.path, 'verdict'),
      databases: {
        first: postgresqlDatabase(first),
        second: postgresqlDatabase({ ...second, port: portOf(proxy) }),
        guards: on === 'MariaDB' ? mariadbDatabase(ofGuards) : postgresqlDatabase(ofGuards),
      },
      logger: silentLogger,
      reached: (point, name) => {
        if (point === 'prepared') prepared.add(name);
        if (after === 'given up' && prepared.size === 2) given.abort();
      },
      ...(coordinator !== null && { urls: coordinator.urls }),
    });
    onTestFinished(async () => {
      proxy.release();
      await db.close();
      await proxy.close();
      await toGuards.close();
      await coordinator?.close();
      directory.remove();
    });
    const isHeld = (): Promise<boolean> => {
      const looked =
        on === 'MariaDB' && server !== undefined
          ? server.query(guards, looks)
          : postgresql().query(guards, looks);
      return looked.then(
        () => false,
        () => true,
      );
    };
    proxy.rule = (direction, bytes) =>
      direction === 'request' && bytes.includes('COMMIT PREPARED') ? 'hold' : 'pass';
    const work = async (databases: Readonly<Record<'first' | 'second' | 'guards', Sql>>) => {
      await databases.guards.query(takes);
      await databases.first.query(insert);
      await databases.second.query(insert);
    };
    const running = db.run(work, { signal: given.signal, answer: 'decided' });
    await eventually(
      () => (proxy.holds('COMMIT PREPARED') ? true : null),
      () => 'the commit to be on its way',
    );
    await running;
    if (after === 'cut off') toGuards.cut();
    // Far longer than a commit takes.
    await pause(200);
    expect(await isHeld()).toBe(true);
    proxy.release();
    await eventually(
      async () => ((await isHeld()) ? null : true),
      () => 'the lock to be free',
    );
    expect(await postgresql().query(second, 'SELECT id FROM item')).toHaveLength(2);
  },
);
