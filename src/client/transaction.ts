/** An interactive transaction: begun, given branches one by one, then committed or rolled back. */
import { defined } from '../core/defined.ts';
import { checkFields, shown } from '../core/fields.ts';
import type { TransactionStatus } from '../core/messages.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import { checkRequest } from '../peer/checked.ts';
import { checkPayloads } from '../peer/payloads.ts';
import type { ReplyTo, RequestType, RequestWithoutId } from '../peer/requests.ts';
import {
  isVerdictError,
  mayHaveActed,
  refusal,
  type VerdictError,
  withoutEffect,
} from '../peer/verdict-error.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import { checkAnswer, whenApplied } from './applied.ts';
import { Call, callMarginMs } from './call.ts';
import { type CallSpan, ending, startCallSpan } from './call-span.ts';
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
  get share(): string {
    if (this.#isAbandoned) {
      const text = 'The transaction was given up.';
      throw refusal('WRONG_STATE', text, { txid: this.txid });
    }
    this.#isShared = true;
    return this.#share;
  }
  /** @internal As it was begun with; undefined too where another process began it. */
  readonly lockGroup: string | undefined;
  readonly #cluster: Cluster;
  readonly #within: Call | undefined;
  /** From its begin to its end; null then, and for one that another process began. */
  #span: CallSpan | null;
  #commit: Promise<TransactionOutcome<never>> | null = null;
  #ended = false;
  #isAbandoned = false;
  readonly #share: string;
  #isShared = false;
  #enlisting = 0;
  /** Branches that it may or may not have: their `enlist` was sent, and got no answer. */
  readonly #unsure = new Set<string>();
  /** A commit is under way, or may have been carried out. */
  #mayCommit = false;
  readonly #thrown = new WeakSet<VerdictError>();
  /** Why it may not commit. */
  #rollbackOnly: string | null = null;

  /** @internal Made by `client.begin` and `client.transaction`. */
  constructor(options: {
    txid: Txid;
    timeoutMs: number;
    share: string;
    cluster: Cluster;
    lockGroup?: string | undefined;
    within?: Call | undefined;
    span?: CallSpan | null;
    /** Another process began it. */
    isShared?: boolean;
  }) {
    this.txid = options.txid;
    this.timeoutMs = options.timeoutMs;
    this.#share = options.share;
    this.lockGroup = options.lockGroup;
    this.#cluster = options.cluster;
    this.#within = options.within;
    this.#span = options.span ?? null;
    this.#isShared = options.isShared ?? false;
  }

  /** @internal What `call` does belongs to the transaction's span. */
  within<Value>(call: () => Value): Value {
    return this.#span === null ? call() : this.#span.within(call);
  }

  /** @internal A `commit` rolls back from now on, with the first such reason. */
  markRollbackOnly(reason: string): void {
    this.#rollbackOnly ??= fitText(reason, maxTextBytes);
  }

  /** @internal */
  get isRollbackOnly(): boolean {
    return this.#rollbackOnly !== null;
  }

  /** @internal Whether another process has its share, or may have been given it. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** @internal `run` is over while its function goes on: no one else gets its share any more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** @internal Once the call of a `commit`, if there was one, has ended. */
  async mayHaveCommitted(): Promise<boolean> {
    const ended = await this.#commit?.catch(() => null);
    return this.#mayCommit && ended?.outcome !== 'aborted';
  }

  /** @internal How many calls of `enlist` are under way. */
  get enlisting(): number {
    return this.#enlisting;
  }

  /** @internal Whether it is an error of what was asked of this transaction before its end. */
  threw(error: unknown): error is VerdictError {
    return isVerdictError(error) && this.#thrown.has(error);
  }

  /** Whether `commit` was called. */
  get commitRequested(): boolean {
    return this.#commit !== null;
  }

  /**
   * Adds a branch and returns its name. Repeating it with the same content changes nothing. Throws
   * VerdictError: WRONG_STATE once the transaction is being committed or was aborted,
   * UNKNOWN_TRANSACTION after its end or its leader's, INVALID_PAYLOAD, LIMIT_EXCEEDED,
   * TOO_LARGE, TIMEOUT, ABORTED_BY_CALLER.
   *
   * Where it was sent and got no answer, `commit` rolls back, unless this is repeated before: it
   * would commit a branch that may or may not be there.
   */
  async enlist<Payload = unknown>(
    branch: BranchRequest<Payload>,
    options: CallOptions = {},
  ): Promise<string> {
    checkFields(branch, branchFields, 'enlist');
    const { txid } = this;
    const share = this.#share;
    const { participant, payload, branch: name }: BranchRequest<Payload> = branch ?? {};
    const more = defined({ branch: name, payload });
    const message = { type: 'enlist', txid, share, participant, ...more } as const;
    checkRequest(message);
    checkPayloads([payload], () => 'payload', { maxDepth: this.#cluster.maxDepth(), above: 1 });
    this.#enlisting += 1;
    try {
      const call = this.#call(options, this.#within);
      const { branch: enlisted } = await this.#own(this.#insist(call, message));
      this.#unsure.delete(enlisted);
      return enlisted;
    } finally {
      this.#enlisting -= 1;
    }
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
    const { txid } = this;
    const share = this.#share;
    checkFields(options, lockFields, "lock's options");
    const { mode = 'exclusive', waitMs, ...call } = options;
    const wanted = { keys: typeof keys === 'string' ? [keys] : keys, mode, ...defined({ waitMs }) };
    const message = { type: 'lock', txid, share, ...wanted } as const;
    checkRequest(message);
    await this.#own(this.#insist(this.#call(call, this.#within), message));
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
    const { txid } = this;
    const share = this.#share;
    const call = this.#call(rest, this.#within);
    const [unsure] = this.#unsure;
    const reason = this.#rollbackOnly ?? (unsure === undefined ? null : unsureOf(unsure));
    const message =
      reason === null
        ? ({ type: 'commit', txid, share } as const)
        : ({ type: 'rollback', txid, share, reason } as const);
    if (this.#commit === null) this.#mayCommit = message.type === 'commit';
    this.#commit ??= this.#end<never>(call, message).catch((error: unknown) => {
      // Only what certainly had no effect may be tried once more.
      if (isVerdictError(error) && error.acted === 'nothing') {
        this.#commit = null;
        this.#mayCommit = false;
      }
      throw error;
    });
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
    const { txid } = this;
    const share = this.#share;
    const text = reason === undefined ? {} : { reason: fitText(reason, maxTextBytes) };
    const message = { type: 'rollback', txid, share, ...text } as const;
    const outcome = await this.#end<Results>(this.#call(options, undefined), message);
    this.#ended = true;
    return outcome;
  }

  /** The state now. Throws EXPIRED, UNKNOWN_TRANSACTION, TIMEOUT, ABORTED_BY_CALLER. */
  async status(options: CallOptions = {}): Promise<TransactionStatus> {
    const { txid } = this;
    const call = this.#call(options, this.#within);
    return this.#own(this.#cluster.status({ txid, share: this.#share }, call));
  }

  /** Rolls back unless it has ended. Ignores a failure: the time-out rolls back too. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended || this.#commit !== null) return;
    await this.rollback('The transaction was left before its commit.').catch(() => undefined);
  }

  #own<Reply>(asked: Promise<Reply>): Promise<Reply> {
    return asked.catch((error: unknown) => {
      if (!isVerdictError(error)) throw error;
      // `run` says so itself, when it knows that it does not commit.
      const isBare = this.#within === undefined;
      const own = isBare && this.#neverCommits ? withoutEffect(error, neverCommitted) : error;
      this.#thrown.add(own);
      throw own;
    });
  }

  /** As far as was asked until now. */
  get #neverCommits(): boolean {
    return !this.#mayCommit && !this.#isShared;
  }

  #end<Results>(
    call: Call,
    message: RequestWithoutId & { readonly type: 'commit' | 'rollback' },
  ): Promise<TransactionOutcome<Results>> {
    return this.#cluster.figures.count(this.#endOnce<Results>(call, message));
  }

  async #endOnce<Results>(
    call: Call,
    message: RequestWithoutId & { readonly type: 'commit' | 'rollback' },
  ): Promise<TransactionOutcome<Results>> {
    const span =
      this.#span ?? startCallSpan(`verdict ${message.type}`, { 'verdict.txid': this.txid });
    this.#span = null;
    return ending(span, async () => {
      try {
        const reply = await this.#insist(call, { ...message, ...span?.trace }, span);
        return outcomeOf<Results>(reply);
      } catch (error) {
        return this.#settled<Results>(error, call);
      }
    });
  }

  /**
   * The outcome if a commit or rollback got none. Throws if the request did nothing; and where only
   * a rollback was asked for, whose answer matters to no one: it commits never.
   */
  async #settled<Results>(error: unknown, call: Call): Promise<TransactionOutcome<Results>> {
    const { txid } = this;
    const share = this.#share;
    if (!isVerdictError(error)) throw error;
    // Its leader changed, or it ended by itself: nothing is left to do, but there is an outcome.
    const gone = error.code === 'UNKNOWN_TRANSACTION' || error.code === 'WRONG_STATE';
    if (error.acted === 'nothing' && !gone) throw error;
    try {
      if (call.over() !== null) throw unknownOutcome({ error, txid });
      return await followUp<Results>(this.#cluster, { txid, share, call, after: error });
    } catch (unknown) {
      throw this.#neverCommits ? withoutEffect(error, neverCommitted) : unknown;
    }
  }

  /** A commit is never sent a second time; the others have the same effect once or twice. */
  async #insist<Type extends RequestType>(
    call: Call,
    message: RequestWithoutId & { readonly type: Type },
    span: CallSpan | null = null,
  ): Promise<ReplyTo[Type]> {
    let unanswered = false;
    const asked = this.#cluster.insist({
      shard: shardOf(this.txid),
      call,
      again: message.type === 'commit' ? isRefusedForNow : mayBeSentAgain,
      send: (route) => {
        span?.sent(route);
        return route.link.request(message, requestOptions(route, call)).catch((error: unknown) => {
          if (isVerdictError(error) && error.acted === 'unknown') {
            unanswered = true;
            this.#noteUnsure(message);
          }
          throw error;
        });
      },
    });
    return asked.catch((error: unknown) => {
      // The last attempt did nothing; one before it may have been carried out.
      const isUnknown = unanswered && !this.#neverCommits && isVerdictError(error);
      throw isUnknown ? mayHaveActed(error) : error;
    });
  }

  /** An enlist that has no answer leaves it open whether the branch is there. */
  #noteUnsure(message: RequestWithoutId): void {
    if (message.type === 'enlist') this.#unsure.add(message.branch ?? message.participant);
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

export const neverCommitted = 'The transaction was never asked to commit: nothing of it happens.';

function unsureOf(branch: string): string {
  return `The enlist of the branch ${branch} got no answer, so that it may or may not be part of the transaction. Repeat it before the commit.`;
}

const nothingBegun = 'A transaction that may have begun does nothing, and ends by itself.';

/** One too many is harmless: without branches it does nothing and ends with its time-out. */
export async function begin(
  cluster: Cluster,
  options: { settings: TransactionOptions; call: Call; within?: Call | undefined },
): Promise<Transaction> {
  const { settings, call, within } = options;
  const { timeoutMs, labels, lockGroup } = settings;
  const content = { type: 'begin', ...defined({ timeoutMs, labels, lockGroup }) } as const;
  checkRequest(content);
  const span = startCallSpan('verdict transaction');
  const message = { ...content, ...span?.trace };
  try {
    const begun = await cluster.insist({
      shard: cluster.shardFor({ lockGroup }),
      call,
      send: (route) => {
        span?.sent(route);
        return route.link.request(message, requestOptions(route, call));
      },
    });
    const { txid, share } = begun;
    span?.is({ 'verdict.txid': txid });
    const { timeoutMs: granted } = begun;
    return new Transaction({ txid, share, timeoutMs: granted, lockGroup, cluster, within, span });
  } catch (error) {
    const harmless = isVerdictError(error) ? withoutEffect(error, nothingBegun) : error;
    span?.fail(harmless);
    throw harmless;
  }
}
