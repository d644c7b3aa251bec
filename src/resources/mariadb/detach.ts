/**
 * When a prepared branch may be ended by another session.
 *
 * As a session ends, its prepared branch is taken from it in two steps: first by the server's list
 * of XA ids, then by InnoDB. An XA COMMIT or XA ROLLBACK between the two is answered with OK and
 * does nothing: the id is forgotten, and the branch stays prepared, with its locks, until a
 * restarted server finds it. (Seen on 10.11: 33 of 1,500 commits that followed their prepare at
 * once.) The session's locks and its line in the list of processes go between the two as well, the
 * line just before InnoDB is reached. So:
 *
 * - A prepare answers when its session has left the list. What it prepared is ended some
 *   milliseconds later at the earliest: the server's thread may lose its core in between (600
 *   branches on a busy machine: one was lost). More, where the session took long to leave.
 * - A branch that may be prepared elsewhere is left alone for a while after its session's lock.
 * - And OK is not believed: outcome.ts looks whether the branch has really ended.
 */
import type { Clock } from '../../ports/clock.ts';
import { pause } from '../../system/pause.ts';
import { doneWithin } from '../sql/waiting.ts';
import type { MariadbContext } from './context.ts';
import type { Statements } from './ends.ts';
import { endHolder, holderOf } from './locks.ts';
import { isPrepared, type Xid } from './xid.ts';

const maxGoneWaitMs = 500;
const gonePauseMs = 1;
/** From a session's leave to its branch's end: so long, and so often the time that it took. */
const settleMs = 5;
const settleFactor = 2;
/** After a session's lock went, or before one that was prepared elsewhere is ended. */
export const graceMs = 100;
const pauseMs = 20;
/** So long a session that has been told to end may take before it is ended. */
const patientTries = 25;
const maxTries = 200;
/** Beyond it the oldest are treated like those of another process. */
const maxKnown = 10_000;

/** Branches that this process has prepared and whose sessions are gone. */
export class DetachedBranches {
  readonly #endableAtMs = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `leftMs`: so long its session took to leave. */
  add(name: string, leftMs: number): void {
    const waitMs = Math.min(settleMs + settleFactor * leftMs, graceMs);
    this.#endableAtMs.set(name, this.#clock.monotonicMs() + waitMs);
    if (this.#endableAtMs.size <= maxKnown) return;
    const [oldest = name] = this.#endableAtMs.keys();
    this.#endableAtMs.delete(oldest);
  }

  /**
   * Whether it is known; if so, once it may be ended. Once: whoever fails to end it takes the long
   * way the next time.
   */
  async take(name: string): Promise<boolean> {
    const endableAtMs = this.#endableAtMs.get(name);
    if (endableAtMs === undefined) return false;
    this.#endableAtMs.delete(name);
    const waitMs = endableAtMs - this.#clock.monotonicMs();
    if (waitMs > 0) await pause(this.#clock, waitMs);
    return true;
  }
}

/**
 * How long the session took to leave; null where that was too long, or could not be asked: the
 * branch is prepared all the same.
 */
export async function sessionGone(
  on: Statements,
  connectionId: number,
  clock: Clock,
): Promise<number | null> {
  const startedMs = clock.monotonicMs();
  let gone = false;
  let waits = true;
  const look = async (): Promise<void> => {
    while (waits && !gone) {
      const text = 'SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ?';
      gone = (await on.rows(text, [connectionId])).length === 0;
      if (!gone) await pause(clock, gonePauseMs);
    }
  };
  // The limit is this wait's own (!): the connection may be swallowed, and its statement's limit
  // exceeds the transaction's time. Whoever ends the branch then looks, as after a crash.
  await doneWithin(clock, look(), maxGoneWaitMs);
  waits = false;
  return gone ? clock.monotonicMs() - startedMs : null;
}

/** Returns when XA COMMIT and XA ROLLBACK of the branch may be tried. */
export async function detached(
  { clock, ends, detachedBranches }: Pick<MariadbContext, 'clock' | 'ends' | 'detachedBranches'>,
  xid: Xid,
): Promise<void> {
  if ((await detachedBranches.take(xid.name)) || !(await isPrepared(ends, xid))) return;
  for (let tries = 1; (await holderOf(ends, xid.name)) !== null; tries += 1) {
    if (tries > maxTries) throw stuck(xid);
    if (tries > patientTries) await ends.together((one) => endHolder(one, xid.name));
    await pause(clock, pauseMs);
  }
  await pause(clock, graceMs);
}

export function stuck({ text }: Xid): Error {
  return new Error(`The branch ${text} is held by a session that does not end.`);
}
