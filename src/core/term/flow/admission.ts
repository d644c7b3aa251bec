/**
 * Before the first prepare: whether the participants of a transaction can take it.
 *
 * A transaction gets its places in the windows of all its participants together or none of them.
 * While it waits, in the queue of the first window that is full, it holds nothing anywhere:
 * - One that waited with places in hand would fill the windows of healthy participants with
 *   transactions that wait for a stalled one: the very thing that windows are to prevent. It would
 *   hold locks there too.
 * - Two that each held a place and waited for the other's would wait until a time-out.
 * What it costs: where two windows are full for long, one that needs both may be overtaken by those
 * that need one, until its time-out. That is overload, and an abort that may be tried again is a
 * fair answer to it.
 *
 * A branch that enlisted itself takes a place and waits for none: its participant has worked for it
 * already and may hold locks, for which the prepares in the window may be waiting. Behind them it
 * would free its locks when they have timed out.
 *
 * It is in one queue at a time, and within a queue first come is first served: whoever comes while
 * others wait, waits behind them, whether or not there is room for it. Every place that is given
 * back is offered to the first of its queue when the step is over (`admitWaiting`); not at once,
 * because a refusal gives back places in turn, and a queue of a thousand would be a thousand calls
 * deep.
 *
 * The first of a queue may find the next window full, and goes to the queue of that one; so may the
 * one behind it. Were all looked at for one place, each vote would move the whole queue from one
 * window to another, and the next vote would move it on. So each place that comes free pays for
 * two looks, and no more. Who is not looked at then is looked at in a step of its own (`wake`, due
 * at once), a few at a time.
 */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import type { Transaction } from '../../transaction.ts';
import type { Branch } from '../branch.ts';
import type { TermEvent } from '../events.ts';
import type { TermState } from '../state.ts';
import { type Bulkhead, bulkheadOf } from './bulkhead.ts';

/** Paid for by each event, and by each place that it gives back. */
const looksForEach = 2;
const looksOfWake = 64;

/** How many names are listed: a message has a limit, and a person reads no more. */
const maxNames = 3;

/** 'admitted': it has every place, and the prepares may be sent. A reason: it cannot. */
export function admit(
  state: TermState,
  transaction: Transaction,
): 'admitted' | 'waits' | AbortReason {
  const refusal = unavailable(state, transaction);
  if (refusal !== null) return refusal;
  const needs = new Map<Bulkhead, number>();
  for (const { participant, instance } of transaction.branches.values()) {
    const bulkhead = bulkheadOf(state, participant);
    needs.set(bulkhead, (needs.get(bulkhead) ?? 0) + (instance === null ? 1 : 0));
  }
  // The queue in which it waits has the first word: or it would lose its turn to another that is
  // full too.
  for (const [bulkhead, places] of needs) {
    if (isFirst(bulkhead, transaction) && !bulkhead.window.fits(places)) return 'waits';
  }
  for (const [bulkhead, places] of needs) {
    if (places === 0) continue;
    if (!isBehind(state, bulkhead, transaction) && bulkhead.window.fits(places)) continue;
    leaveQueue(state, transaction);
    bulkhead.window.wait(transaction);
    bulkhead.pace.begins(state.nowMs);
    transaction.waitsFor = bulkhead.participant;
    return 'waits';
  }
  leaveQueue(state, transaction);
  for (const branch of transaction.branches.values()) {
    branch.holdsPlace = true;
    bulkheadOf(state, branch.participant).window.take(1);
  }
  return 'admitted';
}

/** Where a participant is known to be out of reach: the abort that says so. */
export function unavailable(state: TermState, transaction: Transaction): AbortReason | null {
  for (const { participant } of transaction.branches.values()) {
    const refusal = refusalOf(state, bulkheadOf(state, participant));
    if (refusal !== null) return refusal;
  }
  return null;
}

/** A step begins: for how many of those who wait it may look whether their turn has come. */
export function beginLooks({ flow }: TermState, event: TermEvent['type']): void {
  flow.looks = event === 'wake' ? looksOfWake : looksForEach;
}

/** Offers what was given back during a step to those who wait for it: `start` admits and sends. */
export function admitWaiting(
  state: TermState,
  start: (state: TermState, transaction: Transaction) => void,
): void {
  const { flow } = state;
  for (const bulkhead of flow.freed) {
    if (flow.looks <= 0) return;
    // Looked at once more if anything below gives back a place of it: a set visits what is added
    // again.
    flow.freed.delete(bulkhead);
    const { window } = bulkhead;
    for (let first = window.first(); first !== null; ) {
      if (!window.fits(1) && refusalOf(state, bulkhead) === null) break;
      if (flow.looks <= 0) {
        flow.freed.add(bulkhead);
        return;
      }
      flow.looks -= 1;
      start(state, first);
      const next = window.first();
      // Still first, and the window has no room for it: no one behind it goes ahead.
      if (next === first) break;
      first = next;
    }
  }
}

/** Whether others have the first word about the places of this window. */
function isBehind({ flow }: TermState, bulkhead: Bulkhead, transaction: Transaction): boolean {
  if (bulkhead.window.waiting === 0 || isFirst(bulkhead, transaction)) return false;
  // (!) Its turn has come, and the others' has not: they are still to be looked at. If it went
  // behind them, and they in turn behind those who wait elsewhere, all would go round and none in.
  return transaction.waitsFor === null || !flow.freed.has(bulkhead);
}

function isFirst(bulkhead: Bulkhead, transaction: Transaction): boolean {
  return transaction.waitsFor === bulkhead.participant;
}

function refusal(
  participant: string,
  why: { readonly message: string; readonly retryAfterMs: number },
): AbortReason {
  return abortReason('PARTICIPANT_UNAVAILABLE', { participant, ...why });
}

function refusalOf(state: TermState, bulkhead: Bulkhead): AbortReason | null {
  const { participant, goneSinceMs, breaker } = bulkhead;
  const { participantWaitMs, breakerPauseMs } = state.config.options;
  if (goneSinceMs !== null) {
    const goneMs = state.nowMs - goneSinceMs;
    if (goneMs < participantWaitMs) return null;
    if (!bulkhead.absenceNoted) {
      bulkhead.absenceNoted = true;
      // It did not answer before its connection broke: that was noted.
      if (breaker.isClosed)
        state.note({ level: 'warn', event: 'breaker-opened', participant, why: 'not connected' });
    }
    const message = notConnectedText([participant]);
    return refusal(participant, { message, retryAfterMs: breakerPauseMs });
  }
  const retryAfterMs = breaker.refusal(state.nowMs);
  if (retryAfterMs === null) return null;
  const message = `${participant} does not answer at present.`;
  return refusal(participant, { message, retryAfterMs });
}

/** Out of the queue in which it waits, if it does. */
export function leaveQueue(state: TermState, transaction: Transaction): void {
  if (transaction.waitsFor === null) return;
  const bulkhead = state.flow.bulkheads.get(transaction.waitsFor);
  transaction.waitsFor = null;
  if (bulkhead === undefined) return;
  bulkhead.window.leave(transaction);
  // The one behind may need less room.
  state.flow.freed.add(bulkhead);
}

/** The vote came, or the transaction is over. */
export function releasePlace(state: TermState, branch: Branch): void {
  if (!branch.holdsPlace) return;
  branch.holdsPlace = false;
  const bulkhead = bulkheadOf(state, branch.participant);
  bulkhead.breaker.ended(branch, state.nowMs);
  const { window } = bulkhead;
  const taken = window.outstanding;
  window.release();
  bulkhead.pace.freed(state.nowMs, { taken, isWanted: window.waiting > 0 });
  if (window.waiting === 0) return;
  state.flow.freed.add(bulkhead);
  state.flow.looks += looksForEach;
}

/**
 * The abort of a transaction that waited for participants without a connection: it names them. Null
 * where every branch that is waited for has a connection.
 */
export function notConnected(state: TermState, transaction: Transaction): AbortReason | null {
  const names = new Set<string>();
  for (const branch of transaction.branches.values()) {
    if (branch.state === 'unreachable') names.add(branch.participant);
  }
  const { connected } = state;
  const away = [...names].filter((name) => !connected.takesWork(name));
  const [participant] = away.length > 0 ? away : names;
  if (participant === undefined) return null;
  // May be tried again at once.
  if (away.length === 0)
    return abortReason('PARTICIPANT_UNAVAILABLE', { participant, message: goneText(participant) });
  return abortReason('PARTICIPANT_UNAVAILABLE', {
    participant,
    message: connected.has(participant)
      ? `${participant} is stopping, and no other instance of it is connected. Nothing was done.`
      : notConnectedText(away),
    retryAfterMs: state.config.options.breakerPauseMs,
  });
}

/** Other instances are there: what this one was sent is asked of none of them (8.7). */
function goneText(participant: string): string {
  return `The instance of ${participant} that has the branch is gone, and no other can vote for it. It is rolled back. Try the transaction again: another is asked then.`;
}

function notConnectedText(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
  return `Not connected: ${names.slice(0, maxNames).join(', ')}${more}. Nothing was done. Start what is missing, or compare its name with that in the transaction.`;
}
