import type { AbortReason, ReasonCode } from '../core/catalogue.ts';
import type { Txid } from '../core/txid.ts';

/** Thrown by a method with `@Transactional()` whose transaction aborted: nothing of it happened. */
export class TransactionAbortedError extends Error {
  /** Always this: match by it where two copies of the package may meet. */
  override readonly name = 'TransactionAbortedError';
  /** The transaction, in its last attempt. */
  readonly txid: Txid;
  /** Why. */
  readonly reason: AbortReason;
  /** How often the method was called. */
  readonly attempts: number;

  constructor(aborted: {
    readonly txid: Txid;
    readonly reason: AbortReason;
    readonly attempts: number;
  }) {
    const { txid, reason, attempts } = aborted;
    super(`The transaction ${txid} was aborted: ${reason.code}: ${reason.message}`);
    this.txid = txid;
    this.reason = reason;
    this.attempts = attempts;
  }

  /** Same as `reason.code`. */
  get code(): ReasonCode {
    return this.reason.code;
  }

  /** Whether the same may commit later. The method was tried again already. */
  get retryable(): boolean {
    return this.reason.retryable;
  }
}

/** By its name: two copies of the package have two classes. */
export function isTransactionAborted(error: unknown): error is TransactionAbortedError {
  const { name, reason } = (error ?? {}) as { readonly name?: unknown; readonly reason?: unknown };
  return name === 'TransactionAbortedError' && typeof reason === 'object' && reason !== null;
}
