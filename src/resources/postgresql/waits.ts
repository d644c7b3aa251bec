/**
 * Who waits for what this participant has prepared. A prepared transaction has no session, and its
 * locks no pid. They are found by the lock on its own transaction id, which every transaction
 * holds. Whoever waits for a row waits for that lock; whoever waits for a table, for another of
 * them.
 */
import type pg from 'pg';
import type { BranchRef } from '../../ports/resource.ts';
import type { WaitingStatement, Waits } from '../sql/lock-watch.ts';
import { branchOf, namePrefix } from '../sql/names.ts';

/** Equal as a lock's object. The first three are never the rarest: they let the server hash. */
const sameObject = `w.locktype = h.locktype AND coalesce(w.relation, 0) = coalesce(h.relation, 0)
   AND coalesce(w.transactionid::text, '') = coalesce(h.transactionid::text, '')
   AND (w.database, w.page, w.tuple, w.virtualxid, w.classid, w.objid, w.objsubid)
       IS NOT DISTINCT FROM (h.database, h.page, h.tuple, h.virtualxid, h.classid, h.objid, h.objsubid)`;

/** A reader is in the way of ACCESS EXCLUSIVE alone; SERIALIZABLE's own locks never are. */
const inTheWay = `h.mode <> 'SIReadLock' AND (h.mode <> 'AccessShareLock' OR w.mode = 'AccessExclusiveLock')`;

const waits = `
  WITH mine AS MATERIALIZED (
    SELECT gid, transaction FROM pg_prepared_xacts
     WHERE database = current_database() AND starts_with(gid, $1)
  ), locks AS MATERIALIZED (
    SELECT * FROM pg_locks WHERE EXISTS (SELECT FROM mine)
  ), held AS (
    SELECT mine.gid, one.* FROM mine
      JOIN locks own ON own.transactionid = mine.transaction AND own.granted AND own.pid IS NULL
      JOIN locks one ON one.virtualtransaction = own.virtualtransaction AND one.granted AND one.pid IS NULL
  )
  SELECT gid, NULL AS id, NULL AS statement FROM mine
  UNION ALL
  SELECT DISTINCT h.gid, concat(a.pid, ' ', a.query_start), a.query
    FROM locks w JOIN held h ON ${sameObject} JOIN pg_stat_activity a ON a.pid = w.pid
   WHERE NOT w.granted AND ${inTheWay} AND a.application_name <> current_setting('application_name')`;

interface Row {
  readonly gid: string;
  readonly id: string | null;
  readonly statement: string | null;
}

export async function waitsFor(ends: pg.Pool, participant: string): Promise<Waits> {
  const { rows } = await ends.query<Row>(waits, [namePrefix(participant)]);
  const prepared: BranchRef[] = [];
  const waiting = new Map<string, WaitingStatement & { readonly branches: BranchRef[] }>();
  for (const { gid, id, statement } of rows) {
    const found = branchOf(participant, gid)?.ref;
    if (found === undefined) continue;
    if (id === null) prepared.push(found);
    else {
      const one = waiting.get(id) ?? { id, statement: statement ?? '', sure: true, branches: [] };
      one.branches.push(found);
      waiting.set(id, one);
    }
  }
  return { prepared, waiting: [...waiting.values()] };
}
