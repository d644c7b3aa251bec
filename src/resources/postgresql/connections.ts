/**
 * Two pools: prepares that wait for locks may take every connection of theirs, and the commits that
 * would release these locks must not wait behind them.
 */
import type pg from 'pg';
import { CheckedPool } from './checked-pool.ts';
import type { PostgresqlConnection } from './connection-options.ts';

/** Enough for commits, which are short; each is one connection. */
const maxEndSessions = 4;
/** No limit to a decided outcome, only to one attempt: a server that vanished answers none. */
const endQueryTimeoutMs = 30_000;

export interface PostgresqlPools {
  readonly work: pg.Pool;
  readonly ends: pg.Pool;
  close(): Promise<void>;
}

export function openPools(
  connection: PostgresqlConnection,
  limits: { readonly maxSessions: number; readonly sessionWaitMs: number; readonly name: string },
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
  for (const pool of [work, ends]) {
    // A connection that breaks, idle or in use, says so by an event that would end the process. What was under way on
    // it rejects, and the next one gets another.
    pool.on('connect', (client) => client.on('error', ignore));
    pool.on('error', ignore);
  }
  return {
    work,
    ends,
    close: async () => {
      await Promise.all([work.end(), ends.end()]);
    },
  };
}

function ignore(): void {}
