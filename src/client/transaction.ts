/** An interactive transaction: begun, given branches one by one, then committed or rolled back. */
import { defined } from '../core/defined.ts';
import { checkFields, shown } from '../core/fields.ts';
import type { TransactionStatus } from '../core/messages.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import { checkRequest } from '../peer/checked.ts';
import type { ReplyTo, RequestType, RequestWithoutId } from '../peer/requests.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import { checkAnswer, whenApplied } from './applied.ts';
import { Call, callMarginMs } from './call.ts';
import { type Cluster, isRefusedForNow, mayBeSentAgain, requestOptions } from './cluster.ts';
import { branchFields, callFields, commitFields, lockFields } from './fields.ts';
import { followUp, outcomeOf, unknownOutcome } from './outcome.ts';
import type {
  BranchRequest,
  CallOptions,
  CommitOptions,
  LockOptions,
  TransactionOptions,
  TransactionOutcome,
} from './types.ts';

/**
 * An interactive transaction, made by `client.begin`, `client.run` and `client.transaction`. With
 * `await using`, leaving the block rolls back what was not committed.
 */
export class Transaction implements AsyncDisposable {
  /** Names the transaction: in logs, for `client.status`, for a service that enlists itself. */
  readonly txid: Txid;
  /** After this many milliseconds from `begin` without a decision the coordinator aborts it. */
  readonly timeoutMs: number;
  /**
   * Lets another process continue it: `client.transaction(txid, { share })` there. Whoever has it
   * may do all that this process may. A service that only takes part needs only the txid.
   */
  readonly share: string;
  readonly #cluster: Cluster;
  readonly #within: Call | undefined;
  #commit: Promise<TransactionOutcome<never>> | null = null;
  #ended = false;

  /** @internal Made by `client.begin` and `client.transaction`. */
  constructor(options: {
    txid: Txid;
    timeoutMs: number;
    share: string;
    cluster: Cluster;
    within?: Call | undefined;
  }) {
    this.txid = options.txid;
    this.timeoutMs = options.timeoutMs;
    this.share = options.share;
    this.#cluster = options.cluster;
    this.#within = options.within;
  }

  /** Whether `commit` was called. */
  get commitRequested(): boolean {
    return this.#commit !== null;
  }

  /**
   * Adds a branch and returns its name. Repeating it with the same content changes nothing. Throws
   * VerdictError: WRONG_STATE once the transaction is being committed or was aborted,
   * UNKNOWN_TRANSACTION after its end or its leader's, LIMIT_EXCEEDED, TOO_LARGE, TIMEOUT,
   * ABORTED_BY_CALLER.
   */
  async enlist<Payload = unknown>(
    branch: BranchRequest<Payload>,
    options: CallOptions = {},
  ): Promise<string> {
    checkFields(branch, branchFields, 'enlist');
    const { txid, share } = this;
    const { participant, payload, branch: name }: BranchRequest<Payload> = branch ?? {};
    const more = defined({ branch: name, payload });
    const message = { type: 'enlist', txid, share, participant, ...more } as const;
    checkRequest(message);
    const reply = await this.#insist(this.#call(options, this.#within), message);
    return reply.branch;
  }

  /**
   * Takes named locks, all of these keys at once, in the order of asking across all clients. They
   * are held until it aborts, or has committed and every participant has carried it out. A key that
   * it holds in the same or a stronger mode changes nothing; a shared one is raised to exclusive.
   *
   * Throws VerdictError: DEADLOCK (it was the youngest of a cycle of waiters) and LOCK_TIMEOUT,
   * both aborting it (`client.run` runs it again); WRONG_STATE if it is committing or aborted, also
   * while it waited; UNKNOWN_TRANSACTION, LIMIT_EXCEEDED, TOO_LARGE, INVALID_MESSAGE, TIMEOUT,
   * ABORTED_BY_CALLER.
   *
   * A call's own time-out or signal does not end the wait: the lock may still be granted until
   * `waitMs` is over or the transaction ends. A `commit` meanwhile waits for it too.
   */
  async lock(keys: readonly string[] | string, options: LockOptions = {}): Promise<void> {
    const { txid, share } = this;
    checkFields(options, lockFields, "lock's options");
    const { mode = 'exclusive', waitMs, ...call } = options;
    const wanted = { keys: typeof keys === 'string' ? [keys] : keys, mode, ...defined({ waitMs }) };
    const message = { type: 'lock', txid, share, ...wanted } as const;
    checkRequest(message);
    await this.#insist(this.#call(call, this.#within), message);
  }

  /**
   * Freezes the branches, has them all prepare, and decides. Resolves when the decision is durable;
   * participants carry it out afterwards. An abort is a result, not an exception.
   *
   * If the answer is lost, the outcome is asked for until the call's time-out; the commit is never
   * sent twice. A second call gives the first one's answer. With `answer: 'applied'` it resolves
   * when every participant has carried it out. Throws OutcomeUnknownError (with the txid) if the
   * time-out or the signal ended it; nothing is undone then.
   */
  async commit<Results = Record<string, unknown>>(
    options: CommitOptions = {},
  ): Promise<TransactionOutcome<Results>> {
    checkFields(options, commitFields, "commit's options");
    const { answer, ...rest } = options;
    checkAnswer(answer);
    const { txid, share } = this;
    const call = this.#call(rest, this.#within);
    this.#commit ??= this.#end<never>(call, { type: 'commit', txid, share }).catch(
      (error: unknown) => {
        // Only what certainly had no effect may be tried once more.
        if (isVerdictError(error) && error.acted === 'nothing') this.#commit = null;
        throw error;
      },
    );
    return whenApplied(this.#cluster, await this.#commit, { answer, call, share });
  }

  /**
   * Aborts the transaction. Resolves with its outcome: `committed` if a commit came first. Repeats
   * itself if a connection is lost. Within `client.run` it ignores that call's time-out and signal,
   * so that locks go all the same. Throws like `commit`.
   */
  async rollback<Results = Record<string, unknown>>(
    reason?: string,
    options: CallOptions = {},
  ): Promise<TransactionOutcome<Results>> {
    if (reason !== undefined && typeof reason !== 'string') {
      throw new TypeError(`The reason of a rollback must be a string, not ${shown(reason)}.`);
    }
    const { txid, share } = this;
    const text = reason === undefined ? {} : { reason: fitText(reason, maxTextBytes) };
    const message = { type: 'rollback', txid, share, ...text } as const;
    const outcome = await this.#end<Results>(this.#call(options, undefined), message);
    this.#ended = true;
    return outcome;
  }

  /** The state now. Throws EXPIRED, UNKNOWN_TRANSACTION, TIMEOUT, ABORTED_BY_CALLER. */
  async status(options: CallOptions = {}): Promise<TransactionStatus> {
    return this.#cluster.status(this, this.#call(options, this.#within));
  }

  /** Rolls back unless it has ended. Ignores a failure: the time-out rolls back too. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended || this.#commit !== null) return;
    await this.rollback('The transaction was left before its commit.').catch(() => undefined);
  }

  async #end<Results>(
    call: Call,
    message: RequestWithoutId & { readonly type: 'commit' | 'rollback' },
  ): Promise<TransactionOutcome<Results>> {
    try {
      return outcomeOf<Results>(await this.#insist(call, message));
    } catch (error) {
      return this.#settled<Results>(error, call);
    }
  }

  /** The outcome if a commit or rollback got none. Throws if the request did nothing. */
  async #settled<Results>(error: unknown, call: Call): Promise<TransactionOutcome<Results>> {
    const { txid, share } = this;
    if (!isVerdictError(error)) throw error;
    // Its leader changed, or it ended by itself: nothing is left to do, but there is an outcome.
    const gone = error.code === 'UNKNOWN_TRANSACTION' || error.code === 'WRONG_STATE';
    if (error.acted === 'nothing' && !gone) throw error;
    if (call.over() !== null) throw unknownOutcome({ error, txid });
    return followUp<Results>(this.#cluster, { txid, share, call, after: error });
  }

  /** A commit is never sent a second time; the others have the same effect once or twice. */
  async #insist<Type extends RequestType>(
    call: Call,
    message: RequestWithoutId & { readonly type: Type },
  ): Promise<ReplyTo[Type]> {
    return this.#cluster.insist({
      shard: shardOf(this.txid),
      call,
      again: message.type === 'commit' ? isRefusedForNow : mayBeSentAgain,
      send: (route) => route.link.request(message, requestOptions(route, call)),
    });
  }

  #call(options: CallOptions, within: Call | undefined): Call {
    checkFields(options, callFields, "the call's options");
    return new Call(this.#cluster.clock, {
      ...options,
      defaultTimeoutMs: this.timeoutMs + callMarginMs,
      within,
    });
  }
}

/** One too many is harmless: without branches it does nothing and ends with its time-out. */
export async function begin(
  cluster: Cluster,
  options: { settings: TransactionOptions; call: Call; within?: Call | undefined },
): Promise<Transaction> {
  const { settings, call, within } = options;
  const { timeoutMs, labels, lockGroup } = settings;
  const message = { type: 'begin', ...defined({ timeoutMs, labels, lockGroup }) } as const;
  checkRequest(message);
  const begun = await cluster.insist({
    shard: cluster.shardFor({ lockGroup }),
    call,
    send: (route) => route.link.request(message, requestOptions(route, call)),
  });
  const { txid, share } = begun;
  return new Transaction({ txid, share, timeoutMs: begun.timeoutMs, cluster, within });
}
