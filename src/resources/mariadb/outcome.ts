/**
 * Commit and rollback of what is prepared. XAER_NOTA is no answer: it is said of a branch that has
 * ended, that never was, or whose session still lives. Nor is OK (detach.ts). So:
 *
 *     XA COMMIT      ok, a row                  committed
 *                    ok, no row                 NOT committed: the server has lost track of it
 *                    XAER_NOTA, a row           committed before: reply lost, or another was first
 *                    XAER_NOTA, in XA RECOVER   its session's: ends, by itself or by force; again
 *                    XAER_NOTA, neither         NOT committed: never prepared, rolled back or lost
 *     XA ROLLBACK    ok, nothing is locked      rolled back
 *                    ok, the row is locked      NOT rolled back: the server has lost track of it
 *                    XAER_NOTA                  maybe not yet: a session may be about to prepare.
 *                                               It is ended; then again with the branch's lock held
 *
 * InnoDB shows what a commit wrote before that is on disk. A row alone would prove a commit that a
 * crash takes back, after which the branch would be prepared forever. Whoever relies on the row
 * writes to it first: that write is on disk only after the commit is.
 *
 * InnoDB writes no rollback to disk, since nothing depends on an ordinary transaction's. A crash
 * would bring the branch back, with its locks, for good. So a write of its own follows each
 * rollback.
 */
import type { RowDataPacket } from 'mysql2/promise';
import { BranchEndedError } from '../../ports/resource.ts';
import { pause } from '../../system/pause.ts';
import { committedBySibling } from '../sql/committed-by-sibling.ts';
import type { End } from '../sql/sql.ts';
import type { MariadbContext } from './context.ts';
import { detached, graceMs, stuck } from './detach.ts';
import type { Statements } from './ends.ts';
import { isNotFree, numberOf, unknownXid } from './error-numbers.ts';
import { takeByForce } from './locks.ts';
import { isPrepared, preparedByAny, type Xid } from './xid.ts';

const pauseMs = 20;
const maxTries = 200;

/** A branch that a sibling prepared is looked for: only the mark in its gtrid differs. */
export async function commitXid(context: MariadbContext, xid: Xid): Promise<void> {
  const { ends, clock } = context;
  for (let tries = 1; tries <= maxTries; tries += 1) {
    await detached(context, xid);
    if (await endBranch(ends, `XA COMMIT ${xid.text}`)) {
      if ((await rowOf(context, ends, xid)) !== null) return;
      throw lostBranch(xid, 'XA COMMIT');
    }
    // Under any mark, and in this order (!): a commit in between, a sibling's as well, would be in
    // neither look, and "nothing" be said of a branch that has committed.
    const held = await preparedByAny(ends, xid);
    if (await isCommitted(context, ends, xid)) return;
    if (held !== null && held.gtrid !== xid.gtrid) return commitXid(context, held);
    if (held === null) {
      if (await isLocked(context, ends, xid)) throw lostBranch(xid, 'XA COMMIT');
      throw new BranchEndedError(
        'nothing',
        `MariaDB holds no prepared branch ${xid.text}, and none of that name has committed: it was rolled back there by hand, or the data are older than the vote. See docs/DATABASES.md on heuristic outcomes.`,
      );
    }
    await pause(clock, pauseMs);
  }
  throw stuck(xid);
}

export async function rollbackXid(
  context: MariadbContext,
  own: Xid,
  { txid, branch, takenOver = false }: End,
): Promise<void> {
  const { ends, clock, detachedBranches } = context;
  const statement = (xid: Xid): string => `XA ROLLBACK ${xid.text}`;
  const known = !takenOver && (await detachedBranches.take(own.name));
  if (known && (await endBranch(ends, statement(own)))) {
    await assertRolledBack(context, ends, own);
    return flushLog(context, ends);
  }
  // Where it fails, the session's locks go with its connection.
  await ends.together(async (on) => {
    await takeByForce(on, own.name, clock);
    // Without a decision only what this instance may hold itself (!): its prepare may have failed
    // just because a sibling has prepared the branch, which votes commit for it.
    const xid = (takenOver ? await preparedByAny(on, own) : null) ?? own;
    let ended = false;
    for (let tries = 1; !ended && (await isPrepared(on, xid)); tries += 1) {
      if (tries > maxTries) throw stuck(xid);
      await pause(clock, graceMs);
      ended = await endBranch(on, statement(xid));
    }
    if (ended || takenOver || !(await isOfAnother(context, on, own))) {
      if (!ended && (await isCommitted(context, on, xid))) {
        const note = (await rowOf(context, on, xid))?.note ?? null;
        if (note !== null) throw committedBySibling({ txid, branch });
        throw new BranchEndedError(
          'committed',
          `The branch ${branch} of ${txid} is to be rolled back and has committed in MariaDB: someone ran XA COMMIT by hand. See docs/DATABASES.md on heuristic outcomes.`,
        );
      }
      await assertRolledBack(context, on, xid);
      // Whoever rolled it back before may not have come this far. On this connection: where all of
      // the pool are here, none would be left for a second one each.
      await flushLog(context, on);
    }
    await on.rows('SELECT RELEASE_ALL_LOCKS()');
  });
}

/** False: XAER_NOTA. */
async function endBranch(on: Statements, statement: string): Promise<boolean> {
  try {
    await on.write(statement);
    return true;
  } catch (error) {
    if (numberOf(error) === unknownXid) return false;
    throw error;
  }
}

async function isCommitted(context: MariadbContext, on: Statements, xid: Xid): Promise<boolean> {
  // Read first: a write would wait for the branch, where that is still prepared.
  if ((await rowOf(context, on, xid)) === null) return false;
  const text = `UPDATE ${context.table} SET proofs = proofs + 1 WHERE name = ?`;
  return (await on.write(text, [xid.name])).affectedRows === 1;
}

/** A sibling prepared it, or committed it, as its row says: this instance holds nothing of it. */
async function isOfAnother(context: MariadbContext, on: Statements, own: Xid): Promise<boolean> {
  const prepared = await preparedByAny(on, own);
  if (prepared !== null) return prepared.mark !== own.mark;
  const mark = (await rowOf(context, on, own))?.mark ?? own.mark;
  return mark !== own.mark;
}

interface OutcomeRow extends RowDataPacket {
  /** Of the instance that prepared it. */
  readonly mark: string | null;
  /** Of the instance for which a sibling committed it. */
  readonly note: string | null;
}

/** Null: it has not committed, as far as can be seen. */
async function rowOf(
  { table }: MariadbContext,
  on: Statements,
  { name }: Xid,
): Promise<OutcomeRow | null> {
  const text = `SELECT mark, note FROM ${table} WHERE name = ?`;
  return (await on.rows<OutcomeRow>(text, [name]))[0] ?? null;
}

/** By the branch itself, which has written its row and not ended. */
async function isLocked({ table }: MariadbContext, on: Statements, xid: Xid): Promise<boolean> {
  try {
    await on.rows(`SELECT 1 FROM ${table} WHERE name = ? FOR UPDATE NOWAIT`, [xid.name]);
    return false;
  } catch (error) {
    if (isNotFree(error)) return true;
    throw error;
  }
}

async function assertRolledBack(context: MariadbContext, on: Statements, xid: Xid): Promise<void> {
  if (await isLocked(context, on, xid)) throw lostBranch(xid, 'XA ROLLBACK');
}

function lostBranch(xid: Xid, statement: string): Error {
  return new Error(
    `MariaDB has lost track of the branch ${xid.text}: it answers ${statement}, and InnoDB keeps the branch prepared, with its locks. Restart the server, which finds it again; then this is done. See docs/DATABASES.md.`,
  );
}

/** A commit that changed something flushes all that was written to the log before it. */
async function flushLog({ table }: MariadbContext, on: Statements): Promise<void> {
  const written = await on.write(
    `INSERT INTO ${table} (name, proofs) VALUES ('flush', 1) ON DUPLICATE KEY UPDATE proofs = (proofs + 1) % 1000000`,
  );
  if (written.affectedRows === 0) throw new Error('The rollback could not be written to disk.');
}
