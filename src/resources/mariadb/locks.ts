/**
 * Which sessions are at work on what: named locks (GET_LOCK), which the server lets go with the
 * session, once what that was at has ended or is detached. A kill leaves prepared what is prepared.
 */
import type { Clock } from '../../ports/clock.ts';
import { marked, markOf, namePrefix } from '../sql/names.ts';
import { untilGone } from '../sql/waiting.ts';
import type { MariadbContext } from './context.ts';
import type { Statements } from './ends.ts';
import { maxSlots } from './slots.ts';

const advice = 'See SHOW PROCESSLIST, and end it.';
const unknownThread = 1094;

/**
 * An expression; a lock's name has 64 characters at most. `what` holds no quote: sql/names.ts. Not
 * SHA1: since 9.6 MySQL has that in a component that must be installed.
 */
export function lockName(what: string): string {
  return lockNameOf(`'${what}'`);
}

function lockNameOf(expression: string): string {
  return `CONCAT('verdict:', LEFT(SHA2(${expression}, 256), 40))`;
}

export function slotLock(participant: string, instance: string | undefined, slot: number): string {
  return lockName(`${slotPrefix(participant, instance)}${slot}`);
}

/** Ends another holder, and returns when only `on` holds the lock: what that was at is over. */
export function takeByForce(on: Statements, what: string, clock: Clock): Promise<void> {
  const taken = async (): Promise<boolean> => {
    const rows = await on.rows(`SELECT GET_LOCK(${lockName(what)}, 0) AS taken`);
    if (rows[0]?.['taken'] === 1) return true;
    await endHolder(on, what);
    return false;
  };
  return untilGone(clock, taken, advice);
}

/** `connectionId`: only where it is this one. */
export async function endHolder(
  on: Statements,
  what: string,
  connectionId: number | null = null,
): Promise<void> {
  const holder = await holderOf(on, what);
  if (holder !== null && holder === (connectionId ?? holder)) await kill(on, holder);
}

/** The connection that has the lock; null: none. */
export async function holderOf(on: Statements, what: string): Promise<number | null> {
  const [row] = await on.rows(`SELECT IS_USED_LOCK(${lockName(what)}) AS holder`);
  const holder: unknown = row?.['holder'];
  return holder === null || holder === undefined ? null : Number(holder);
}

function slotPrefix(participant: string, instance: string | undefined): string {
  return marked(`${namePrefix(participant)}slot`, `${markOf(instance)}:`);
}

/** Ends all sessions at work for this instance, and returns when they are gone. */
export function endSlotHolders(
  { ends, name, clock }: MariadbContext,
  instance: string | undefined,
): Promise<void> {
  const prefix = slotPrefix(name, instance);
  const gone = async (on: Statements): Promise<boolean> => {
    const rows = await on.rows(
      `WITH RECURSIVE slots (slot) AS (SELECT 0 UNION ALL SELECT slot + 1 FROM slots WHERE slot < ${maxSlots - 1})
       SELECT holder FROM (
         SELECT IS_USED_LOCK(${lockNameOf(`CONCAT('${prefix}', slot)`)}) AS holder
         FROM slots) AS held WHERE holder IS NOT NULL`,
    );
    for (const row of rows) await kill(on, Number(row['holder']));
    return rows.length === 0;
  };
  return untilGone(clock, () => ends.together(gone), advice);
}

/**
 * `on`: a connection on which the id was read (!). A server that was restarted since gives it to
 * another's.
 */
async function kill(on: Statements, connectionId: number): Promise<void> {
  try {
    await on.write(`KILL CONNECTION ${connectionId}`);
  } catch (error) {
    if ((error as { errno?: unknown }).errno !== unknownThread) throw error;
  }
}
