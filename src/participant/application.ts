/** Calls the application: bounded in number, with its signal, its `working` and its errors. */
import type { BranchIdentity, PrepareData, Prepared, StoreFound } from '../core/branch/branch.ts';
import { thrownAs, thrownLine } from '../core/thrown.ts';
import type { TimerHandle } from '../core/timer-wheel.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { Delays } from '../peer/delays.ts';
import {
  BranchEndedError,
  type EndCall,
  type PrepareCall,
  type PrepareResult,
} from '../ports/resource.ts';
import { tracing } from '../tracing/tracing.ts';
import type { ParticipantContext } from './context.ts';
import { Gate } from './gate.ts';
import { type ApplicationCall, LateCalls, type LateCounts } from './late-calls.ts';
import { reasonOf, textOf } from './prepare-failure.ts';
import { checkedResult, type ResultLimits } from './results.ts';
import { isPayloadRefusal } from './schema.ts';

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

/** A branch that the application is called for. */
interface Called {
  readonly identity: BranchIdentity;
  readonly trace: TraceContext | null;
  /** By itself: the application works on it before it is asked to prepare. */
  readonly enlisted: boolean;
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
  readonly #lateCalls: LateCalls;
  #preparing = 0;
  #closed = false;

  constructor(given: ApplicationOptions) {
    const { options, clock } = given;
    this.#given = given;
    this.#prepares = new Gate(options.maxConcurrency);
    this.#ends = new Gate(options.maxConcurrency);
    this.#delays = new Delays(clock, 'time', (run) => this.#due(run));
    this.#lateCalls = new LateCalls({
      ...given,
      waiting: () => this.#prepares.waiting + this.#ends.waiting,
    });
  }

  /** Calls that have not returned long after they should have. */
  get late(): LateCounts {
    return this.#lateCalls.counts();
  }

  /** No place is left for one more prepare, not even to wait. */
  get full(): boolean {
    const { maxConcurrency, maxQueue } = this.#given.options;
    return this.#preparing >= maxConcurrency + maxQueue;
  }

  prepare(
    { identity, trace, enlisted }: Called,
    data: PrepareData,
    events: PrepareEvents,
  ): PrepareRun {
    const { clock } = this.#given;
    const run = new PrepareRun({
      branch: identity,
      trace,
      enlisted,
      data,
      events,
      startedAtMs: clock.monotonicMs(),
    });
    this.#preparing += 1;
    this.#setTimer(run, run.startedAtMs);
    this.#prepares.enter(() => this.#call(run));
    return run;
  }

  #call(run: PrepareRun): void {
    this.#callResource(run).then(
      (returned) => {
        this.#given.reached('after-application-prepare');
        const checked = checkedResult(returned, this.#given.limits());
        // (!) It has worked since it enlisted, and did not say this vote: it may hold something.
        const holds = run.enlisted && checked.vote === 'abort' && isPayloadRefusal(returned);
        this.#prepared(run, holds ? { vote: 'threw', reason: checked.reason } : checked);
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
    this.#lateCalls.begin(run, { call: 'prepare', txid, branch, timeoutMs });
    return this.#traced('prepare', run.branch, run.trace, () =>
      promised(() => this.#given.resource.prepare(call)),
    );
  }

  #prepared(run: PrepareRun, prepared: Prepared): void {
    this.#preparing -= 1;
    this.#lateCalls.end(run);
    const { figures, clock } = this.#given;
    figures?.prepare.record(clock.monotonicMs() - run.startedAtMs);
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

  /** What the application does hangs below the message that asked for it. */
  #traced<Value>(
    call: ApplicationCall['call'],
    { txid, branch }: BranchIdentity,
    trace: TraceContext | null,
    make: () => Promise<Value>,
  ): Promise<Value> {
    const spans = tracing();
    if (spans === null) return make();
    const { participant } = this.#given;
    const attributes = {
      'verdict.txid': txid,
      'verdict.branch': branch,
      'verdict.participant': participant,
    };
    return spans.callInSpan(
      { name: `${participant} ${call}`, kind: 'server', trace: trace ?? {}, attributes },
      make,
      (value) => voteIn(value),
    );
  }

  /** No time-out and no `working` any more, and nothing that still waits for its turn. */
  close(): void {
    this.#closed = true;
    this.#delays.close();
    this.#lateCalls.close();
  }

  /** Tells null when it is done, else why it failed; never from within this call. */
  end(
    call: 'commit' | 'rollback',
    branch: Omit<EndCall<unknown>, 'instance'>,
    trace: TraceContext | null,
    ended: (failure: Failure | null) => void,
  ): void {
    const { resource, reached, logger, journal } = this.#given;
    this.#ends.enter(() => {
      // Its store may be closed by now, and another process may have the journal.
      if (this.#closed) return;
      if (call === 'commit') reached('before-commit-applied');
      const end = { ...branch, instance: journal.instance };
      const { txid, branch: name } = branch;
      this.#lateCalls.begin(end, { call, txid, branch: name, timeoutMs: 0 });
      const returned = this.#traced(call, branch, trace, () => promised(() => resource[call](end)));
      returned.then(
        () => {
          this.#lateCalls.end(end);
          this.#ends.leave();
          ended(null);
        },
        (error: unknown) => {
          this.#lateCalls.end(end);
          this.#ends.leave();
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
  readonly trace: TraceContext | null;
  readonly enlisted: boolean;
  readonly data: PrepareData;
  readonly events: PrepareEvents;
  readonly startedAtMs: number;
  timer: TimerHandle | null = null;
  timedOut = false;
  /** Why its result no longer matters, where it does not. */
  interrupted: Error | null = null;
  #controller: AbortController | null = null;

  constructor(
    given: Pick<PrepareRun, 'branch' | 'trace' | 'enlisted' | 'data' | 'events' | 'startedAtMs'>,
  ) {
    this.branch = given.branch;
    this.trace = given.trace;
    this.enlisted = given.enlisted;
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

/** What it throws, it rejects with. */
function promised<Value>(call: () => Promise<Value> | Value): Promise<Value> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What JavaScript returned may be no vote. */
function voteIn(value: unknown): { readonly 'verdict.vote'?: string } {
  const { vote } = (value ?? {}) as { readonly vote?: unknown };
  return vote === 'commit' || vote === 'readonly' || vote === 'abort'
    ? { 'verdict.vote': vote }
    : {};
}

/** Nothing failed: "abort" was said below the floor, and the journal follows the store (8.7). */
const committedBySibling =
  'the branch was committed by another instance while this one was away: nothing was undone';

const interruptions = {
  rollback: 'The transaction was rolled back while it was being prepared.',
  timeout: 'The coordinator no longer waits for this prepare.',
  closed: 'The participant was closed.',
} as const;
