/**
 * Two pools: prepares that wait for locks may fill theirs, and must not hold up the commits that
 * release these.
 */
import pg from 'pg';
import { systemClock } from '../../system/clock.ts';
import type { SqlSettings } from '../sql/sql.ts';
import { doneWithin, type Stream, Streams } from '../sql/waiting.ts';
import type { PostgresqlConnection } from './connection-options.ts';

/** Enough for commits, which are short; each is one connection. */
const maxEndSessions = 4;
/** No limit to a decided outcome, only to one attempt: a server that vanished answers none. */
const endQueryTimeoutMs = 30_000;

/** So lately heard of, it is trusted. */
const trustedMs = 10;
/** So long it has for its answer: a round trip, whatever the server is busy with. */
const answerMs = 1_000;

export interface PostgresqlPools {
  readonly work: pg.Pool;
  readonly ends: pg.Pool;
  close(): Promise<void>;
}

type Lent = (error: Error | undefined, client: pg.PoolClient | undefined, done: () => void) => void;

/**
 * Asks a connection that has been quiet before it lends it. One that a NAT or a firewall dropped
 * takes statements and answers none, while the rows of a branch to be committed stay locked.
 */
class CheckedPool extends pg.Pool {
  readonly #heardOfAtMs = new WeakMap<pg.PoolClient, number>();

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on('release', (_error, client) => {
      this.#heardOfAtMs.set(client, systemClock.monotonicMs());
    });
  }

  // `query` of the pool comes here, too, with a callback.
  override connect(): Promise<pg.PoolClient>;
  override connect(lent: Lent): void;
  override connect(lent?: Lent): Promise<pg.PoolClient> | undefined {
    const client = this.#connect();
    if (lent === undefined) return client;
    client.then(
      (one) => lent(undefined, one, one.release as () => void),
      (error: Error) => lent(error, undefined, () => undefined),
    );
    return undefined;
  }

  async #connect(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await super.connect();
      const heardOfAtMs = this.#heardOfAtMs.get(client);
      if (heardOfAtMs === undefined) return client;
      if (systemClock.monotonicMs() - heardOfAtMs < trustedMs || (await answers(client)))
        return client;
      client.release(true);
    }
  }
}

async function answers(client: pg.PoolClient): Promise<boolean> {
  let answered = false;
  const asked = client.query('SELECT').then(() => {
    answered = true;
  });
  return (await doneWithin(systemClock, asked, answerMs)) && answered;
}

export function openPools(
  connection: PostgresqlConnection,
  limits: Pick<SqlSettings, 'maxSessions' | 'sessionWaitMs' | 'name'>,
): PostgresqlPools {
  const common = {
    ...connection,
    keepAlive: true,
    application_name: `verdict ${limits.name}`,
  } as pg.PoolConfig;
  const work = new CheckedPool({
    ...common,
    max: limits.maxSessions,
    connectionTimeoutMillis: limits.sessionWaitMs,
  });
  const ends = new CheckedPool({
    ...common,
    max: maxEndSessions,
    connectionTimeoutMillis: endQueryTimeoutMs,
    query_timeout: endQueryTimeoutMs,
  });
  const streams = new Streams();
  for (const pool of [work, ends]) {
    // A connection that breaks, idle or in use, emits an event that would end the process. What was
    // under way on it rejects, and the next one gets another.
    pool.on('connect', (client) => {
      client.on('error', ignore);
      const { connection } = client as unknown as { readonly connection: { stream: Stream } };
      streams.add(connection.stream);
    });
    pool.on('error', ignore);
  }
  return {
    work,
    ends,
    close: () => streams.endWith(systemClock, Promise.all([work.end(), ends.end()])),
  };
}

function ignore(): void {}
