/** A function in a transaction, tried again while its aborts can pass. */
import type { AbortReason } from '../core/catalogue.ts';
import { notDeferred } from '../core/fields.ts';
import type { Txid } from '../core/txid.ts';
import {
  isVerdictError,
  OutcomeUnknownError,
  VerdictError,
  withoutEffect,
} from '../peer/verdict-error.ts';
import { Call, callMarginMs, endingWithin } from './call.ts';
import type { Cluster } from './cluster.ts';
import { Retries } from './retry.ts';
import { begin, neverCommitted, type Transaction } from './transaction.ts';
import type { AnswerWhen, CallOptions, TransactionOptions, TransactionOutcome } from './types.ts';

/** What `client.run` takes. */
export interface RunOptions extends CallOptions {
  /**
   * For everything, all attempts and pauses included. Default 60,000. Past it a function that has
   * not returned is not waited for, its transaction is rolled back, and what it still asks of it is
   * refused. The rollback is waited for, up to 5 s more.
   */
  readonly timeoutMs?: number | undefined;
  /** How often the function is called at most. Default 5. */
  readonly maxAttempts?: number;
  /** The first pause between two attempts, in milliseconds; it doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** The longest pause, in milliseconds. Default 2,000. */
  readonly maxRetryDelayMs?: number;
  /** When it resolves: see `CommitOptions`. Default `decided`. */
  readonly answer?: AnswerWhen | undefined;
  /**
   * Time-out and labels of each transaction. The time-out is nine tenths of what is left of all at
   * most, so that its end is heard of, and none goes on for long after a process that died.
   */
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
    const tx = await begin(cluster, {
      settings: endingWithin(whole, settings),
      call: whole,
      within: whole,
    });
    const { txid } = tx;
    const context = { attempt: attempts, signal: whole.signal };
    const called = new FunctionCall(() => tx.within(() => work(tx, context)));
    let value: Value;
    try {
      value = notDeferred(await called.within(cluster, whole), functionOf(tx));
      if (tx.enlisting > 0) throw stillEnlisting(tx);
    } catch (failed) {
      const runs = called.isLeft(failed);
      if (runs) tx.abandon();
      // It may have succeeded. One that was refused, and waited to be sent again, ended with run.
      if (runs ? await tx.mayHaveCommitted() : tx.commitRequested) {
        throw called.failure(failed, tx, { mayHaveCommitted: true });
      }
      const ended = await giveUp(tx);
      const isOpen = mayHaveCommitted(tx, ended);
      const error = called.failure(failed, tx, { mayHaveCommitted: isOpen });
      if (isOpen) throw error;
      if (await retries.after({ retryable: passes(error, ended) })) continue;
      const reason = lostUnder(tx, error, ended);
      if (reason !== null) return { outcome: 'aborted', txid, reason, attempts };
      throw tx.threw(error) ? withoutEffect(error, neverCommitted) : error;
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

/** Whoever has its share may have committed it. */
function mayHaveCommitted(tx: Transaction, ended: TransactionOutcome | null): boolean {
  return ended === null ? tx.isShared : ended.outcome === 'committed';
}

/**
 * Whether the function failed only because it lost its transaction, or for what passes. Not where
 * another transaction, which it ran itself, may have committed: it would be run twice. Nor where a
 * part of it still runs.
 */
function passes(error: unknown, ended: TransactionOutcome | null): boolean {
  if (!isVerdictError(error) || error.code === 'OUTCOME_UNKNOWN') return false;
  if (isOfRunningFunction(error)) return false;
  return error.retryable || (ended?.outcome === 'aborted' && ended.reason.retryable);
}

/** Why the transaction had aborted before it was given up, where the function failed of that. */
function lostUnder(
  tx: Transaction,
  error: unknown,
  ended: TransactionOutcome | null,
): AbortReason | null {
  if (!tx.threw(error) || error.acted !== 'nothing' || ended?.outcome !== 'aborted') return null;
  return ended.reason.code === 'ROLLED_BACK' ? null : ended.reason;
}

function functionOf({ txid }: Transaction): string {
  return `The function of the transaction ${txid}`;
}

function stillEnlisting(tx: Transaction): TypeError {
  const { enlisting } = tx;
  return new TypeError(
    `${functionOf(tx)} returned while ${enlisting} enlist ${enlisting === 1 ? 'was' : 'were'} still under way. It was rolled back: await all of them, or it would commit without them.`,
  );
}

/** Lets a failure pass: the transaction's time-out rolls it back too. */
function giveUp(tx: Transaction): Promise<TransactionOutcome | null> {
  return tx.rollback('The function gave up.', { timeoutMs: callMarginMs }).catch(() => null);
}

/**
 * One call of the function of `client.run`. No one can stop it from outside: past the time of `run`
 * it is not waited for any more. What it goes on with then is refused, since the calls of its
 * transaction end with `run`, too; and what it throws then is heard by no one.
 */
class FunctionCall<Value> {
  readonly #returned: Promise<Value>;
  #threw: { readonly error: unknown } | null = null;
  #over: VerdictError | null = null;

  constructor(work: () => Promise<Value>) {
    // What it throws, it rejects with.
    this.#returned = (async () => work())();
    this.#returned.catch((error: unknown) => {
      this.#threw = { error };
    });
  }

  /** What it returns, or throws. Rejects where the call is over before, or the client is closed. */
  async within(cluster: Cluster, call: Call): Promise<Value> {
    await cluster.until(call, this.#returned).catch((over: VerdictError) => {
      this.#over = over;
      throw over;
    });
    return this.#returned;
  }

  /** Whether it failed with this because it was not waited for any longer. */
  isLeft(error: unknown): boolean {
    return this.#over !== null && error === this.#over;
  }

  /**
   * The error of its transaction, which was given up for `error`. Where it still runs that says so;
   * where it threw something of its own meanwhile, that says more.
   */
  failure(
    error: unknown,
    tx: Transaction,
    { mayHaveCommitted }: { readonly mayHaveCommitted: boolean },
  ): unknown {
    const over = this.#over;
    if (over === null || error !== over) return error;
    const threw = this.#threw;
    if (threw !== null && !(mayHaveCommitted && tx.threw(threw.error))) return threw.error;
    const { txid } = tx;
    const { code, cause = over } = over;
    const why = code === 'TIMEOUT' ? 'the time of run was over' : 'run was given up';
    const still = `The function of the transaction ${txid} was still running when ${why}`;
    if (mayHaveCommitted) {
      const text = `${still}. It may have committed: ask for its status.`;
      return new OutcomeUnknownError(text, { txid, cause });
    }
    const rolledBack = code === 'CLOSED' ? 'ends by its own time-out' : 'is rolled back';
    const text = `${still}. The transaction ${rolledBack}. Nothing stops the function: give what it waits for a time-out.`;
    // Not to be repeated as it is: it would run beside itself.
    const left = new VerdictError(code, text, { retryable: false, acted: 'nothing', txid, cause });
    stillRunning.add(left);
    return left;
  }
}

const stillRunning = new WeakSet<VerdictError>();

/** Whether `run` threw this while its function went on: it may do more, by other transactions. */
export function isOfRunningFunction(error: VerdictError): boolean {
  return stillRunning.has(error);
}
