/**
 * A participant over a database dies by kill -9 at every named point, and right behind its client's
 * answer: alone, and with the database. Its journal has not written most of what it voted for. It
 * comes back on its data directory, asks about what the database has kept, and all agree.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connect, type TransactOutcome } from '../../src/client.ts';
import { participantCrashPoints } from '../../src/participant/crash-points.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { startReplica } from '../support/participants/replica.ts';
import { type Child, eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { type Bookings, expectBooked, mariadbBookings, postgresqlBookings } from './bookings.ts';

const accounts = 5;
const options = { patienceMs: 500, queryTimeoutMs: 500, retryDelayMs: 20, maxRetryDelayMs: 200 };
/** Past the first vote of an epoch, which the journal writes like any other's. */
const passing = 3;
const points = [...participantCrashPoints, 'answered'] as const;
const kills = [
  ...points.map((point) => ({ point, both: true })),
  // Where the database that lives on may say something else than one that recovered.
  ...(['after-vote-durable', 'after-outcome-durable', 'answered'] as const).map((point) => ({
    point,
    both: false,
  })),
];

async function killedEverywhere(database: Bookings): Promise<void> {
  const { kind, connection, server } = database;
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
    prepare: ({ payload }) =>
      payload === 'refuse' ? vote.abort('It was told to.') : vote.commit(),
    commit: ({ txid }) => void shipped.add(txid),
    rollback: () => undefined,
  });
  const client = await connect({ urls: [node.url], timeoutMs: 30_000 });
  const replicas: Child[] = [];
  const outcomes: TransactOutcome[] = [];
  /** Branches that a process found in its database without a vote in its journal. */
  const asked = (): number => replicas.flatMap(({ lines }) => lines).filter(isAsked).length;
  const start = async (): Promise<Child> => {
    const data = join(directory.path, 'payment');
    const settings = { kind, connection, name: 'payment', url: node.url, data, options };
    const replica = await startReplica(settings);
    replicas.push(replica);
    return replica;
  };
  const book = async (count: number): Promise<TransactOutcome> => {
    const account = count % accounts;
    const outcome = await client.transact({
      branches: [
        { participant: 'payment', payload: { account } },
        { participant: 'shipping', payload: account === 0 ? 'refuse' : null },
      ],
    });
    outcomes.push(outcome);
    return outcome;
  };
  try {
    await shipping.connected();
    let replica = await start();
    for (const [index, { point, both }] of kills.entries()) {
      if (point !== 'answered') await replica.ask({ crashAt: `${point}:${passing}` });
      let killed: Promise<void> | null = null;
      const died = replica.exited.then((exit) => {
        // As soon as anyone can tell: what the server had not written is gone with it.
        if (both) killed = server.kill();
        return exit;
      });
      const calls: Promise<unknown>[] = [];
      let isOver = false;
      void died.then(() => {
        isOver = true;
      });
      for (let round = 0; round < 20 && !isOver; round += 1) {
        const begun = Array.from({ length: accounts }, (_, account) => book(index + account));
        calls.push(...begun);
        if (point === 'answered' && round > 0) {
          await Promise.race(begun);
          await replica.kill();
        }
        await Promise.race([Promise.all(begun), died]);
      }
      expect(isOver, `${point} was never reached`).toBe(true);
      expect(await died, replica.lines.join('\n')).toMatchObject({ signal: 'SIGKILL' });
      if (both) {
        await killed;
        await server.start();
      }
      replica = await start();
      await Promise.all(calls);
      await eventually(
        async () => ((await book(1)).outcome === 'committed' ? true : null),
        () => `a booking that commits after ${point}`,
      );
      await eventually(
        async () => ((await database.prepared()).length === 0 ? true : null),
        () => `all that is prepared to end after ${point}:\n${replica.lines.join('\n')}`,
      );
    }

    const committed = outcomes.filter(({ outcome }) => outcome === 'committed');
    await expectBooked(
      database,
      shipped,
      committed.map(({ txid }) => txid),
    );
    const alarms = replicas.flatMap(({ lines }) => lines.filter((line) => line.includes('alarm')));
    expect(alarms).toEqual([]);
    expect(asked()).toBeGreaterThan(0);
  } finally {
    await client.close();
    await shipping.close({ timeoutMs: 100 });
    for (const replica of replicas) await replica.kill();
    await node.kill();
    directory.remove();
  }
}

function isAsked(line: string): boolean {
  return line.includes('they are asked about, and end as it was decided');
}

describe('a participant over a database, and the database, killed', () => {
  it('PostgreSQL', { timeout: 240_000 * slownessFactor }, async () => {
    await using database = await postgresqlBookings(accounts);
    await killedEverywhere(database);
  });

  it('MariaDB', { timeout: 240_000 * slownessFactor }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    await using database = await mariadbBookings(accounts);
    await killedEverywhere(database);
  });
});
