/**
 * What a term knows of one participant's fitness: its window, latency and breaker, and since when
 * it has no connection. Kept by name, not by instance: a transaction names the participant.
 */
import type { Transaction } from '../../transaction.ts';
import type { Branch } from '../branch.ts';
import type { TermState } from '../state.ts';
import { Breaker } from './breaker.ts';
import { Latency } from './latency.ts';
import { Pace } from './pace.ts';
import { Window } from './participant-window.ts';

export class Bulkhead {
  readonly participant: string;
  readonly window: Window<Transaction>;
  readonly latency: Latency = new Latency();
  readonly breaker: Breaker;
  readonly pace: Pace = new Pace();
  /** Null while it has a connection. At the earliest, when the term first heard its name. */
  goneSinceMs: number | null;
  usedAtMs: number;
  /** That it is gone was noted: once, not for each transaction. */
  absenceNoted = false;

  constructor({ config, connected, nowMs }: TermState, participant: string) {
    const { options } = config;
    this.participant = participant;
    this.window = new Window(options.participantWindow);
    this.breaker = new Breaker(options);
    this.goneSinceMs = connected.has(participant) ? null : nowMs;
    this.usedAtMs = nowMs;
  }

  /** Nothing is under way with it and it is not there: what is known of it may be forgotten. */
  get isIdle(): boolean {
    return this.goneSinceMs !== null && this.window.outstanding === 0 && this.window.waiting === 0;
  }
}

/** Clients may name anything: what never connected is kept so long, and no more of it than this. */
const maxIdleMs = 60_000;
const maxBulkheads = 10_000;
const maxLookedAt = 16;

export function bulkheadOf(state: TermState, participant: string): Bulkhead {
  const { nowMs } = state;
  const { bulkheads } = state.flow;
  const known = bulkheads.get(participant);
  if (known !== undefined) {
    known.usedAtMs = nowMs;
    return known;
  }
  if (bulkheads.size >= maxBulkheads) makeRoom(bulkheads);
  const bulkhead = new Bulkhead(state, participant);
  bulkheads.set(participant, bulkhead);
  return bulkhead;
}

export function forgetIdle({ flow: { bulkheads }, nowMs }: TermState): void {
  for (const [participant, bulkhead] of bulkheads) {
    if (bulkhead.isIdle && nowMs - bulkhead.usedAtMs > maxIdleMs) bulkheads.delete(participant);
  }
}

/** Looks at a few of the eldest, and puts those in use behind the rest: no long search. */
function makeRoom(bulkheads: Map<string, Bulkhead>): void {
  let looked = 0;
  for (const [participant, bulkhead] of bulkheads) {
    bulkheads.delete(participant);
    if (bulkhead.isIdle) return;
    bulkheads.set(participant, bulkhead);
    looked += 1;
    if (looked >= maxLookedAt) return;
  }
}

/** Silence shorter than this is no one's fault, however short the time-out of the transaction. */
const silenceMsMin = 500;

/** How long to wait for a vote from now on; null: as long as the transaction may take. */
export function prepareTimeoutMs(state: TermState, participant: string): number | null {
  const { prepareTimeoutMs: maxMs, prepareTimeoutMsMin: minMs } = state.config.options;
  if (maxMs === 0) return null;
  if (minMs === 0) return maxMs;
  return bulkheadOf(state, participant).latency.timeoutMs({ minMs, maxMs });
}

export function prepareSent(state: TermState, branch: Branch, more: { isFirst: boolean }): void {
  // Sent again, an answer may be to either: it is not measured (Karn and Partridge 1987).
  branch.silentSinceMs = more.isFirst ? state.nowMs : null;
  bulkheadOf(state, branch.participant).breaker.passed(branch);
}

/** The first sign of life of a branch: a vote or `working`. */
export function heardOf(state: TermState, branch: Branch): void {
  if (branch.silentSinceMs === null) return;
  const { latency } = bulkheadOf(state, branch.participant);
  latency.measured(state.nowMs - branch.silentSinceMs);
  branch.silentSinceMs = null;
}

export function voteCounted(state: TermState, branch: Branch): void {
  heardOf(state, branch);
  const bulkhead = bulkheadOf(state, branch.participant);
  if (bulkhead.breaker.voted()) noteClosed(state, bulkhead);
}

/** A vote for a transaction that was given up. */
export function votedLate(state: TermState, participant: string): void {
  bulkheadOf(state, participant).breaker.heard(state.nowMs);
}

export function prepareSilent(state: TermState, branch: Branch): void {
  const bulkhead = bulkheadOf(state, branch.participant);
  bulkhead.latency.timedOut();
  state.figures.missedVote(branch.participant);
  if (!bulkhead.breaker.timedOut(branch, state.nowMs, state.config.fraction)) return;
  // Those who wait for it are told at once.
  state.flow.freed.add(bulkhead);
  const { participant } = branch;
  state.note({ level: 'warn', event: 'breaker-opened', participant, why: 'no votes' });
}

/**
 * The transaction's own time-out came first. Those that kept silent would otherwise never be found
 * out where transactions are shorter than the prepare time-out.
 */
export function silentAtDeadline(state: TermState, branch: Branch): void {
  if (branch.state !== 'preparing' || branch.silentSinceMs === null) return;
  const { latency } = bulkheadOf(state, branch.participant);
  const { prepareTimeoutMs: maxMs, transactionTimeoutMs } = state.config.options;
  const longestMs = maxMs === 0 ? transactionTimeoutMs : maxMs;
  const overdueMs = latency.timeoutMs({ minMs: silenceMsMin, maxMs: longestMs });
  if (state.nowMs - branch.silentSinceMs >= overdueMs) prepareSilent(state, branch);
}

export function participantCame(state: TermState, participant: string): void {
  const bulkhead = state.flow.bulkheads.get(participant);
  if (bulkhead === undefined) return;
  if (bulkhead.goneSinceMs === null) {
    // Another instance, or the same again before its old connection was seen to be dead.
    bulkhead.breaker.heard(state.nowMs);
    return;
  }
  const wasOpen = bulkhead.absenceNoted || !bulkhead.breaker.isClosed;
  bulkhead.goneSinceMs = null;
  bulkhead.absenceNoted = false;
  bulkhead.breaker.close();
  if (wasOpen) noteClosed(state, bulkhead);
}

export function participantWent(state: TermState, participant: string): void {
  if (state.connected.has(participant)) return;
  const bulkhead = bulkheadOf(state, participant);
  bulkhead.goneSinceMs ??= state.nowMs;
}

function noteClosed(state: TermState, { participant }: Bulkhead): void {
  state.note({ level: 'info', event: 'breaker-closed', participant });
}
