/** A function in a transaction, tried again while its aborts can pass. */
import type { AbortReason } from '../core/catalogue.ts';
import type { Txid } from '../core/txid.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import { Call, callMarginMs } from './call.ts';
import type { Cluster } from './cluster.ts';
import { Retries } from './retry.ts';
import { begin, type Transaction } from './transaction.ts';
import type { AnswerWhen, CallOptions, TransactionOptions, TransactionOutcome } from './types.ts';

/** What `client.run` takes. */
export interface RunOptions extends CallOptions {
  /** For everything, all attempts and pauses included. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** How often the function is called at most. Default 5. */
  readonly maxAttempts?: number;
  /** The first pause between two attempts, in milliseconds; it doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** The longest pause, in milliseconds. Default 2,000. */
  readonly maxRetryDelayMs?: number;
  /** When it resolves: see `CommitOptions`. Default `decided`. */
  readonly answer?: AnswerWhen | undefined;
  /** Time-out and labels of each transaction. */
  readonly transaction?: TransactionOptions;
}

/** What the function of `client.run` is told of the attempt that it is called for. */
export interface RunContext {
  /** 1 for the first call of the function. */
  readonly attempt: number;
  /** The caller's own signal. */
  readonly signal: AbortSignal | undefined;
}

/** What became of `client.run`: of the attempt that committed, or of the last one. */
export type RunResult<Value> =
  | {
      readonly outcome: 'committed';
      readonly txid: Txid;
      readonly readonly: boolean;
      readonly results: Record<string, unknown> | null;
      /** Where `answer: 'applied'` was asked for. */
      readonly applied?: boolean;
      /** What the function returned in the attempt that committed. */
      readonly value: Value;
      readonly attempts: number;
    }
  | {
      readonly outcome: 'aborted';
      readonly txid: Txid;
      /** Of the last attempt. */
      readonly reason: AbortReason;
      readonly attempts: number;
    };

export const runTimeoutMs = 60_000;

export async function run<Value>(
  cluster: Cluster,
  work: (tx: Transaction, context: RunContext) => Promise<Value>,
  options: RunOptions & { readonly settings: TransactionOptions },
): Promise<RunResult<Value>> {
  const { answer, maxAttempts = 5, settings } = options;
  const whole = new Call(cluster.clock, { ...options, defaultTimeoutMs: runTimeoutMs });
  const retries = new Retries(cluster, whole, { ...options, maxAttempts, of: '' });
  for (let attempts = 1; ; attempts += 1) {
    // `begin` repeats itself by what passes; what it throws does not pass.
    const tx = await begin(cluster, { settings, call: whole, within: whole });
    let value: Value;
    try {
      value = await work(tx, { attempt: attempts, signal: whole.signal });
    } catch (error) {
      if (await retries.after({ retryable: await passesAfterRollback(tx, error) })) continue;
      throw error;
    }
    // Its errors are final: an unknown outcome must not be followed by another attempt.
    const outcome = await tx.commit({ answer }).catch(async (error: unknown) => {
      if (isVerdictError(error) && error.acted === 'nothing') await giveUp(tx);
      throw error;
    });
    if (await retries.afterOutcome(outcome)) continue;
    return outcome.outcome === 'committed'
      ? { ...outcome, value, attempts }
      : { ...outcome, attempts };
  }
}

/**
 * Rolls back, and says whether the function failed only because it lost its transaction. One that
 * called `commit` itself is not called again: its commit may have succeeded.
 */
async function passesAfterRollback(tx: Transaction, error: unknown): Promise<boolean> {
  if (tx.commitRequested) return false;
  const ended = await giveUp(tx);
  if (!isVerdictError(error)) return false;
  return error.retryable || (ended?.outcome === 'aborted' && ended.reason.retryable);
}

/** Lets a failure pass: the transaction's time-out rolls it back too. */
function giveUp(tx: Transaction): Promise<TransactionOutcome | null> {
  return tx.rollback('The function gave up.', { timeoutMs: callMarginMs }).catch(() => null);
}
