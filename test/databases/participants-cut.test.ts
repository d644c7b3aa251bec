/**
 * Participants over PostgreSQL and MariaDB, two instances of each, while the connections to the
 * databases and to the node break at any message, a server is killed, and prepares fail in every
 * way. What clients are told holds, and both databases agree.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { DatabaseServer } from '../../cluster/databases/server.ts';
import { type Client, connect } from '../../src/client.ts';
import { openMariadbResource } from '../../src/mariadb.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import { openPostgresqlResource, type PrepareSql, type Sql } from '../../src/postgresql.ts';
import { type Told, wrongIn } from '../support/checks/told.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { breakOnAndOn, portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually, pause } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { postgresqlOfFile } from '../support/resources/postgresql.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`Without MariaDB: ${noMariadb}`);

type Name = 'bank' | 'shop';
const names: readonly Name[] = ['bank', 'shop'];
const accounts = 4;
const workers = 4;
const perWorker = 15;
const seed = 20_263;
const tables = [
  'CREATE TABLE sold (id varchar(60) NOT NULL, account int NOT NULL)',
  'CREATE TABLE account (id int PRIMARY KEY, sold int NOT NULL)',
  ...Array.from({ length: accounts }, (_, id) => `INSERT INTO account VALUES (${id}, 0)`),
];
/** PREPARE TRANSACTION takes as long as the row says. */
const slowly = [
  'CREATE TABLE slow (seconds double precision NOT NULL)',
  `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(NEW.seconds); RETURN NULL; END $$`,
  `CREATE CONSTRAINT TRIGGER late AFTER INSERT ON slow
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()`,
];

/** What becomes of a branch; all but the first two leave nothing. */
const manners = ['plain', 'slow', 'throws', 'aborts', 'reads', 'unawaited'] as const;
interface Payload {
  readonly id: string;
  readonly account: number;
  readonly manner: (typeof manners)[number];
  readonly seconds: number;
}

const postgresql = postgresqlOfFile();
const mariadb = noMariadb === null ? mariadbOfFile() : null;

function prepareWith(linger: (sql: Sql, seconds: number) => Promise<unknown>) {
  const prepare: PrepareSql<Payload, unknown> = async (sql, { payload }) => {
    const { id, account, manner, seconds } = payload;
    if (manner === 'reads') {
      await sql.query(`SELECT sold FROM account WHERE id = ${account} FOR UPDATE`);
      return vote.readonly();
    }
    const insert = `INSERT INTO sold VALUES ('${id}', ${account})`;
    const raise = `UPDATE account SET sold = sold + 1 WHERE id = ${account}`;
    if (manner === 'unawaited') {
      void sql.query(insert);
      void sql.query(raise);
      return vote.commit();
    }
    await sql.query(insert);
    await sql.query(raise);
    if (manner === 'slow') await linger(sql, seconds);
    if (manner === 'throws') throw new Error('Sold out.');
    return manner === 'aborts' ? vote.abort('Not today.') : vote.commit();
  };
  return prepare;
}

interface Bench {
  readonly clients: readonly Client[];
  readonly toDatabases: readonly TcpProxy[];
  readonly toNode: TcpProxy;
  readonly alarms: readonly string[];
  readonly inDoubt: () => number;
  readonly rows: (of: Name, text: string) => Promise<readonly Record<string, unknown>[]>;
}

async function bench(): Promise<Bench> {
  const directory = temporaryDirectory();
  const ends: (() => unknown)[] = [() => directory.remove()];
  onTestFinished(async () => {
    for (const end of ends.reverse()) await end();
  });
  const server = mariadb?.();
  const bank = await postgresql().database([...tables, ...slowly].join(';'));
  const shop =
    server === undefined
      ? await postgresql().database([...tables, ...slowly].join(';'))
      : await server.database(tables);
  const made = await NodeProcess.make({
    data: join(directory.path, 'node'),
    options: { ...quickOptions, heartbeatMs: 500 },
  });
  const toNode = await TcpProxy.started(made.port);
  // No one comes to it by another way.
  const node = made.with({ ...made.settings, advertise: `ws://${toNode.url}` });
  if (!(await node.start())) throw new Error(node.output());
  ends.push(
    () => node.stop(),
    () => toNode.close(),
  );
  const toDatabases: TcpProxy[] = [];
  const alarms: string[] = [];
  const inDoubt: (() => number)[] = [];
  const inPostgresql = prepareWith((sql, seconds) =>
    sql.query(`INSERT INTO slow VALUES (${seconds})`),
  );
  const inMariadb = prepareWith((sql, seconds) => sql.query(`SELECT sleep(${seconds})`));
  for (const [at, name] of [...names, ...names].entries()) {
    const address = name === 'bank' ? bank : shop;
    const proxy = await TcpProxy.started(address.port);
    toDatabases.push(proxy);
    const connection = { ...address, port: portOf(proxy) };
    const isolation = at < 2 ? ('read committed' as const) : ('serializable' as const);
    const common = { name, connection, isolation, logger: silentLogger };
    const resource =
      name === 'shop' && server !== undefined
        ? await openMariadbResource({ ...common, prepare: inMariadb })
        : await openPostgresqlResource({ ...common, prepare: inPostgresql });
    const participant = await serveParticipant({
      name,
      urls: [toNode.url],
      dataDirectory: join(directory.path, `${name}-${at}`),
      resource,
      logger: silentLogger,
      options: { patienceMs: 500, retryDelayMs: 20, maxRetryDelayMs: 200 },
      onAlarm: ({ alarm, message }) => alarms.push(`${name}-${at}: ${alarm}: ${message}`),
    });
    inDoubt.push(() => participant.inDoubt().length);
    ends.push(
      () => proxy.close(),
      () => resource.close(),
      () => participant.close({ timeoutMs: 2_000 }),
    );
    await participant.connected();
  }
  const clients = [0, 1].map(() => connect({ urls: [toNode.url], name: 'buyer' }));
  const both = await Promise.all(clients);
  ends.push(() => Promise.all(both.map((client) => client.close())));
  return {
    clients: both,
    toDatabases,
    toNode,
    alarms,
    inDoubt: () => inDoubt.reduce((sum, count) => sum + count(), 0),
    rows: (of, text) =>
      of === 'shop' && server !== undefined
        ? server.query(shop, text)
        : postgresql().query(of === 'bank' ? bank : shop, text),
  };
}

function drawPayload(random: Random, id: string): Payload {
  const draw = random.fraction();
  const manner = draw < 0.65 ? 'plain' : manners[Math.floor(random.fraction() * manners.length)];
  return {
    id,
    account: Math.floor(random.fraction() * accounts),
    manner: manner ?? 'plain',
    seconds: random.fraction() * 0.5,
  };
}

type Ended = Told<Name>['ended'];

/** Any of the calls of one request that says committed is right about it. */
async function endedBy(
  calls: readonly Promise<{ outcome: string; reason?: unknown }>[],
): Promise<Ended> {
  const all = await Promise.allSettled(calls);
  const is = (ended: string) =>
    all.some((one) =>
      one.status === 'fulfilled'
        ? one.value.outcome === ended
        : ended === 'unknown' && (one.reason as { acted?: string }).acted !== 'nothing',
    );
  if (is('committed')) return 'committed';
  return is('unknown') ? 'unknown' : 'aborted';
}

async function buy(clients: readonly Client[], random: Random, id: string): Promise<Told<Name>> {
  const payloads = names.map((name) => ({ participant: name, payload: drawPayload(random, id) }));
  const wrote = names.filter((_, at) => payloads[at]?.payload.manner !== 'reads');
  const [client = clients[0] as Client, other = client] =
    random.fraction() < 0.5 ? clients : [...clients].reverse();
  const timeoutMs = random.fraction() < 0.3 ? 100 + Math.floor(random.fraction() * 400) : 3_000;
  const retry = { maxAttempts: 4 };
  const draw = random.fraction();
  if (draw < 0.3) {
    const work = client.run(
      async (tx) => {
        for (const branch of payloads) await tx.enlist(branch);
      },
      { timeoutMs: 15_000, maxAttempts: 4, transaction: { timeoutMs } },
    );
    return { id, wrote, ended: await endedBy([work]) };
  }
  const asked = { requestId: id, timeoutMs, branches: payloads };
  const calls = [client.transact(asked, { timeoutMs: 15_000, retry })];
  if (draw > 0.8) {
    await pause(random.fraction() * 50);
    calls.push(other.transact(asked, { timeoutMs: 15_000, retry }));
  }
  return { id, wrote, ended: await endedBy(calls) };
}

async function restarted(server: DatabaseServer | undefined): Promise<void> {
  if (server === undefined) return;
  await server.kill();
  await pause(200);
  await server.start();
}

it(
  'no broken connection, killed server or failing prepare makes half of a transaction',
  async () => {
    const random = seededRandom(seed);
    const { clients, toDatabases, toNode, alarms, inDoubt, rows } = await bench();
    let over = false;
    const breaking = breakOnAndOn(toDatabases, random, () => over);
    const breakingNode = (async () => {
      while (!over) {
        await pause(500 + random.fraction() * 1_000);
        toNode.cut();
      }
    })();
    const told: Told<Name>[] = [];
    const servers = [postgresql().server, mariadb?.().server];
    let restarting: Promise<unknown> = Promise.resolve();
    await Promise.all(
      Array.from({ length: workers }, async (_, worker) => {
        for (let turn = 0; turn < perWorker; turn += 1) {
          if (worker === 0 && turn > 0 && turn % Math.ceil(perWorker / 3) === 0) {
            const server = servers.shift();
            restarting = restarting.then(() => restarted(server));
          }
          told.push(await buy(clients, random, `${worker}-${turn}`));
        }
      }),
    );
    await restarting;
    over = true;
    const broken = await breaking;
    await breakingNode;
    let left: readonly string[] = [];
    await eventually(
      async () => {
        const here = await rows('bank', 'SELECT gid AS id FROM pg_prepared_xacts');
        const there = mariadb === null ? [] : await rows('shop', 'XA RECOVER');
        left = [...here, ...there].map((row) => JSON.stringify(row));
        return left.length === 0 && inDoubt() === 0 ? true : null;
      },
      () => `nothing to be prepared or in doubt; there is ${left.join(', ')}; ${inDoubt()}`,
      30_000,
    );
    const idsOf = async (name: Name) =>
      (await rows(name, 'SELECT id FROM sold')).map(({ id }) => String(id));
    const ended = (how: Ended) => told.filter((one) => one.ended === how).length;
    expect(wrongIn(told, { bank: await idsOf('bank'), shop: await idsOf('shop') })).toEqual([]);
    for (const name of names) {
      const unequal = await rows(
        name,
        `SELECT id, sold, (SELECT count(*) FROM sold WHERE account = account.id) AS sales
         FROM account WHERE sold <> (SELECT count(*) FROM sold WHERE account = account.id)`,
      );
      expect(unequal).toEqual([]);
    }
    expect(alarms).toEqual([]);
    expect(broken).toBeGreaterThan(10);
    expect(ended('committed')).toBeGreaterThan(told.length / 5);
  },
  240_000 * slownessFactor,
);
