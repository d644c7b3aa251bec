/**
 * Tries an aborted one-shot again. "Aborted" is final for its attempt and all below, so the next
 * has another number, and at most one commits (I8, one commit for each request id).
 */
import { backoffMs, retryDelays, spreadMs } from '../core/backoff.ts';
import { retryAfterMsOf } from '../peer/verdict-error.ts';
import type { Call } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { RetryOptions, TransactionOutcome } from './types.ts';

/** With retries, for the whole call. */
export const retryTimeoutMs = 60_000;

export class Retries {
  readonly #cluster: Cluster;
  readonly #call: Call;
  readonly #options: Required<RetryOptions>;
  #aborts = 0;

  /** `of`: what the options are called to the caller. */
  constructor(
    cluster: Cluster,
    call: Call,
    options: RetryOptions & { readonly maxAttempts: number; readonly of: string },
  ) {
    const { maxAttempts, of } = options;
    if (!(maxAttempts >= 1)) {
      throw new RangeError(`${of}maxAttempts must be 1 or more, not ${maxAttempts}`);
    }
    this.#cluster = cluster;
    this.#call = call;
    this.#options = { maxAttempts, ...retryDelays(options) };
  }

  /**
   * Waits until the next attempt is due. False: this one was the last. `leftMs`: for how long a
   * request may still be sent.
   */
  async after(
    failure: { readonly retryable: boolean; readonly retryAfterMs?: number },
    leftMs: number = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    this.#aborts += 1;
    if (!failure.retryable || this.#aborts >= this.#options.maxAttempts) return false;
    const { random } = this.#cluster;
    const ownMs = backoffMs(this.#aborts, this.#options, random.fraction());
    const pauseMs = ownMs + spreadMs(retryAfterMsOf(failure) ?? 0, random.fraction());
    // No pause that the time-out would end: what is known now is the better answer.
    if (this.#call.over() !== null || pauseMs >= Math.min(leftMs, this.#call.leftMs()))
      return false;
    this.#cluster.figures.retries.aborted += 1;
    await this.#cluster.pause(this.#call, pauseMs);
    // Closed meanwhile: what is known is the better answer here, too.
    return !this.#cluster.closed;
  }

  /** The same of an outcome: a commit is the last. */
  async afterOutcome(outcome: TransactionOutcome<unknown>, leftMs?: number): Promise<boolean> {
    if (outcome.outcome === 'committed') return false;
    const { retryable, retryAfterMs } = outcome.reason;
    // What an answer from memory asked to wait may be long over.
    const asked = outcome.repeated === true || retryAfterMs === undefined ? {} : { retryAfterMs };
    return this.after({ retryable, ...asked }, leftMs);
  }
}
