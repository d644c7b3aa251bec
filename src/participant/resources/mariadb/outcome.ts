/**
 * Commit and rollback of what is prepared. XAER_NOTA is no answer: it is said of a branch that has ended, of one that
 * never was, and of one whose session still lives. So:
 *
 *     XA COMMIT      ok                              committed
 *                    XAER_NOTA, a row                committed before: the reply was lost, or another process was first
 *                    XAER_NOTA, in XA RECOVER        still its session's: that one ends, by itself or by force; again
 *                    XAER_NOTA, neither              never prepared, or rolled back: NOT committed, and said so
 *     XA ROLLBACK    ok                              rolled back
 *                    XAER_NOTA                       maybe not yet: a session may still be on its way to XA PREPARE. It is
 *                                                    ended, and the question is put again with the branch's lock held
 *
 * InnoDB shows what a commit wrote a moment before that is on disk. A row alone would thus prove a commit that a crash
 * still takes back, after which the branch would be prepared for ever: whoever relies on the row writes to it
 * first, and that write is on disk only after the commit is.
 *
 * And it does not write a rollback to disk at all, since for an ordinary transaction nothing depends on it: after a
 * crash a branch that was rolled back is prepared again, with its locks, and nobody would ever end it. So each
 * rollback is followed by a write of its own, too.
 */
import type { Pool, PoolConnection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import type { BranchRef } from '../../../ports/resource.ts';
import { pause } from '../sql/pause.ts';
import { runOnce } from './connections.ts';
import type { MariadbContext } from './context.ts';
import { numberOf, unknownXid } from './errors.ts';
import { endHolder, takeByForce } from './locks.ts';
import { type RecoveredXid, recovered, type Xid } from './xid.ts';

const pauseMs = 20;
const triesMax = 200;
/** So long a session that has been told to end may take before it is ended. */
const patientTries = 25;

export async function commitBranch(context: MariadbContext, xid: Xid): Promise<void> {
  const { ends, clock } = context;
  for (let tries = 1; tries <= triesMax; tries += 1) {
    if (await endBranch(() => runOnce(ends, `XA COMMIT ${xid.text}`))) return;
    const held = await isPrepared(ends, xid);
    // In this order: one that was committed in between is in neither of two looks the other way round.
    if (await isCommitted(context, ends, xid)) return;
    if (!held) {
      throw new Error(
        `MariaDB holds no prepared branch ${xid.text}, and none of that name has committed: it was rolled back there by hand, or the data are older than the vote. See docs/DATABASES.md on heuristic outcomes.`,
      );
    }
    if (tries > patientTries) await endHolder(ends, xid.name);
    await pause(clock, pauseMs);
  }
  throw new Error(`The branch ${xid.text} is held by a session that does not end.`);
}

export async function rollbackBranch(
  context: MariadbContext,
  xid: Xid,
  ref: BranchRef,
): Promise<void> {
  const { ends, clock } = context;
  const statement = `XA ROLLBACK ${xid.text}`;
  if (await endBranch(() => runOnce(ends, statement))) return flushLog(context, ends);
  const on = await ends.getConnection();
  let failed = true;
  try {
    await takeByForce(on, xid.name, clock);
    let ended = false;
    for (let tries = 1; !ended && (await isPrepared(on, xid)); tries += 1) {
      if (tries > triesMax)
        throw new Error(`The branch ${xid.text} is held by a session that does not end.`);
      ended = await endBranch(() => on.query(statement));
      if (!ended) await pause(clock, pauseMs);
    }
    if (!ended && (await isCommitted(context, on, xid))) {
      throw new Error(
        `The branch ${ref.branch} of ${ref.txid} is to be rolled back and has committed in MariaDB: somebody ran XA COMMIT by hand. See docs/DATABASES.md on heuristic outcomes.`,
      );
    }
    // Whoever rolled it back before may not have come this far. On this connection: where all of the pool are here,
    // none would be left for a second one each.
    await flushLog(context, on);
    await on.query('SELECT RELEASE_ALL_LOCKS()');
    failed = false;
  } finally {
    // With its connection, the session's locks go, too.
    if (failed) on.destroy();
    else on.release();
  }
}

/** False: XAER_NOTA. */
async function endBranch(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (numberOf(error) === unknownXid) return false;
    throw error;
  }
}

async function isPrepared(on: Pool | PoolConnection, xid: Xid): Promise<boolean> {
  const [rows] = await on.query<(RowDataPacket & RecoveredXid)[]>('XA RECOVER');
  return rows.some((row) => {
    const one = recovered(row);
    return one?.gtrid === xid.gtrid && one.bqual === xid.bqual;
  });
}

async function isCommitted(
  { table }: MariadbContext,
  on: Pool | PoolConnection,
  { name }: Xid,
): Promise<boolean> {
  // Read first: a write would wait for the branch, where that is still prepared.
  const [rows] = await on.query<RowDataPacket[]>(`SELECT 1 FROM ${table} WHERE name = ?`, [name]);
  if (rows.length === 0) return false;
  const [written] = await on.query<ResultSetHeader>(
    `UPDATE ${table} SET proofs = proofs + 1 WHERE name = ?`,
    [name],
  );
  return written.affectedRows === 1;
}

/** What is written to the log before is on disk when this is: a commit that changed something flushes all of it. */
async function flushLog({ table }: MariadbContext, on: Pool | PoolConnection): Promise<void> {
  const [written] = await on.query<ResultSetHeader>(
    `INSERT INTO ${table} (name, proofs) VALUES ('flush', 1) ON DUPLICATE KEY UPDATE proofs = (proofs + 1) % 1000000`,
  );
  if (written.affectedRows === 0) throw new Error('The rollback could not be written to disk.');
}
