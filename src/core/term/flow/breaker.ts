/**
 * Refuses at once what would only wait for a participant that does not answer (a circuit breaker).
 *
 *     closed --`breakerAfter` time-outs, no vote between--> open --pause over, or heard of--+
 *       ^                                                    ^                             v
 *       |                                                    |                         half-open
 *       |                                                    |                             | one
 *       |                                                    |                             v probe
 *       +---------------------- vote ------------------------+------- its time-out ---- probing
 *
 * The pause doubles with each probe that fails, with jitter, up to its limit. A probe that ends
 * otherwise - its transaction was aborted by someone else - says nothing: the next transaction
 * probes. Prepares that were sent before it opened and time out afterwards change nothing: they
 * tell what is known.
 *
 * "Heard of": a vote that came too late for its transaction, or a new connection. It may be back,
 * and whether it is in time is for a probe to show: a participant that always votes too late would
 * otherwise be open to all again with each such vote.
 */

import { backoffMs } from '../../backoff.ts';
import type { CoordinatorOptions } from '../../coordinator-options.ts';

type BreakerOptions = Pick<
  CoordinatorOptions,
  'breakerAfter' | 'breakerPauseMs' | 'maxBreakerPauseMs'
>;

type BreakerState =
  | { readonly state: 'closed'; readonly timeouts: number }
  | { readonly state: 'open'; readonly untilMs: number; readonly pauses: number }
  | { readonly state: 'probing'; readonly probe: unknown; readonly pauses: number };

export class Breaker {
  private readonly options: BreakerOptions;
  private now: BreakerState = { state: 'closed', timeouts: 0 };

  constructor(options: BreakerOptions) {
    this.options = options;
  }

  get isClosed(): boolean {
    return this.now.state === 'closed';
  }

  /** Half-open ones are `open`, and let the next one pass. */
  get state(): BreakerState['state'] {
    return this.now.state;
  }

  /** As others are told: half-open is also one whose pause is over, and no one has come yet. */
  shown(nowMs: number): 'closed' | 'open' | 'half-open' {
    const state = this.now;
    if (state.state === 'closed') return 'closed';
    return state.state === 'open' && nowMs < state.untilMs ? 'open' : 'half-open';
  }

  /** When to try again, in milliseconds from now; null where a transaction may pass. */
  refusal(nowMs: number): number | null {
    const state = this.now;
    if (state.state === 'closed') return null;
    if (state.state === 'probing') return this.options.breakerPauseMs;
    return nowMs >= state.untilMs ? null : Math.max(1, Math.ceil(state.untilMs - nowMs));
  }

  /** Its prepare goes out; half-open, it is the probe. */
  passed(one: unknown): void {
    if (this.now.state !== 'open') return;
    this.now = { state: 'probing', probe: one, pauses: this.now.pauses };
  }

  /** A vote that counted. True where it closed the breaker. */
  voted(): boolean {
    const wasClosed = this.isClosed;
    this.close();
    return !wasClosed;
  }

  close(): void {
    this.now = { state: 'closed', timeouts: 0 };
  }

  /**
   * True where it opened the breaker, and not where it only stays so.
   *
   * `fraction`: chance as data, from 0 up to 1.
   */
  timedOut(one: unknown, nowMs: number, fraction: () => number): boolean {
    const state = this.now;
    if (state.state === 'probing') {
      if (state.probe === one) this.open(state.pauses + 1, nowMs, fraction);
      return false;
    }
    if (state.state === 'open' || this.options.breakerAfter === 0) return false;
    const timeouts = state.timeouts + 1;
    if (timeouts < this.options.breakerAfter) {
      this.now = { state: 'closed', timeouts };
      return false;
    }
    this.open(1, nowMs, fraction);
    return true;
  }

  /** Its transaction is over without a vote or a time-out of its own. */
  ended(one: unknown, nowMs: number): void {
    const state = this.now;
    if (state.state !== 'probing' || state.probe !== one) return;
    this.now = { state: 'open', untilMs: nowMs, pauses: state.pauses };
  }

  heard(nowMs: number): void {
    const state = this.now;
    if (state.state !== 'open') return;
    this.now = { ...state, untilMs: Math.min(state.untilMs, nowMs) };
  }

  private open(pauses: number, nowMs: number, fraction: () => number): void {
    const { breakerPauseMs: retryDelayMs, maxBreakerPauseMs: maxRetryDelayMs } = this.options;
    const delays = { retryDelayMs, maxRetryDelayMs };
    const untilMs = nowMs + backoffMs(pauses, delays, fraction());
    this.now = { state: 'open', untilMs, pauses };
  }
}
