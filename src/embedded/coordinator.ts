/** The library mode: a transaction coordinator within a process, over objects of it. */

import type { AbortReason } from '../core/catalogue.ts';
import { checkFields, type Fields, shown } from '../core/fields.ts';
import { judge } from '../core/judge.ts';
import type { Labels, Outcome, TransactionState, TransactionStatus } from '../core/messages.ts';
import { statusFromLog } from '../core/status-from-log.ts';
import { thrownLine } from '../core/thrown.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import type { RequestWithoutId } from '../peer/requests.ts';
import { closedError, refusal, VerdictError } from '../peer/verdict-error.ts';
import { silentLogger, userLogger } from '../ports/logger.ts';
import { systemClock } from '../system/clock.ts';
import { pause } from '../system/pause.ts';
import { systemRandom } from '../system/random.ts';
import { loadTracing } from '../tracing/tracing.ts';
import { widestLimits } from '../wire/limits.ts';
import { readers } from '../wire/readers.ts';
import { validate } from '../wire/validate.ts';
import { Doubts } from './doubts.ts';
import { Engine } from './engine.ts';
import { notLeading, unknownTransaction } from './errors.ts';
import { openChosenLog } from './open-log.ts';
import { type EmbeddedOptions, timingsOf } from './options.ts';
import { checkParticipant, type EmbeddedParticipant } from './participant.ts';
import {
  type RecoverOptions,
  type RecoveryReport,
  recover,
  type Unfinished,
  unfinished,
} from './recovery.ts';
import { type ParticipantReturns, ReturnsTable } from './returns.ts';

/** Options of `beginTransaction`. */
export interface BeginOptions {
  /** Not decided within this, it aborts. Default: the option `transactionTimeoutMs`. */
  readonly timeoutMs?: number;
  /** For people: shown with its status. */
  readonly labels?: Labels;
}

/** The outcome of a transaction, and what its participants returned. */
export interface TransactionResult {
  /** The transaction's id. */
  readonly txid: Txid;
  /** Where it stands now. */
  readonly state: TransactionState;
  /** null: not decided yet. */
  readonly outcome: Outcome | null;
  /** Why it aborted, where it did. */
  readonly reason?: AbortReason;
  /**
   * What every participant's methods returned, in order of registration; empty for a transaction of
   * an earlier process that called no one here, and for one that ended `maxRecent` others ago.
   */
  readonly participants: readonly ParticipantReturns[];
}

interface Parts {
  readonly engine: Engine;
  readonly doubts: Doubts;
}

const settledPollMs = 5;
const settledFields: Fields<{ timeoutMs?: number }> = { timeoutMs: 'ms' };
const beginFields: Fields<BeginOptions> = { timeoutMs: 'ms', labels: 'any' };

/**
 * Coordinates transactions over objects of this process: presumed-abort two-phase commit (Mohan et
 * al. 1986), on the core that the nodes run. See docs/EMBEDDED.md.
 *
 * Its methods may be called at once: the log is opened, and the leadership taken, behind them. What
 * fails there rejects each call. Errors are VerdictErrors, matched by `code`; TypeError and
 * RangeError are for arguments that cannot be.
 *
 * ```ts
 * const log = { kind: 'lmdb', directory: './data' } as const;
 * await using coordinator = new TransactionCoordinator({ log });
 * await coordinator.recover([stock, accounts]);
 * const txid = await coordinator.beginTransaction();
 * await coordinator.registerParticipant(txid, stock);
 * await coordinator.registerParticipant(txid, accounts);
 * const isCommitted = await coordinator.commitTransaction(txid);
 * ```
 */
export class TransactionCoordinator {
  readonly #returns: ReturnsTable;
  readonly #opened: Promise<Parts>;
  #closing: Promise<void> | null = null;

  /** Throws RangeError for an option that does not exist or is out of its bounds. */
  constructor(options: EmbeddedOptions = {}) {
    if (options.logger !== undefined) userLogger(options.logger, 'TransactionCoordinator');
    const timings = timingsOf(options);
    this.#returns = new ReturnsTable(timings.maxRecent);
    this.#opened = this.#open(options, timings);
    // Each call rejects with it; before the first it is no one's unhandled rejection.
    this.#opened.catch(() => undefined);
  }

  /** Resolves when the log is open and this process leads; rejects with what stands in the way. */
  async ready(): Promise<void> {
    const { engine } = await this.#parts();
    await engine.anyDriver();
  }

  /** @internal What the log is called for good: what is prepared under it is its own. */
  async logId(): Promise<string> {
    const { engine } = await this.#parts();
    return engine.log.meta.clusterId;
  }

  /**
   * Begins a transaction without participants. It aborts by itself when it is not decided within
   * its time-out. Rejects with LIMIT_EXCEEDED past `maxTransactions`, INVALID_MESSAGE for options
   * that cannot be, CLOSED after `close`.
   */
  async beginTransaction(options: BeginOptions = {}): Promise<Txid> {
    checkFields(options, beginFields, 'beginTransaction');
    const { engine } = await this.#parts();
    const begin = checked({ type: 'begin', ...options });
    const driver = await engine.anyDriver();
    const { txid } = await engine.request(driver, begin);
    return txid;
  }

  /**
   * Adds a participant. Rejects with WRONG_STATE once commit or rollback began, and for a second
   * object of one name; the same object again changes nothing.
   */
  async registerParticipant(txid: string, participant: EmbeddedParticipant): Promise<void> {
    checkParticipant(participant);
    const { name } = participant;
    const { engine } = await this.#parts();
    const enlist = checked({ type: 'enlist', txid: checkTxid(engine, txid), participant: name });
    const driver = await engine.driverOf(enlist.txid);
    if (driver === null) throw unknownTransaction(txid);
    const named = engine.adopt(participant);
    const known = named.branches.get(enlist.txid)?.participant;
    if (known !== undefined && known !== participant) {
      throw refusal(
        'WRONG_STATE',
        `The transaction has another participant named ${JSON.stringify(name)} already: a name stands for one resource.`,
        { txid: enlist.txid },
      );
    }
    const isNew = known === undefined;
    if (isNew) {
      engine.participants.bind(named, { txid: enlist.txid, participant, state: 'registered' });
    }
    try {
      await engine.request(driver, enlist, named);
    } catch (error) {
      if (isNew) {
        engine.participants.drop(named, enlist.txid);
        this.#returns.unlist(enlist.txid, name);
      }
      throw error;
    }
  }

  /**
   * Decides the transaction: true, it is committed, durably as the log is; false, it is aborted,
   * and `getTransactionResult` tells why. Called again, at once or later, it answers the same.
   * Participants commit and roll back behind the answer: wait for them with `whenSettled`. Rejects
   * with UNKNOWN_TRANSACTION, and with OUTCOME_UNKNOWN where the log failed in the midst of it:
   * then ask `getTransactionStatus`.
   */
  async commitTransaction(txid: string): Promise<boolean> {
    return (await this.#decide('commit', txid)) === 'committed';
  }

  /** Aborts the transaction: true, it is aborted; false, it was committed already. */
  async rollbackTransaction(txid: string, reason?: string): Promise<boolean> {
    if (reason !== undefined && typeof reason !== 'string') {
      throw new TypeError(`The reason of a rollback must be a string, not ${shown(reason)}.`);
    }
    return (await this.#decide('rollback', txid, reason)) === 'aborted';
  }

  /** `attention`: a participant's part is not done after `attentionAfter` attempts; they go on. */
  async getTransactionStatus(txid: string): Promise<TransactionStatus> {
    const { engine } = await this.#parts();
    const known = checkTxid(engine, txid);
    const driver = await engine.driverOf(known);
    if (driver === null) return this.#statusFromLog(engine, known);
    const reply = await engine.request(driver, { type: 'status', txid: known });
    const { type: _, id: __, ...status } = reply;
    return status;
  }

  /** The outcome, the reason of an abort, and what every participant returned. */
  async getTransactionResult(txid: string): Promise<TransactionResult> {
    const status = await this.getTransactionStatus(txid);
    const { state, reason } = status;
    return {
      txid: status.txid,
      state,
      outcome: outcomeOfState(state),
      ...(reason === undefined ? {} : { reason }),
      participants: this.#returns.of(status.txid),
    };
  }

  /**
   * Resolves when the transaction is decided and every participant of this process has done its
   * part. Rejects with TIMEOUT after `timeoutMs`, where that is given: retries go on.
   */
  async whenSettled(
    txid: string,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<TransactionResult> {
    checkFields(options, settledFields, 'whenSettled');
    const { timeoutMs } = options;
    const { engine } = await this.#parts();
    const { clock } = engine;
    const untilMs = clock.monotonicMs() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const result = await this.getTransactionResult(txid);
      const { state } = result;
      const settled = state === 'COMMITTED' || state === 'ABORTED';
      if (settled && !engine.participants.isLive(result.txid)) return result;
      if (clock.monotonicMs() >= untilMs) {
        throw new VerdictError(
          'TIMEOUT',
          `The transaction was ${state} after ${timeoutMs} ms: see getTransactionStatus for who is missing.`,
          { retryable: true, acted: 'unknown', txid: result.txid },
        );
      }
      await pause(clock, settledPollMs);
    }
  }

  /**
   * Finishes what an earlier process left: calls commit, until it returns true, on each participant
   * of a recorded decision that is not finished, and rolls back what participants list in `inDoubt`
   * and no one decided. To be called once at the start, with every participant that there is.
   * Resolves when all is done, or at the latest after `waitMs` with what is not; a name that is
   * missing is taken up when it comes.
   */
  async recover(
    participants: Iterable<EmbeddedParticipant>,
    options: RecoverOptions = {},
  ): Promise<RecoveryReport> {
    return recover(await this.#parts(), participants, options);
  }

  /** What is decided and not done yet, and who owes it. */
  async unfinished(): Promise<readonly Unfinished[]> {
    const { engine } = await this.#parts();
    engine.check();
    return unfinished(engine);
  }

  /**
   * Takes no new transaction, lets calls under way end for up to `drainMs`, gives the leadership up
   * and closes the log. What is decided and not done is left to the next `recover`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#opened.then(
      async ({ engine, doubts }) => {
        doubts.close();
        await engine.close();
      },
      () => undefined,
    );
    return this.#closing;
  }

  /** Same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What was called before `close` still gets through. */
  #parts(): Promise<Parts> {
    return this.#closing === null ? this.#opened : Promise.reject(closedError('coordinator'));
  }

  async #open(options: EmbeddedOptions, timings: ReturnType<typeof timingsOf>): Promise<Parts> {
    const { log: choice = { kind: 'memory' }, onFatal, reached } = options;
    const logger = userLogger(options.logger ?? silentLogger, 'TransactionCoordinator');
    await loadTracing();
    const given = { clock: systemClock, random: systemRandom, logger };
    let engine: Engine | null = null;
    let doubts: Doubts | null = null;
    let failed: { error: unknown } | null = null;
    const opened = await openChosenLog(choice, {
      ...given,
      onFatal: (error) => {
        failed = { error };
        engine?.break(error);
      },
    });
    engine = new Engine({
      ...given,
      opened,
      options: timings,
      returns: this.#returns,
      reached: reached ?? (() => undefined),
      changed: () => doubts?.leadershipChanged(),
      onBroken: (error) => {
        doubts?.close();
        logger.error(
          { error: thrownLine(error) },
          'The coordinator met a fault and decides nothing more.',
        );
        onFatal?.(error);
      },
    });
    doubts = new Doubts({ engine, logger, durable: choice.kind !== 'memory' });
    if (failed !== null) engine.break((failed as { error: unknown }).error);
    return { engine, doubts };
  }

  async #decide(type: 'commit' | 'rollback', txid: string, reason?: string): Promise<Outcome> {
    const { engine } = await this.#parts();
    const to = { txid: checkTxid(engine, txid) };
    const request =
      type === 'commit'
        ? checked({ type, ...to })
        : checked({ type, ...to, ...(reason === undefined ? {} : { reason }) });
    const driver = await engine.driverOf(request.txid);
    if (driver === null) {
      const { state } = await this.#statusFromLog(engine, request.txid);
      return outcomeOfState(state) ?? 'aborted';
    }
    const { outcome } = await engine.request(driver, request);
    return outcome;
  }

  /** Of a shard that another process leads. */
  async #statusFromLog(engine: Engine, txid: Txid): Promise<TransactionStatus> {
    engine.check();
    const reading = await engine.log.read(txid);
    const { decision } = judge(txid, reading, { inDoubt: false });
    if (decision === 'undecided') throw notLeading('The transaction is not decided.');
    if (decision === 'ahead') throw unknownTransaction(txid);
    if (decision === 'expired') {
      const text = 'The outcome is no longer known: its record was collected.';
      throw new VerdictError('EXPIRED', text, { retryable: false, acted: 'unknown', txid });
    }
    const { record } = reading;
    return statusFromLog(txid, { decision, record, wallMs: systemClock.wallMs() });
  }
}

function outcomeOfState(state: TransactionState): Outcome | null {
  if (state === 'COMMITTING' || state === 'COMMITTED') return 'committed';
  return state === 'ABORTING' || state === 'ABORTED' ? 'aborted' : null;
}

function checkTxid(engine: Engine, txid: unknown): Txid {
  if (typeof txid === 'string' && isTxid(txid) && engine.seal.isIssued(txid)) return txid;
  throw unknownTransaction(txid);
}

/** What a node would check of a message from outside. */
function checked<const M extends RequestWithoutId>(message: M): M {
  const copy: Record<string, unknown> = { ...message, id: 0 };
  for (const name of Object.keys(copy)) if (copy[name] === undefined) delete copy[name];
  const result = validate(copy, readers['to-node'], widestLimits);
  if (!result.ok) throw new TypeError(result.problem.message);
  return result.message as unknown as M;
}
