/**
 * Trying an aborted one-shot again. "Aborted" is final for the attempt that was told it, and for all below it (I8): so the next
 * attempt is another number under the same request id, and at most one of them commits.
 */
import { backoffMs, retryDelays } from '../core/backoff.ts';
import { retryAfterMsOf } from '../peer/verdict-error.ts';
import type { Call } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { RetryOptions, TransactOutcome } from './types.ts';

/** With retries, for the whole call. */
export const retryTimeoutMs = 60_000;

export class Retries {
  readonly #cluster: Cluster;
  readonly #call: Call;
  readonly #options: Required<RetryOptions> | null;
  #aborts = 0;

  constructor(cluster: Cluster, call: Call, retry: boolean | RetryOptions | undefined) {
    this.#cluster = cluster;
    this.#call = call;
    this.#options = optionsOf(retry);
  }

  /**
   * Waits for the moment of the next attempt. False where there is none to be: this outcome is the last. `leftMs`: for how long a
   * request may still be sent.
   */
  async after(
    outcome: TransactOutcome<unknown>,
    leftMs: number = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    if (this.#options === null || outcome.outcome === 'committed') return false;
    const { reason, repeated } = outcome;
    this.#aborts += 1;
    if (!reason.retryable || this.#aborts >= this.#options.maxAttempts) return false;
    const ownMs = backoffMs(this.#aborts, this.#options, this.#cluster.random.fraction());
    // What an answer from memory asked to wait may be long over.
    const askedMs = repeated === true ? 0 : (retryAfterMsOf(reason) ?? 0);
    const pauseMs = ownMs + askedMs;
    // No pause that the time-out would end: what is known now is the better answer.
    if (this.#call.over() !== null || pauseMs >= Math.min(leftMs, this.#call.leftMs()))
      return false;
    await this.#call.pause(pauseMs);
    return true;
  }
}

function optionsOf(retry: boolean | RetryOptions | undefined): Required<RetryOptions> | null {
  if (retry === undefined || retry === false) return null;
  const given = retry === true ? {} : retry;
  const { maxAttempts = 10 } = given;
  if (!(maxAttempts >= 1)) {
    throw new RangeError(`retry.maxAttempts must be 1 or more, not ${maxAttempts}`);
  }
  return { maxAttempts, ...retryDelays(given) };
}
