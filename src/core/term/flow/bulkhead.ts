/**
 * What a term knows of one participant's present fitness: its window, its latency, its breaker, and
 * since when it has no connection. Kept by name, not by instance: a transaction names the
 * participant.
 */
import type { CoordinatorOptions } from '../../coordinator-options.ts';
import type { Transaction } from '../../transaction.ts';
import type { TermState } from '../state.ts';
import { Breaker } from './breaker.ts';
import { Latency } from './latency.ts';
import { Window } from './participant-window.ts';

export class Bulkhead {
  readonly participant: string;
  readonly window: Window<Transaction>;
  readonly latency: Latency = new Latency();
  readonly breaker: Breaker;
  /**
   * Null while it has a connection. Counted from when the term first heard its name, or it would be
   * a guess.
   */
  goneSinceMs: number | null;
  usedAtMs: number;
  /** That it is gone was noted: once, not for each transaction. */
  absenceNoted = false;

  constructor(given: {
    readonly participant: string;
    readonly options: CoordinatorOptions;
    readonly isConnected: boolean;
    readonly nowMs: number;
  }) {
    const { options, nowMs } = given;
    this.participant = given.participant;
    this.window = new Window({
      limit: options.participantWindow,
      maxWaiting: options.participantQueue,
    });
    this.breaker = new Breaker({
      after: options.breakerAfter,
      pauseMs: options.breakerPauseMs,
      maxPauseMs: options.maxBreakerPauseMs,
    });
    this.goneSinceMs = given.isConnected ? null : nowMs;
    this.usedAtMs = nowMs;
  }

  /** Nothing is under way with it and it is not there: what is known of it may be forgotten. */
  get isIdle(): boolean {
    return this.goneSinceMs !== null && this.window.outstanding === 0 && this.window.waiting === 0;
  }
}

/**
 * Names that no participant connected under are kept for a minute, and at most this many: clients
 * may name anything.
 */
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
  const bulkhead = new Bulkhead({
    participant,
    options: state.config.options,
    isConnected: state.connected.has(participant),
    nowMs,
  });
  bulkheads.set(participant, bulkhead);
  return bulkhead;
}

export function forgetIdle({ flow: { bulkheads }, nowMs }: TermState): void {
  for (const [participant, bulkhead] of bulkheads) {
    if (bulkhead.isIdle && nowMs - bulkhead.usedAtMs > maxIdleMs) bulkheads.delete(participant);
  }
}

/**
 * Looks at a few of the eldest and puts those that are needed behind the rest: no long search at
 * every new name.
 */
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
