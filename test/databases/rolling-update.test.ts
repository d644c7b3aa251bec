/**
 * Several processes of one service over one database, replaced under load: by SIGTERM, by kill -9,
 * and by kill -9 with the journal lost. No one sees more than aborts that a retry mends, both sides
 * of everything agree, and nothing is left to anybody.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { type ReplicaSettings, startReplica } from '../support/participants/replica.ts';
import { type Child, eventually } from '../support/process/child.ts';
import { mariadbMissing, startMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';

const accounts = 40;
const loops = 4;
const options = { patienceMs: 1_000, queryTimeoutMs: 500, retryDelayMs: 20, maxRetryDelayMs: 200 };

interface Database extends Pick<ReplicaSettings, 'kind' | 'connection'> {
  readonly name: string;
  rows<Row>(text: string): Promise<readonly Row[]>;
  prepared(): Promise<readonly unknown[]>;
}

/** Orders without end, until it is told to stop. */
class Load {
  readonly committed: string[] = [];
  /** Of aborts that no retry mends, and of calls that brought no answer. */
  readonly bad: string[] = [];
  readonly #loops: readonly Promise<void>[];
  #stopping = false;

  constructor(client: Client, name: string) {
    this.#loops = Array.from({ length: loops }, (_, index) => this.#loop(client, name, index));
  }

  async #loop(client: Client, name: string, index: number): Promise<void> {
    for (let count = index; !this.#stopping; count += loops) {
      const branches = [
        { participant: name, payload: { account: count % accounts } },
        { participant: 'shipping', payload: null },
      ];
      try {
        const outcome = await client.transact({ branches });
        if (outcome.outcome === 'committed') this.committed.push(outcome.txid);
        else if (!outcome.reason.retryable) this.bad.push(JSON.stringify(outcome.reason));
      } catch (error) {
        this.bad.push(String(error));
      }
    }
  }

  /** Resolves when `count` more have committed from now on. */
  more(count: number): Promise<true> {
    const wanted = this.committed.length + count;
    return eventually(
      async () => (this.committed.length >= wanted ? true : null),
      () => `${wanted} commits; there are ${this.committed.length}, and ${this.bad.join('\n')}`,
      60_000,
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
  }
}

async function rollingUpdate(database: Database, between: number): Promise<void> {
  const { kind, connection, name } = database;
  const directory = temporaryDirectory();
  const node = await NodeProcess.started({
    data: join(directory.path, 'node'),
    options: quickOptions,
  });
  const shipped = new Set<string>();
  const shipping = await serveParticipant({
    name: 'shipping',
    urls: [node.url],
    dataDirectory: join(directory.path, 'shipping'),
    logger: silentLogger,
    prepare: () => vote.commit(),
    commit: ({ txid }) => void shipped.add(txid),
    rollback: () => undefined,
  });
  const client = await connect({ urls: [node.url] });
  const all: Child[] = [];
  const start = async (data: string): Promise<Child> => {
    const settings = {
      kind,
      connection,
      name,
      url: node.url,
      data: join(directory.path, data),
      options,
    };
    const replica = await startReplica(settings);
    all.push(replica);
    return replica;
  };
  try {
    const [a, b, c] = [await start('a'), await start('b'), await start('c')];
    await shipping.connected();
    const load = new Load(client, name);
    await load.more(between);
    // A rolling update: the new one first, then the old one goes.
    await start('d');
    await load.more(between);
    await a.stop();
    await load.more(between);
    // On its own journal again.
    await start('a');
    await b.kill();
    await load.more(between);
    await start('b');
    await load.more(between);
    // And one that never comes back.
    await c.kill();
    rmSync(join(directory.path, 'c'), { recursive: true });
    await start('e');
    await load.more(between);
    await load.stop();

    expect(load.bad).toEqual([]);
    await eventually(
      async () => ((await database.prepared()).length === 0 ? true : null),
      () => 'all that is prepared to end',
    );
    const booked = await database.rows<{ txid: string }>('SELECT txid FROM booking');
    const expected = [...load.committed].sort();
    expect(booked.map(({ txid }) => txid).sort()).toEqual(expected);
    await eventually(
      async () => (shipped.size === expected.length ? true : null),
      () => `${expected.length} to be shipped`,
    );
    expect([...shipped].sort()).toEqual(expected);
    const [sum] = await database.rows<{ sum: string | number }>(
      'SELECT SUM(balance) AS sum FROM account',
    );
    expect(Number(sum?.sum)).toBe(-expected.length);
    // Nothing is owed without an operator.
    for (const txid of expected.slice(-between * 6)) {
      await eventually(
        async () => ((await client.status(txid)).state === 'COMMITTED' ? true : null),
        () => `${txid} to be done everywhere`,
      );
    }
    const alarms = all.flatMap(({ lines }) => lines.filter((line) => line.includes('"alarm"')));
    expect(alarms).toEqual([]);
  } finally {
    await client.close();
    await shipping.close({ timeoutMs: 100 });
    for (const replica of all) await replica.kill();
    await node.kill();
    directory.remove();
  }
}

describe('processes of one service over one database, replaced under load', () => {
  it('PostgreSQL', { timeout: 180_000 }, async () => {
    const postgresql = await startPostgresql();
    const connection = await postgresql.database(`
      CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
      INSERT INTO account SELECT id, 0 FROM generate_series(0, ${accounts - 1}) AS id;
      CREATE TABLE booking (txid text PRIMARY KEY, account int NOT NULL)`);
    try {
      const rows = <Row>(text: string): Promise<Row[]> =>
        postgresql.query(connection, text) as Promise<Row[]>;
      await rollingUpdate(
        {
          kind: 'postgresql',
          name: 'payment',
          connection,
          rows,
          prepared: () => rows('SELECT gid FROM pg_prepared_xacts'),
        },
        60,
      );
    } finally {
      await postgresql.dispose();
    }
  });

  it('MariaDB', { timeout: 180_000 }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    const mariadb = await startMariadb();
    const connection = await mariadb.database([
      'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
      `INSERT INTO account VALUES ${Array.from({ length: accounts }, (_, id) => `(${id}, 0)`).join(', ')}`,
      'CREATE TABLE booking (txid VARCHAR(64) PRIMARY KEY, account INT NOT NULL)',
    ]);
    try {
      const rows = <Row>(text: string): Promise<Row[]> => mariadb.query<Row>(connection, text);
      await rollingUpdate(
        {
          kind: 'mariadb',
          name: 'payment',
          connection,
          rows,
          prepared: () => rows('XA RECOVER'),
        },
        25,
      );
    } finally {
      await mariadb.dispose();
    }
  });
});
