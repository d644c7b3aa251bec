/**
 * One branch at its participant.
 *
 *                 self-enlisted              the vote is written
 *    unknown --> starting --> working --+    (I7 is checked there)
 *       |           |                   v           |
 *       +-----------+------------> preparing --> voting --> prepared (in doubt)
 *                                       |           |           |
 *                                       |           +--> readonly -- forget --> gone
 *                                       |           |           |
 *                                       +-----------+-----------+--> rolling-back
 *                                         abort, rollback, time-out, refused by the journal
 *
 *    prepared -- commit, by command or answer --> committing --> recording-commit --> committed
 *    committed -- forget --> forgotten
 *    rolling-back --> recording-abort (the tombstone is written) --> gone
 *    committing, rolling-back -- throws --> the same, again later
 *
 *    unknown -- rollback --> recording-abort
 *    the journal's entry on start: started --> rolling-back (shared: orphaned), others as named
 *    orphaned -- answer abort, rollback --> rolling-back --> rolled-back
 *    rolled-back -- once no prepare can run --> rolling-back --> recording-abort
 *
 *    where siblings work on one store, each with a journal of its own:
 *    unknown -- held, not mine --> voted-elsewhere
 *    voted-elsewhere -- commit, rollback, answer; unknown -- commit, rollback -->
 *       committing, rolling-back (taken over) --> unknown, gone
 *
 *    where the store keeps votes: unknown -- held, mine --> kept, then as voted-elsewhere
 *
 * `starting` writes `started`, for an application that cannot list what it holds, and wherever
 * processes share a resource: a branch then belongs to the one whose `started` was written, and
 * no one else aborts it without a decision.
 *
 * Rules that the table keeps, with the scenarios that forced them:
 *
 * - Rollback while the application prepares: its signal fires, its end is awaited, then it is
 *   rolled back, then the tombstone is written, then comes the acknowledgement. A `commit` that it
 *   returns late is no vote: the abort is decided. Calling rollback beside a running prepare would
 *   let the prepare take locks after the rollback had looked for them.
 * - Rollback while the vote is being written: whichever the journal takes first, the branch ends in
 *   a tombstone and is acknowledged, and the vote is not sent.
 * - Commit before the vote is known to be durable: no correct leader can have decided it, for the
 *   vote is sent afterwards. `UNKNOWN_BRANCH`, an alarm, and the branch goes on.
 * - Prepare while prepare runs, or while the vote is written: one vote, to the connection that
 *   carried the latest prepare, as only there it counts; where that one closed, to no one: the
 *   leader asks again on its next connection and is answered from `prepared`.
 * - The vote `abort` is sent at once, before the rollback and before the tombstone (!: behind a
 *   rollback that could not be carried out it came after the leader's time-out, its cause was lost,
 *   and the other branches kept their locks meanwhile). It promises nothing. Where a process dies
 *   between the two, the same leader asks again only if the vote never arrived, and it votes anew;
 *   one that arrived has ended the transaction, for a vote counts only on the connection that
 *   carried the latest prepare. Nor does it acknowledge anything: that comes behind the tombstone
 *   (I7, no stale prepare).
 * - A prepare of an older epoch than is known gets the vote `abort`. Silence would be as safe, but
 *   would hold the zombie's client until a time-out; the vote promises nothing that a later leader
 *   could need, and a zombie cannot commit past the fence whatever it is told.
 * - A repeated prepare of a branch that voted is answered with that vote.
 * - Rollback by a leader older than the transaction is refused (8.2), commit likewise: a leader
 *   cannot judge its successor's transactions.
 * - What a sibling voted for is not this instance's to roll back alone, however certainly its own
 *   journal knows nothing of it (!: a new process of a rolling update rolled back what the old one
 *   had voted for, and the transaction committed). The name in the store tells whose it is; what is
 *   this instance's own and not in its journal was never voted for.
 * - Where the store keeps votes, a vote is sent before the journal has written it, and may be lost
 *   there with the process (8.11). So what the store holds without a vote was voted for or not, no
 *   one knows: it is asked about, as a sibling's would be (!: rolled back, it would contradict a
 *   commit). A prepare that finds it is answered `abort`, said and not written: where the vote
 *   before counted, no leader prepares again.
 * - A command for a sibling's branch is carried out in the store and acknowledged, and leaves no
 *   record here but a tombstone: both may have got it, and to the store the second is a repeat.
 *   Where it holds neither the branch nor the record of its commit, `UNKNOWN_BRANCH`.
 * - Where an answer has it commit a sibling's branch the leader is told, unasked (!): it waits for
 *   the instance that voted, which may hang, and keeps the transaction's locks.
 * - What another process of the same journal began is rolled back on a decision, and its `started`
 *   stays (!: the prepare took effect behind the rollback, its process died ahead of its vote, and
 *   the tombstone hid from every later start what it held). Like a tombstone it keeps out a late
 *   prepare; whoever starts rolls back again; it goes when tombstones go.
 * - A sibling's rollback may overtake the prepare that it is about. That one may still vote: no one
 *   counts it, its instance is in doubt, asks, and is told `abort`.
 * - "abort", told below the floor, meets a branch that a sibling committed on command while this
 *   instance was away: the store says so, and the journal follows it.
 * - An answer to a query ends doubt and nothing else (8.5): a branch still preparing or writing its
 *   vote ignores `abort` - its vote meets a decision that answers it - and one that is done with
 *   the opposite raises an alarm and undoes nothing.
 * - Commit and rollback of the application are called again until they succeed. Each command is
 *   answered once meanwhile with `ok: false`, and everyone who asked learns of the success.
 */

import { epochOf } from '../txid.ts';
import { acknowledge } from './askers.ts';
import { alarm } from './effects.ts';
import type { Handler, Next } from './row.ts';
import { branchTable } from './table.ts';
import type {
  BranchContext,
  BranchIdentity,
  BranchStep,
  LocalBranch,
  LocalEffect,
  LocalEvent,
  LocalEventType,
  LocalState,
} from './types.ts';

export type * from './types.ts';
export { settledStates } from './types.ts';

export function unknownBranch(identity: BranchIdentity): LocalBranch {
  return { txid: identity.txid, branch: identity.branch, state: 'unknown' };
}

/** Pure: the same state, event and context give the same step. Effects are carried out in order. */
export function stepBranch(
  branch: LocalBranch,
  event: LocalEvent,
  context: BranchContext,
): BranchStep {
  const first = stepOne(branch, event, context);
  if (first.again === undefined) return first;
  const effects: LocalEffect[] = [...first.effects];
  const queue: LocalEvent[] = [...first.again];
  let current = first.branch;
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    const next = stepOne(current, one, context);
    current = next.branch;
    effects.push(...next.effects);
    queue.push(...(next.again ?? []));
  }
  return { branch: current, effects };
}

function stepOne(branch: LocalBranch, event: LocalEvent, context: BranchContext): Next {
  if (
    (event.type === 'commit' || event.type === 'rollback') &&
    event.epoch < epochOf(branch.txid)
  ) {
    return refuseOlderLeader(branch, event);
  }
  // The table's type ties each cell to its state and event; indexing by two unions loses that.
  const row = branchTable[branch.state] as Record<LocalEventType, unknown>;
  const handler = row[event.type] as Handler<LocalState, LocalEventType>;
  const next = handler(branch as never, event as never, context);
  const late = event.type === 'commit' && event.epoch < context.knownEpoch;
  return late && branch.state === 'unknown' ? withoutNoise(next) : next;
}

/**
 * A paused leader may send its commit again after its successor had the branch acknowledged and
 * forgotten, and its tombstone was swept (8.8). It is refused like any commit of what is not here,
 * without an alarm: were something wrong, the successor's own commit would raise it. A branch that
 * was rolled back is another matter.
 */
function withoutNoise(next: Next): Next {
  const noise = (effect: LocalEffect): boolean =>
    effect.type === 'alarm' && effect.alarm === 'commit-of-unknown';
  return { ...next, effects: next.effects.filter((effect) => !noise(effect)) };
}

function refuseOlderLeader(
  branch: LocalBranch,
  event: Extract<LocalEvent, { type: 'commit' | 'rollback' }>,
): Next {
  const message = `A leader older than the transaction sent ${event.type}. Nothing was done.`;
  const decision = event.type === 'commit' ? 'commit' : 'abort';
  return {
    branch,
    effects: [
      ...acknowledge(branch, [event.connection], decision, { code: 'NOT_LEADER', message }),
      alarm('older-leader', message),
    ],
  };
}
