/** What `run` rejects with beside what the function threw. */
import type { AbortReason } from '../core/catalogue.ts';
import type { Txid } from '../core/txid.ts';
import { VerdictError } from '../peer/verdict-error.ts';

/** Nothing of the run stays in any database. */
export class TransactionAbortedError extends Error {
  /** Always this. */
  override readonly name = 'TransactionAbortedError';
  /** Of the last attempt. */
  readonly reason: AbortReason;
  /** Of the last attempt. */
  readonly txid: Txid;
  /** How often the function was called. */
  readonly attempts: number;

  constructor(
    reason: AbortReason,
    more: { readonly txid: Txid; readonly attempts: number; readonly cause?: unknown },
  ) {
    const { txid, attempts, cause } = more;
    const tries = attempts === 1 ? '' : ` (after ${attempts} attempts)`;
    super(
      `Nothing was changed in any database${tries}: ${reason.message}`,
      cause === undefined ? undefined : { cause },
    );
    this.reason = reason;
    this.txid = txid;
    this.attempts = attempts;
  }
}

export function notSettled(txid: Txid, state: string): VerdictError {
  return new VerdictError(
    'TIMEOUT',
    `The transaction was ${state} when the time was over: a database has not done its part yet. It is tried again until it has.`,
    { retryable: true, acted: 'unknown', txid },
  );
}
