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
import { startReplica } from '../support/participants/replica.ts';
import { type Child, eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { type Bookings, expectBooked, mariadbBookings, postgresqlBookings } from './bookings.ts';

const accounts = 40;
const loops = 4;
const options = { patienceMs: 1_000, queryTimeoutMs: 500, retryDelayMs: 20, maxRetryDelayMs: 200 };

/** Orders without end, until it is told to stop. */
class Load {
  readonly committed: string[] = [];
  /** Of aborts that no retry mends, and of calls that brought no answer. */
  readonly bad: string[] = [];
  readonly #loops: readonly Promise<void>[];
  #stopping = false;

  constructor(client: Client) {
    this.#loops = Array.from({ length: loops }, (_, index) => this.#loop(client, index));
  }

  async #loop(client: Client, index: number): Promise<void> {
    for (let count = index; !this.#stopping; count += loops) {
      const branches = [
        { participant: 'payment', payload: { account: count % accounts } },
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

async function rollingUpdate(database: Bookings, between: number): Promise<void> {
  const { kind, connection } = database;
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
      name: 'payment',
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
    const load = new Load(client);
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
    await expectBooked(database, shipped, load.committed);
    // Nothing is owed without an operator.
    for (const txid of [...load.committed].sort().slice(-between * 6)) {
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
  it('PostgreSQL', { timeout: 180_000 * slownessFactor }, async () => {
    await using database = await postgresqlBookings(accounts);
    await rollingUpdate(database, 60);
  });

  it('MariaDB', { timeout: 180_000 * slownessFactor }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    await using database = await mariadbBookings(accounts);
    await rollingUpdate(database, 25);
  });
});
