/**
 * Commands of phase 2 on one connection: so many at a time, the rest behind them.
 *
 * A participant that comes back owes acknowledgements of all that was decided without it. Sent at
 * once, that would be a storm for it, just when it is weakest, and a send queue of any length here.
 * By connection and not by participant: an instance that stands still must not hold up the commits
 * of its siblings. Apart from the window of prepares: a commit never waits behind work that is not
 * decided.
 *
 * Two windows: branches that voted `commit`, and rollbacks of those that did not. A participant may
 * be unable to roll back what still prepares, because that waits for a lock of one that is
 * prepared. Behind some hundred such rollbacks the command that frees the lock would never be sent,
 * and they would never be acknowledged.
 *
 * A place is given back with any answer, and when none came in time; who is sent again stands
 * behind those who wait. Else a participant that cannot carry out as many commits as a window holds
 * - what they were for is gone, or they hang - would never hear of the others. (Found by
 * simulation: an acknowledged commit that a restored log brought back.)
 *
 * Who waits has no timer: it is sent when its turn comes, and its attempts are counted from then
 * on.
 */
import { type Branch, wasPrepared } from '../branch.ts';
import { Window } from './participant-window.ts';

interface Lanes {
  readonly prepared: Window<Branch>;
  readonly unprepared: Window<Branch>;
}

export class CommandWindows {
  private readonly limit: number;
  private readonly byConnection = new Map<number, Lanes>();
  private readonly freed = new Set<Window<Branch>>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** True where the command may be sent on the connection now; else it waits for `next`. */
  enter(branch: Branch, connection: number): boolean {
    if (branch.connection !== connection) this.leave(branch);
    branch.connection = connection;
    if (branch.command === 'sent') return true;
    const window = laneOf(this.of(connection), branch);
    const isFirst = window.waiting === 0 || window.first() === branch;
    if (!isFirst || !window.fits(1)) {
      window.wait(branch);
      branch.command = 'waiting';
      return false;
    }
    window.leave(branch);
    window.take(1);
    branch.command = 'sent';
    return true;
  }

  /** An operator wants it sent now: it takes its place beyond the window, too. */
  push(branch: Branch, connection: number): void {
    this.leave(branch);
    branch.connection = connection;
    laneOf(this.of(connection), branch).take(1);
    branch.command = 'sent';
  }

  /** Acknowledged, refused, not answered in time, or its connection is gone. */
  leave(branch: Branch): void {
    const { command, connection } = branch;
    branch.command = 'none';
    const lanes = connection === null ? undefined : this.byConnection.get(connection);
    if (command === 'none' || connection === null || lanes === undefined) return;
    const window = laneOf(lanes, branch);
    if (command === 'sent') window.release();
    else window.leave(branch);
    if (window.waiting > 0) this.freed.add(window);
    else if (isEmpty(lanes.prepared) && isEmpty(lanes.unprepared)) {
      this.byConnection.delete(connection);
    }
  }

  /** One whose turn it is, or null. */
  next(): Branch | null {
    if (this.freed.size === 0) return null;
    for (const window of this.freed) {
      const branch = window.first();
      if (branch !== null && window.fits(1)) return branch;
      this.freed.delete(window);
    }
    return null;
  }

  /** How many wait, on all connections. */
  get waiting(): number {
    let count = 0;
    for (const { prepared, unprepared } of this.byConnection.values()) {
      count += prepared.waiting + unprepared.waiting;
    }
    return count;
  }

  private of(connection: number): Lanes {
    let lanes = this.byConnection.get(connection);
    if (lanes === undefined) {
      lanes = { prepared: new Window(this.limit), unprepared: new Window(this.limit) };
      this.byConnection.set(connection, lanes);
    }
    return lanes;
  }
}

function laneOf(lanes: Lanes, branch: Branch): Window<Branch> {
  return wasPrepared(branch) ? lanes.prepared : lanes.unprepared;
}

function isEmpty(window: Window<Branch>): boolean {
  return window.outstanding === 0 && window.waiting === 0;
}
