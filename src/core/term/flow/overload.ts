/**
 * More than a participant can do: refused before anything is begun for it.
 *
 * What was let in and is refused later, or times out, has cost as much as what commits. Past the
 * capacity of a participant nothing would be done but that. So a one-shot is refused when it comes,
 * and a branch when a client enlists it, and not at the freeze:
 * - where `participantQueue` transactions wait for the participant already, or
 * - where those before it take more than half of its own time, at the pace at which the participant
 *   serves them: it would hardly be in time.
 * What is let in waits its turn however many came in between. (Those that were let in before they
 * wait - behind locks, behind a look at the log, between `enlist` and `commit` - are transactions
 * in memory, which `maxTransactions` and `maxHeldBytes` bound.)
 *
 * A participant that does not answer at present is none of this: see `unavailable`.
 */
import { busy, type Refusal } from '../events.ts';
import type { TermState } from '../state.ts';
import type { Bulkhead } from './bulkhead.ts';

/** Why no more may begin that needs these participants; null where it may. */
export function overload(
  state: TermState,
  participants: Iterable<{ readonly participant: string }>,
  timeoutMs: number,
): Refusal | null {
  for (const { participant } of participants) {
    // What no one has asked for has no queue. None is made: a name alone costs no memory.
    const bulkhead = state.flow.bulkheads.get(participant);
    if (bulkhead === undefined || !isFull(state, bulkhead, timeoutMs)) continue;
    const { window, pace } = bulkhead;
    return busy(
      `${participant} has ${window.outstanding} prepares under way, and ${window.waiting} transactions wait for it: more than that it would not do in time. Nothing was begun.`,
      pace.refuse(),
    );
  }
  return null;
}

function isFull(
  state: TermState,
  { window, pace, breaker, goneSinceMs }: Bulkhead,
  timeoutMs: number,
): boolean {
  const { waiting, outstanding } = window;
  if (waiting === 0 && window.fits(1)) return false;
  // Its refusal says more, and comes as soon.
  if (goneSinceMs === null && !breaker.isClosed) return false;
  if (waiting >= state.config.options.participantQueue) return true;
  const waitMs = pace.waitMs(outstanding + waiting);
  return waiting > 0 && waitMs !== null && waitMs > timeoutMs / 2;
}
