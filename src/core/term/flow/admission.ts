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
 * others wait, waits behind them, whether or not there is room for it. A window with someone
 * waiting is therefore full, and every place that is given back is offered to the first of its
 * queue when the step is over (`admitWaiting`); not at once, because a refusal gives back places in
 * turn, and a queue of a thousand would be a thousand calls deep.
 */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import type { Transaction } from '../../transaction.ts';
import type { Branch } from '../branch.ts';
import type { TermState } from '../state.ts';
import { type Bulkhead, bulkheadOf } from './bulkhead.ts';

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
    const isBehind = bulkhead.window.waiting > 0 && !isFirst(bulkhead, transaction);
    if (!isBehind && bulkhead.window.fits(places)) continue;
    leaveQueue(state, transaction);
    if (!bulkhead.window.wait(transaction)) return crowded(state, bulkhead);
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

/** Offers what was given back during a step to those who wait for it: `start` admits and sends. */
export function admitWaiting(
  state: TermState,
  start: (state: TermState, transaction: Transaction) => void,
): void {
  const { freed } = state.flow;
  if (freed.size === 0) return;
  for (const bulkhead of freed) {
    // Looked at once more if anything below gives back a place of it: a set visits what is added
    // again.
    freed.delete(bulkhead);
    for (;;) {
      const transaction = bulkhead.window.first();
      if (transaction === null) break;
      start(state, transaction);
      // Still first, and the window has no room for it: no one behind it goes ahead.
      if (bulkhead.window.first() === transaction) break;
    }
  }
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

function crowded(state: TermState, { participant, window }: Bulkhead): AbortReason {
  return refusal(participant, {
    message: `${participant} has its limit of ${window.outstanding} prepares under way, and ${window.waiting} transactions wait for it.`,
    retryAfterMs: state.config.options.breakerPauseMs,
  });
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
  bulkhead.window.release();
  if (bulkhead.window.waiting > 0) state.flow.freed.add(bulkhead);
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
  const [participant] = names;
  if (participant === undefined) return null;
  return abortReason('PARTICIPANT_UNAVAILABLE', {
    participant,
    message: state.connected.has(participant)
      ? `${participant} is stopping, and no other instance of it is connected. Nothing was done.`
      : notConnectedText([...names]),
    retryAfterMs: state.config.options.breakerPauseMs,
  });
}

function notConnectedText(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : '';
  return `Not connected: ${names.slice(0, maxNames).join(', ')}${more}. Nothing was done. Start what is missing, or compare its name with that in the transaction.`;
}
