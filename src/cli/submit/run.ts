/**
 * The run of a `submit`: reads, submits a bounded number at once, reports each outcome. Memory is
 * constant: one chunk of input, one line, `concurrency` transactions. Reading waits for
 * transactions, and these wait for the output.
 */
import { factsOf } from '../../peer/verdict-error.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Line, LineReader } from './line-reader.ts';
import { parseLine, type SubmittedTransaction } from './parse-line.ts';
import type { SubmitEnd, SubmitReport } from './report.ts';
import type { StopCause } from './tally.ts';
import type { Ended, Transact } from './transact.ts';

/** A longer line is not read. It would not fit the frame of a node with default limits either. */
export const maxLineBytes = 1_048_576;

export interface RunOptions {
  readonly transact: Transact;
  readonly report: SubmitReport;
  readonly clock: Clock;
  readonly concurrency: number;
  /** The shortest time after which `transact` gives a transaction up. */
  readonly timeoutMs: number;
}

/** Timers of the system may fire this much before their time. */
const timerEarlyMs = 2;

export class SubmitRun {
  readonly #options: RunOptions;
  readonly #reader: LineReader = new LineReader({ maxLineBytes });
  readonly #reading = new AbortController();
  readonly #waiting = new AbortController();
  #stopCause: StopCause | null = null;
  #inFlight = 0;
  /** Resolved by the next end of a transaction. */
  #ended: PromiseWithResolvers<void> = Promise.withResolvers();
  #answers = 0;
  #lastLine = 0;
  #withoutRequestId = false;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** Aborts when no more input is wanted. */
  get reading(): AbortSignal {
    return this.#reading.signal;
  }

  /** No further line is submitted; those in flight go on. The first cause stays. */
  stop(cause: StopCause): void {
    this.#stopCause ??= cause;
    this.#reading.abort(new Error(`Stopped: ${cause}.`));
  }

  /** Those in flight are no longer waited for. Nothing is undone: they end as unknown. */
  abandon(): void {
    this.#waiting.abort(new Error('The wait was given up.'));
  }

  /** `input` must end or fail once `reading` aborts. Never rejects. */
  async run(input: AsyncIterable<Uint8Array>): Promise<SubmitEnd> {
    const { clock } = this.#options;
    const startedAtMs = clock.monotonicMs();
    let inputFailure: SubmitEnd['inputFailure'] = null;
    try {
      for await (const chunk of input) {
        if (!(await this.#take(this.#reader.push(chunk)))) break;
      }
      await this.#take(this.#reader.end());
    } catch (error) {
      if (!this.reading.aborted) inputFailure = { error };
    }
    while (this.#inFlight > 0) await this.#ended.promise;
    return {
      stopCause: this.#stopCause,
      inputFailure,
      lastLine: this.#lastLine,
      withoutRequestId: this.#withoutRequestId,
      ms: clock.monotonicMs() - startedAtMs,
    };
  }

  /** False: no more is wanted. */
  async #take(lines: readonly Line[]): Promise<boolean> {
    const { report, concurrency } = this.#options;
    for (const line of lines) {
      while (this.#inFlight >= concurrency && !this.reading.aborted) await this.#ended.promise;
      await report.room();
      if (this.reading.aborted) return false;
      this.#lastLine = line.number;
      this.#submit(line);
      report.progress.update(line.endsAtByte);
    }
    return !this.reading.aborted;
  }

  #submit(line: Line): void {
    const { report } = this.#options;
    if (line.kind === 'bad') {
      return report.bad({ line: line.number, requestId: null, problem: line.problem });
    }
    const parsed = parseLine(line.text);
    if (!parsed.ok) return report.bad({ line: line.number, ...parsed });
    void this.#transact(line.number, parsed.transaction);
  }

  async #transact(line: number, transaction: SubmittedTransaction): Promise<void> {
    const { transact, report, clock, timeoutMs } = this.#options;
    const requestId = transaction.requestId ?? null;
    if (requestId === null) this.#withoutRequestId = true;
    const answersBefore = this.#answers;
    const startedAtMs = clock.monotonicMs();
    this.#inFlight += 1;
    const ended = await transact(transaction, { signal: this.#waiting.signal });
    const ms = clock.monotonicMs() - startedAtMs;
    report.ended({ line, requestId, ended, ms });
    if (isAnswered(ended)) {
      this.#answers += 1;
    } else if (ms >= timeoutMs - timerEarlyMs && this.#answers === answersBefore) {
      // Nothing was answered for a whole time-out: the next line would fare no better.
      // (A lost connection alone says less: without a requestId it ends a call at once.)
      this.stop('unreachable');
    }
    this.#inFlight -= 1;
    this.#ended.resolve();
    this.#ended = Promise.withResolvers();
  }
}

/** False where nothing is known of the coordinator: it may be gone. */
function isAnswered(ended: Ended): boolean {
  if (!('error' in ended)) return true;
  const { retryable, acted } = factsOf(ended.error.code);
  return !retryable || acted === 'nothing';
}
