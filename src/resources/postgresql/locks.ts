/**
 * Which sessions are at work on what: advisory locks, which the server lets go with the session.
 * A session at work on a branch holds the branch's lock alone and the resource's with others. They
 * are the session's: a transaction's would stay with it, prepared, as long as it is in doubt. Keys
 * are hashes; two that collide make one wait for the other, or end its session, and no more.
 */
import type pg from 'pg';
import type { Clock } from '../../ports/clock.ts';
import { untilGone } from '../sql/waiting.ts';

/** `what` holds no quote: sql/names.ts. */
export function lockKey(what: string): string {
  return `hashtextextended('${what}', 0)`;
}

/** Ends all other holders, and returns when only `client` holds it: what they were at is over. */
export function takeByForce(client: pg.PoolClient, what: string, clock: Clock): Promise<void> {
  const taken = async (): Promise<boolean> => {
    const { rows } = await client.query<{ taken: boolean }>(
      `SELECT pg_try_advisory_lock(${lockKey(what)}) AS taken`,
    );
    if (rows[0]?.taken === true) return true;
    await endHolders(client, what);
    return false;
  };
  return untilGone(clock, taken, 'See pg_stat_activity for "verdict ..." and end it.');
}

/** `pid`: only where it is this one. */
export async function endHolders(
  client: pg.Pool | pg.PoolClient,
  what: string,
  pid: number | null = null,
): Promise<void> {
  const only = pid === null ? 'pid <> pg_backend_pid()' : `pid = ${pid}`;
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_locks
      WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((classid::bigint << 32) | objid::bigint) = ${lockKey(what)} AND ${only}`,
  );
}

/** Ends every session that holds the lock. */
export async function endByForce(pool: pg.Pool, what: string, clock: Clock): Promise<void> {
  const client = await pool.connect();
  try {
    await takeByForce(client, what, clock);
    await letGo(client);
  } finally {
    client.release();
  }
}

export async function letGo(client: pg.PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_unlock_all()');
}
