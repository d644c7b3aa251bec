/** Calls the application: bounded in number, with its signal, its `working` and its errors. */
import type { BranchIdentity, PrepareData, Prepared, StoreFound } from '../core/branch/branch.ts';
import { thrownAs, thrownLine } from '../core/thrown.ts';
import type { TimerHandle } from '../core/timer-wheel.ts';
import { Delays } from '../peer/delays.ts';
import {
  BranchEndedError,
  type EndCall,
  type PrepareCall,
  type PrepareResult,
} from '../ports/resource.ts';
import type { ParticipantContext } from './context.ts';
import { Gate } from './gate.ts';
import { reasonOf, textOf } from './prepare-failure.ts';
import { checkedResult, type ResultLimits } from './results.ts';

export interface ApplicationOptions extends ParticipantContext {
  readonly limits: () => ResultLimits;
}

/** Why a commit or a rollback is not done. */
export interface Failure {
  readonly message: string;
  readonly found?: StoreFound;
}

/** What a call of prepare tells until it ends. */
export interface PrepareEvents {
  /** Now and then, until the result is there. */
  working(): void;
  /** Once, when the coordinator no longer waits. */
  timeout(): void;
  /** Once, and never from within the call that began it. */
  prepared(prepared: Prepared): void;
}

export class Application {
  readonly #given: ApplicationOptions;
  readonly #prepares: Gate;
  /**
   * Of their own: prepares that wait for locks may fill the other gate, and the commits that would
   * release these locks must not wait behind them.
   */
  readonly #ends: Gate;
  readonly #delays: Delays<PrepareRun>;
  #preparing = 0;

  constructor(given: ApplicationOptions) {
    const { options, clock } = given;
    this.#given = given;
    this.#prepares = new Gate(options.maxConcurrency);
    this.#ends = new Gate(options.maxConcurrency);
    this.#delays = new Delays(clock, (run) => this.#due(run));
  }

  /** No place is left for one more prepare, not even to wait. */
  get full(): boolean {
    const { maxConcurrency, maxQueue } = this.#given.options;
    return this.#preparing >= maxConcurrency + maxQueue;
  }

  prepare(branch: BranchIdentity, data: PrepareData, events: PrepareEvents): PrepareRun {
    const { clock } = this.#given;
    const run = new PrepareRun({ branch, data, events, startedAtMs: clock.monotonicMs() });
    this.#preparing += 1;
    this.#setTimer(run, run.startedAtMs);
    this.#prepares.enter(() => this.#call(run));
    return run;
  }

  #call(run: PrepareRun): void {
    this.#callResource(run).then(
      (returned) => {
        this.#given.reached('after-application-prepare');
        this.#prepared(run, checkedResult(returned, this.#given.limits()));
      },
      (error: unknown) => {
        const { branch, interrupted } = run;
        if (interrupted === null) {
          const fields = { ...branch, error: thrownLine(error) };
          this.#given.logger.warn(fields, 'prepare of the application threw');
        }
        this.#prepared(run, { vote: 'threw', reason: reasonOf(error) });
      },
    );
  }

  #callResource(run: PrepareRun): Promise<PrepareResult<unknown>> {
    const { txid, branch } = run.branch;
    const { timeoutMs, payload, traceparent } = run.data;
    this.#given.reached('before-prepare');
    // Interrupted while it waited for its turn. If it enlisted itself it may hold something.
    if (run.interrupted !== null) return Promise.reject(run.interrupted);
    const call: PrepareCall<unknown> = {
      txid,
      branch,
      payload,
      instance: this.#given.journal.instance,
      timeoutMs,
      // Made when it is asked for: few applications do, and it is the dearest thing here.
      get signal() {
        return run.signal;
      },
      working: () => run.events.working(),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    try {
      return Promise.resolve(this.#given.resource.prepare(call));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #prepared(run: PrepareRun, prepared: Prepared): void {
    this.#preparing -= 1;
    if (run.timer !== null) this.#delays.stop(run.timer);
    this.#prepares.leave();
    run.events.prepared(prepared);
  }

  /** One timer for the time-out and for the next `working`, whichever comes first. */
  #setTimer(run: PrepareRun, nowMs: number): void {
    const { workingMs } = this.#given.options;
    const { timeoutMs } = run.data;
    const leftMs =
      timeoutMs > 0 && !run.timedOut
        ? run.startedAtMs + timeoutMs - nowMs
        : Number.POSITIVE_INFINITY;
    const delayMs = Math.min(leftMs, workingMs > 0 ? workingMs : Number.POSITIVE_INFINITY);
    run.timer = Number.isFinite(delayMs) ? this.#delays.start(Math.max(0, delayMs), run) : null;
  }

  #due(run: PrepareRun): void {
    const nowMs = this.#given.clock.monotonicMs();
    const { timeoutMs } = run.data;
    const over = timeoutMs > 0 && !run.timedOut && nowMs >= run.startedAtMs + timeoutMs;
    if (over) run.timedOut = true;
    this.#setTimer(run, nowMs);
    if (over) run.events.timeout();
    else run.events.working();
  }

  /** No time-out and no `working` any more. */
  close(): void {
    this.#delays.close();
  }

  /** Tells null when it is done, else why it failed; never from within this call. */
  end(
    call: 'commit' | 'rollback',
    branch: Omit<EndCall<unknown>, 'instance'>,
    ended: (failure: Failure | null) => void,
  ): void {
    const { resource, reached, logger, journal } = this.#given;
    this.#ends.enter(() => {
      if (call === 'commit') reached('before-commit-applied');
      let returned: Promise<void>;
      try {
        returned = Promise.resolve(resource[call]({ ...branch, instance: journal.instance }));
      } catch (error) {
        returned = Promise.reject(error);
      }
      returned.then(
        () => {
          this.#ends.leave();
          ended(null);
        },
        (error: unknown) => {
          this.#ends.leave();
          const { txid, branch: name } = branch;
          const found = thrownAs(error, BranchEndedError)?.found;
          if (found === 'committed-by-sibling' && branch.takenOver !== true) {
            logger.info({ txid, branch: name }, committedBySibling);
          } else {
            logger.warn(
              { txid, branch: name, error: thrownLine(error) },
              `${call} of the application threw; it is called again`,
            );
          }
          ended({ message: textOf(error), ...(found === undefined ? {} : { found }) });
        },
      );
    });
  }
}

/** One call of prepare, from its place in the queue to its result. */
export class PrepareRun {
  readonly branch: BranchIdentity;
  readonly data: PrepareData;
  readonly events: PrepareEvents;
  readonly startedAtMs: number;
  timer: TimerHandle | null = null;
  timedOut = false;
  /** Why its result no longer matters, where it does not. */
  interrupted: Error | null = null;
  #controller: AbortController | null = null;

  constructor(given: Pick<PrepareRun, 'branch' | 'data' | 'events' | 'startedAtMs'>) {
    this.branch = given.branch;
    this.data = given.data;
    this.events = given.events;
    this.startedAtMs = given.startedAtMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.interrupted !== null) this.#controller.abort(this.interrupted);
    }
    return this.#controller.signal;
  }

  interrupt(why: keyof typeof interruptions): void {
    if (this.interrupted !== null) return;
    this.interrupted = new Error(interruptions[why]);
    this.#controller?.abort(this.interrupted);
  }
}

/** Nothing failed: "abort" was said below the floor, and the journal follows the store (8.7). */
const committedBySibling =
  'the branch was committed by another instance while this one was away: nothing was undone';

const interruptions = {
  rollback: 'The transaction was rolled back while it was being prepared.',
  timeout: 'The coordinator no longer waits for this prepare.',
  closed: 'The participant was closed.',
} as const;
