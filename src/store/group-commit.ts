/**
 * Group commit: operations that arrive while a transaction is being made durable gather and share
 * the next one. Nothing waits for company: an idle store begins at once.
 *
 * - Bounds: `maxOperationsPerTransaction` in a transaction, one in flight, `maxWaiting` that wait.
 * - Operations run in the order in which they came; each sees what those before it have changed.
 * - None is answered before its transaction is durable, nor waits for another than its own.
 */
import type { Clock, Timer } from '../ports/clock.ts';

/** What operations work on during one transaction. */
export interface Counted {
  readonly changes: number;
}

export interface GroupCommitOptions<Context extends Counted> {
  /**
   * One transaction around `body`, durable when it resolves. When `body` throws, none is written.
   */
  readonly transact: (body: (context: Context) => void) => Promise<void>;
  /** So many operations are durable together. */
  readonly committed?: (operations: number) => void;
  /** Operations that may wait; more are refused. */
  readonly maxWaiting?: number;
  /** Errors as the callers of `run` are to see them. */
  readonly asError?: (error: unknown) => unknown;
}

export class TooManyWaitingError extends Error {
  override readonly name = 'TooManyWaitingError';
}

interface Operation<Context> {
  readonly run: (context: Context) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Result = { readonly value: unknown } | { readonly error: unknown };

/** Bounds the pause that one transaction makes in the event loop. */
const maxOperationsPerTransaction = 1_024;

export class GroupCommit<Context extends Counted> {
  readonly #options: Required<GroupCommitOptions<Context>>;
  #waiting: Operation<Context>[] = [];
  #working: Promise<void> | null = null;
  #lazyTimer: Timer | null = null;

  constructor(options: GroupCommitOptions<Context>) {
    this.#options = {
      maxWaiting: 100_000,
      asError: (error) => error,
      committed: () => undefined,
      ...options,
    };
  }

  /**
   * Runs `operation` in a transaction shared with others; resolves when that is durable. One that
   * throws before its first change rejects alone. One that throws after it is a fault in the
   * program: the whole transaction is dropped, for half an operation must not be written.
   */
  run<T>(operation: (context: Context) => T): Promise<T> {
    return this.#add(operation, () => this.#start());
  }

  /**
   * Like `run`, but in no hurry: it goes with the next transaction that another operation causes,
   * or in one of its own after `delayMs`. Order is kept: whatever is run later sees it.
   */
  runLazily<T>(
    operation: (context: Context) => T,
    lazy: { clock: Clock; delayMs: number },
  ): Promise<T> {
    return this.#add(operation, () => {
      this.#lazyTimer ??= lazy.clock.setTimer(lazy.delayMs, () => this.#start());
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    if (this.#waiting.length > 0) this.#start();
    while (this.#working !== null) await this.#working;
  }

  /** Drops what waits, unanswered: as a crash would. */
  drop(): void {
    this.#waiting = [];
    this.#lazyTimer?.cancel();
  }

  #add<T>(operation: (context: Context) => T, then: () => void): Promise<T> {
    const { maxWaiting, asError } = this.#options;
    if (this.#waiting.length >= maxWaiting) {
      const text = `${maxWaiting} operations wait for the store already. Send fewer at once.`;
      return Promise.reject(asError(new TooManyWaitingError(text)));
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: operation, resolve: resolve as (value: unknown) => void, reject });
      then();
    });
  }

  #start(): void {
    this.#lazyTimer?.cancel();
    this.#lazyTimer = null;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Whatever else this turn of the event loop brings shares the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit();
    this.#working = null;
  }

  async #commit(): Promise<void> {
    const { transact, asError } = this.#options;
    let batch: readonly Operation<Context>[] = [];
    const results: Result[] = [];
    try {
      await transact((context) => {
        // Taken only now: what arrived while the transaction was being opened comes along.
        batch = this.#take();
        for (const operation of batch) results.push(attempt(operation, context));
      });
    } catch (error) {
      if (batch.length === 0) batch = this.#take();
      for (const operation of batch) operation.reject(asError(error));
      return;
    }
    this.#options.committed(batch.length);
    for (const [index, operation] of batch.entries()) {
      const result = results[index] as Result;
      if ('error' in result) operation.reject(asError(result.error));
      else operation.resolve(result.value);
    }
  }

  #take(): readonly Operation<Context>[] {
    return this.#waiting.splice(0, maxOperationsPerTransaction);
  }
}

function attempt<Context extends Counted>(operation: Operation<Context>, context: Context): Result {
  const before = context.changes;
  try {
    return { value: operation.run(context) };
  } catch (error) {
    if (context.changes !== before) throw error;
    return { error };
  }
}
