/**
 * One attempt at a run: the function's work, then the cheapest end that is safe.
 *
 *     no database wrote        all are let go
 *     one wrote                it commits alone: its commit is the decision, nothing is logged
 *     two or more wrote        all prepare, the decision is logged, all commit
 *
 * `SELECT ... FOR UPDATE` in one database may guard what is written in another: who locked counts
 * as a writer, and commits last (commit-order.ts). Who only read is let go before that where its
 * reads have to be checked, and after it where they may hold locks.
 */
import { type AbortReason, abortReason } from '../core/catalogue.ts';
import type { Labels } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import { OutcomeUnknownError } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import { BranchEndedError } from '../ports/resource.ts';
import type { SqlDatabase } from '../resources/sql/database.ts';
import type { BranchUse, OpenBranch } from '../resources/sql/open-branch.ts';
import type { Refusal } from '../resources/sql/refusal.ts';
import { doneWithin } from '../resources/sql/waiting.ts';
import { pause } from '../system/pause.ts';
import { CommitOrder, maxOrderWaitMs } from './commit-order.ts';
import type { BegunRun, Coordination, RunReached } from './coordination.ts';

export interface AttemptGiven {
  readonly clock: Clock;
  readonly coordination: Coordination;
  readonly databases: ReadonlyMap<string, SqlDatabase>;
  readonly reached: RunReached;
  readonly timeoutMs: number;
  readonly labels?: Labels | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type Attempted<Value> =
  | {
      readonly outcome: 'committed';
      readonly txid: Txid;
      readonly value: Value;
      readonly applied: Promise<void>;
    }
  | {
      readonly outcome: 'aborted';
      readonly txid: Txid;
      readonly reason: AbortReason;
      readonly cause?: unknown;
    };

interface Branch {
  readonly name: string;
  readonly database: SqlDatabase;
  readonly open: OpenBranch;
}

type Work<Value> = (
  branches: ReadonlyMap<string, OpenBranch>,
  begun: { readonly txid: Txid; readonly signal: AbortSignal },
) => Promise<Value>;

/** Rejects with what the function threw, where that is no database's refusal. */
export async function attempt<Value>(
  given: AttemptGiven,
  work: Work<Value>,
): Promise<Attempted<Value>> {
  const { clock, coordination, timeoutMs, labels } = given;
  const begun = await coordination.begin({ timeoutMs, labels });
  const stop = new AbortController();
  const late = abortReason('TRANSACTION_TIMEOUT', { retryable: false });
  const timer = clock.setTimer(timeoutMs, () => stop.abort(new TooLate(late)));
  const give = (): void => stop.abort(given.signal?.reason);
  given.signal?.addEventListener('abort', give, { once: true });
  if (given.signal?.aborted === true) give();
  try {
    return await new Attempt(given, begun, stop.signal).run(work);
  } finally {
    timer.cancel();
    given.signal?.removeEventListener('abort', give);
  }
}

class TooLate extends Error {
  readonly reason: AbortReason;
  constructor(reason: AbortReason) {
    super(reason.message);
    this.reason = reason;
  }
}

const firstPauseMs = 20;
const maxPauseMs = 500;

class Attempt {
  readonly #given: AttemptGiven;
  readonly #begun: BegunRun;
  readonly #signal: AbortSignal;
  readonly #branches: readonly Branch[];

  constructor(given: AttemptGiven, begun: BegunRun, signal: AbortSignal) {
    this.#given = given;
    this.#begun = begun;
    this.#signal = signal;
    const { coordination, timeoutMs } = given;
    const { txid } = begun;
    this.#branches = [...given.databases].map(([name, database]) => {
      const instance = coordination.instanceOf(name);
      const open = database.branch({ txid, branch: name, instance, signal, timeoutMs });
      return { name, database, open };
    });
  }

  async run<Value>(work: Work<Value>): Promise<Attempted<Value>> {
    const { txid } = this.#begun;
    const { clock } = this.#given;
    const handles = new Map(this.#branches.map(({ name, open }) => [name, open]));
    let decided = false;
    try {
      const value = await this.#orStopped(work(handles, { txid, signal: this.#signal }));
      this.#given.reached('work-done');
      const uses = await this.#ended();
      const of = (use: BranchUse): Branch[] =>
        this.#branches.filter((_, index) => uses[index] === use);
      for (const { open } of of('read')) await open.endRead();
      const wrote = of('wrote');
      const writers = [...wrote, ...of('guards')];
      // From here on the run may commit, whatever its time and its signal say (!): their locks
      // must not go before that.
      for (const { open } of of('locked')) open.keep();
      this.#signal.throwIfAborted();
      // No one watches them any more: not `endRead`, which waits for an answer.
      const letGo = (): void => void this.#giveUp(of('locked'));
      const [alone] = writers;
      if (writers.length < 2) {
        void this.#begun.leave();
        const unknown = alone === undefined ? null : await this.#commitAlone(alone);
        letGo();
        if (unknown !== null) {
          // Neither its time nor the broken connection makes an abort of it (!): tried again, it
          // would be done twice.
          decided = true;
          throw unknown;
        }
        return { outcome: 'committed', txid, value, applied: Promise.resolve() };
      }
      decided = true;
      const order = new CommitOrder(
        clock,
        wrote.map(({ name }) => name),
      );
      const outcome = await this.#begun
        .decide(new Map(writers.map(({ name, open }) => [name, open])), order)
        .catch((unknown: unknown) => {
          // No one ends them else: they are watched no more.
          letGo();
          throw unknown;
        });
      if (outcome.outcome === 'aborted') {
        await this.#giveUp(of('locked'));
        // One that ended for its time is not tried again.
        const { reason } = outcome;
        const isLate = this.#signal.aborted || reason.code === 'TRANSACTION_TIMEOUT';
        const retryable = reason.retryable && !isLate;
        return { ...outcome, reason: { ...reason, retryable }, txid };
      }
      // Not longer than a commit would wait: a database that is gone must not use up the sessions
      // of the others.
      void doneWithin(clock, outcome.applied, maxOrderWaitMs).then(letGo);
      return { outcome: 'committed', txid, value, applied: outcome.applied };
    } catch (thrown) {
      // What was given to decide, or may be decided, is not given up here.
      if (decided) throw thrown;
      const error = this.#stopped() ?? this.#brokenBy() ?? thrown;
      await this.#giveUp(this.#branches);
      void this.#begun.leave();
      const reason = this.#reasonOf(error);
      if (reason === null) throw error;
      return { outcome: 'aborted', txid, reason, cause: error };
    }
  }

  /** A function that waits for something else must not keep a run beyond its time. */
  async #orStopped<Value>(work: Promise<Value>): Promise<Value> {
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(this.#signal.reason);
    this.#signal.addEventListener('abort', stop, { once: true });
    try {
      this.#signal.throwIfAborted();
      return await Promise.race([work, stopped.promise]);
    } finally {
      this.#signal.removeEventListener('abort', stop);
      // One that goes on fails at its next statement; no one hears of that.
      work.catch(() => undefined);
    }
  }

  async #ended(): Promise<BranchUse[]> {
    const all = await Promise.allSettled(this.#branches.map(({ open }) => open.endWork()));
    return all.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  /**
   * Its commit is the decision. Where the reply is lost, the branch's row tells; where that cannot
   * be read, no one knows. Rejects only where it certainly did not commit.
   */
  async #commitAlone({ name, database, open }: Branch): Promise<OutcomeUnknownError | null> {
    const { txid } = this.#begun;
    const { clock, timeoutMs, coordination, reached } = this.#given;
    const { resource } = database;
    try {
      await open.commitAlone();
    } catch (error) {
      const refusal = open.refusalOf(error);
      if (refusal !== null && refusal.lost !== true) throw error;
      const instance = coordination.instanceOf(name);
      const untilMs = clock.monotonicMs() + timeoutMs;
      await open.giveUp();
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, 2 * pauseMs)) {
        try {
          // Ends the session that may still be at it, then looks for the row.
          await resource.rollback({ txid, branch: name, payload: undefined, instance });
          throw new NotCommitted(error);
        } catch (found) {
          if (found instanceof NotCommitted) throw found.error;
          if (found instanceof BranchEndedError && found.found === 'committed') break;
          if (clock.monotonicMs() >= untilMs)
            return new OutcomeUnknownError(
              `${name} did not say whether it committed. It is the only database that was written: look there for what the run does.`,
              { txid, cause: error },
            );
          await pause(clock, pauseMs);
        }
      }
    }
    reached('committed-alone', name);
    resource.forgotten?.({ txid, branch: name });
    return null;
  }

  async #giveUp(branches: readonly Branch[]): Promise<void> {
    await Promise.all(branches.map(({ open }) => open.giveUp()));
  }

  #stopped(): unknown {
    return this.#signal.aborted ? this.#signal.reason : null;
  }

  /** A statement that ended the transaction, whatever the function made of its failure. */
  #brokenBy(): unknown {
    for (const { open } of this.#branches) {
      const broken = open.sql.stop();
      if (broken !== null) return broken;
    }
    return null;
  }

  /** Null: the function's own. */
  #reasonOf(error: unknown): AbortReason | null {
    if (error instanceof TooLate) return error.reason;
    for (const { name, open } of this.#branches) {
      const refusal: Refusal | null = open.refusalOf(error);
      if (refusal === null) continue;
      const { code = 'VOTED_ABORT', ...more } = refusal.reason;
      return abortReason(code, { ...more, participant: name });
    }
    return null;
  }
}

class NotCommitted extends Error {
  readonly error: unknown;
  constructor(error: unknown) {
    super('not committed');
    this.error = error;
  }
}
