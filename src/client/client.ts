/** `verdict/client`: the client of a Verdict cluster. */

import { coordinatorOptionTable } from '../core/coordinator-options.ts';
import { checkFields, shown } from '../core/fields.ts';
import type { Labels, TransactionStatus } from '../core/messages.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { checkName } from '../peer/checked.ts';
import { checkToken } from '../peer/token.ts';
import { checkNodeUrls } from '../peer/url.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Dialer } from '../ports/transport.ts';
import { systemClock } from '../system/clock.ts';
import { systemRandom } from '../system/random.ts';
import { webSocketDialer } from '../transport/websocket/connect.ts';
import { checkAnswer, whenApplied } from './applied.ts';
import { Call, callMarginMs } from './call.ts';
import { Cluster } from './cluster.ts';
import {
  callFields,
  checkTransact,
  connectFields,
  runFields,
  shareFields,
  statusFields,
  transactionFields,
} from './fields.ts';
import { retryTimeoutMs } from './retry.ts';
import { type RunContext, type RunOptions, type RunResult, run } from './run.ts';
import { transact } from './transact.ts';
import { begin, Transaction } from './transaction.ts';
import type {
  BranchRequest,
  CallOptions,
  ResultsOf,
  TransactionOptions,
  TransactOptions,
  TransactOutcome,
  TransactRequest,
} from './types.ts';

/** What `connect` takes. */
export interface ConnectOptions {
  /** Addresses of nodes, `host:port` or `ws://host:port`. One that answers is enough: it tells of the others. */
  readonly urls: readonly string[];
  /**
   * How this client is called, in logs and among others. Default `client`. Request ids are the name's own: give all processes of one
   * service the same one, and send a request again under the name that it was first sent under. A transaction belongs to the process that began it, whatever
   * its name; clients of other names are not told its txid where they compete for its locks.
   */
  readonly name?: string;
  /** What the cluster's operator gave out, where it asks for one. Only the nodes in `urls` get to see it. */
  readonly token?: string;
  /** Until the first welcome, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** Gives the attempt up: `connect` rejects with ABORTED_BY_CALLER. */
  readonly signal?: AbortSignal;
  /** For every transaction that does not say otherwise. */
  readonly defaults?: {
    readonly timeoutMs?: number;
    readonly labels?: Labels;
    readonly lockGroup?: string;
  };
  /** @internal Default: WebSocket. */
  readonly dialer?: Dialer;
  /** @internal Default: the system's. */
  readonly clock?: Clock;
  /** @internal Default: the system's. */
  readonly random?: Random;
}

const connectTimeoutMs = 5_000;
const statusTimeoutMs = 5_000;

/**
 * Connects to a cluster. Resolves with the first node's welcome; from then on lost connections are made again by
 * themselves, and the leader is found whoever it is.
 *
 * Throws VerdictError: UNAUTHENTICATED, FORBIDDEN or UNSUPPORTED_VERSION where a node refuses, TIMEOUT where none
 * answers, ABORTED_BY_CALLER; a TypeError for an address or a name that is none.
 *
 * ```ts
 * await using client = await connect({ urls: ['127.0.0.1:7070'], name: 'shop' });
 * ```
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  checkNodeUrls(options);
  checkFields(options, connectFields, "connect's options");
  checkFields(options.defaults, transactionFields, 'defaults');
  const { clock = systemClock, random = systemRandom, timeoutMs, signal } = options;
  const { name = 'client' } = options;
  checkName(name, 'name');
  checkToken(options.token);
  const cluster = new Cluster({
    urls: options.urls,
    name,
    token: options.token,
    dialer: options.dialer ?? webSocketDialer({ clock }),
    clock,
    random,
  });
  try {
    await cluster.open(new Call(clock, { timeoutMs, signal, defaultTimeoutMs: connectTimeoutMs }));
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return new Client({ cluster, defaults: options.defaults ?? {} });
}

/**
 * A connection to a cluster, made by `connect`. Its calls may run at once, and each finds the leader that it needs.
 * Close it when you are done, or hold it with `await using`.
 */
export class Client implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #defaults: TransactionOptions;
  readonly #calls = new Set<Promise<unknown>>();

  /** @internal Made by `connect`. */
  constructor(options: { cluster: Cluster; defaults: TransactionOptions }) {
    this.#cluster = options.cluster;
    this.#defaults = options.defaults;
  }

  /**
   * Runs a whole transaction in one round trip. Resolves when it is decided, durably: an abort is a result, not an
   * exception.
   *
   * With a `requestId` the request is sent again whenever its answer is missing, until the time-out; at most one
   * transaction commits under the id. Without one it is sent again only where it certainly had no effect; where its
   * answer is lost, its outcome is asked for.
   *
   * With `answer: 'applied'` it resolves only when every participant has carried the commit out.
   *
   * With `retry` an abort that can pass is tried again, under the same `requestId`, within the call's time-out.
   *
   * Throws OutcomeUnknownError (code OUTCOME_UNKNOWN, with the `txid` where it is known) when the time-out, the signal
   * or `close` ended the call while the transaction may have been running: nothing is undone, and it has one
   * outcome, which `status` tells. Throws VerdictError with EXPIRED (older than the request window: the outcome can no
   * longer be known), REQUEST_CONFLICT (the id was used with other content), TOO_LARGE, LIMIT_EXCEEDED,
   * INVALID_MESSAGE, FORBIDDEN, and, where nothing was sent yet, TIMEOUT, ABORTED_BY_CALLER or CLOSED.
   *
   * ```ts
   * const outcome = await client.transact(
   *   {
   *     requestId: 'order-17',
   *     branches: [
   *       { participant: 'inventory', payload: { sku: 'lamp', quantity: 1 } },
   *       { participant: 'payment', payload: { account: 'anna', cents: 4_900 } },
   *     ],
   *   },
   *   { retry: true },
   * );
   * if (outcome.outcome === 'aborted') console.log(outcome.reason.code);
   * ```
   */
  transact<const Branches extends readonly BranchRequest[]>(
    request: TransactRequest & { readonly branches: Branches },
    options?: TransactOptions,
  ): Promise<TransactOutcome<ResultsOf<Branches>>>;
  /** The same, where the caller says what the results are: nothing checks them. */
  transact<Results, Payload = unknown>(
    request: TransactRequest<Payload>,
    options?: TransactOptions,
  ): Promise<TransactOutcome<Results>>;
  transact<Results>(
    request: TransactRequest,
    options: TransactOptions = {},
  ): Promise<TransactOutcome<Results>> {
    return this.#inFlight(this.#transact<Results>(request, options));
  }

  /**
   * Begins an interactive transaction. Throws VerdictError: TIMEOUT, ABORTED_BY_CALLER, CLOSED, LIMIT_EXCEEDED,
   * FORBIDDEN. `await using` rolls back what is left uncommitted.
   */
  async begin(settings: TransactionOptions = {}, options: CallOptions = {}): Promise<Transaction> {
    checkFields(settings, transactionFields, 'begin');
    checkFields(options, callFields, "begin's options");
    const whole = this.#settings(settings);
    return begin(this.#cluster, { settings: whole, call: this.#call(options, whole) });
  }

  /**
   * Goes on with a transaction that another process began: its `txid` and its `share` came from there. It is the same transaction,
   * and as much this process's as the other's. Throws a TypeError for what is no txid. Nothing is asked yet.
   */
  transaction(
    txid: Txid | string,
    options: { readonly share: string; readonly timeoutMs?: number },
  ): Transaction {
    if (!isTxid(txid)) throw new TypeError(`${shown(txid)} is no txid`);
    checkFields(options, shareFields, "transaction's options");
    // JavaScript may leave it out.
    const { share, timeoutMs }: Partial<typeof options> = options ?? {};
    if (share === undefined) {
      throw new TypeError('transaction needs { share }: tx.share of the process that began it.');
    }
    const settings = this.#settings({ timeoutMs });
    const { timeoutMs: ofCalls = coordinatorOptionTable.transactionTimeoutMs.default } = settings;
    return new Transaction({ txid, share, timeoutMs: ofCalls, cluster: this.#cluster });
  }

  /**
   * The state of a transaction, from whichever node can tell. Default time-out 5 s. Of one that a client of another name
   * began, give its `share`: without it a transaction under way is unknown, and of an older one the outcome alone is told. Throws VerdictError:
   * UNKNOWN_TRANSACTION, EXPIRED (its record was collected), TIMEOUT, ABORTED_BY_CALLER, CLOSED.
   */
  async status(
    txid: Txid | string,
    options: CallOptions & { readonly share?: string } = {},
  ): Promise<TransactionStatus> {
    checkFields(options, statusFields, "status's options");
    const { share } = options;
    const call = new Call(this.#cluster.clock, { ...options, defaultTimeoutMs: statusTimeoutMs });
    // A text that is no txid is refused by the node.
    return this.#cluster.status({ txid: txid as Txid, share }, call);
  }

  /**
   * Begins a transaction, calls the function with it, and commits. An abort that can pass (`reason.retryable`) is tried
   * again in a new transaction, with growing, jittered pauses, up to `maxAttempts` times within `timeoutMs`; the last
   * one is the result. So the function may be called several times: it should change nothing but through the
   * transaction. What it throws rolls the transaction back and is thrown again, unless it is this client's own
   * error about a transaction lost under it, which counts as an abort.
   *
   * Throws OutcomeUnknownError where a commit's outcome could not be learnt: that is never tried again.
   *
   * ```ts
   * const result = await client.run(async (tx) => {
   *   await tx.lock('account/anna');
   *   await tx.enlist({ participant: 'payment', payload: { account: 'anna', cents: 4_900 } });
   * });
   * ```
   */
  async run<Value>(
    work: (tx: Transaction, context: RunContext) => Promise<Value>,
    options: RunOptions = {},
  ): Promise<RunResult<Value>> {
    if (typeof work !== 'function') {
      throw new TypeError(
        `run wants a function that is given the transaction, not ${shown(work)}.`,
      );
    }
    checkFields(options, runFields, "run's options");
    checkFields(options.transaction, transactionFields, 'transaction');
    const settings = this.#settings(options.transaction ?? {});
    return run(this.#cluster, work, { ...options, settings });
  }

  /** Closes the connections. Calls in flight reject: with OutcomeUnknownError where something may have happened. */
  async close(): Promise<void> {
    for (const call of this.#calls) call.catch(() => undefined);
    await this.#cluster.close();
  }

  /** Same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #transact<Results>(
    request: TransactRequest,
    options: TransactOptions,
  ): Promise<TransactOutcome<Results>> {
    if (typeof request !== 'object' || request === null) {
      throw new TypeError(
        'transact wants a request, such as { branches: [{ participant, payload }] }',
      );
    }
    checkTransact(request, options);
    const whole = { ...request, ...this.#settings(request) };
    const { answer, retry, timeoutMs, signal } = options;
    checkAnswer(answer);
    const ms = timeoutMs ?? (retry === undefined || retry === false ? undefined : retryTimeoutMs);
    const call = this.#call({ timeoutMs: ms, signal }, whole);
    const outcome = await transact<Results>(this.#cluster, whole, { call, retry });
    return whenApplied(this.#cluster, outcome, { answer, call });
  }

  /**
   * Whoever closes the client knows that these end: a rejection that no one awaits yet is no accident then. Nothing is attached to the
   * others: one that the caller forgot is the caller's to hear of.
   */
  #inFlight<Value>(work: Promise<Value>): Promise<Value> {
    const call: Promise<Value> = work.finally(() => this.#calls.delete(call));
    this.#calls.add(call);
    return call;
  }

  #settings(given: TransactionOptions): TransactionOptions {
    return {
      timeoutMs: given.timeoutMs ?? this.#defaults.timeoutMs,
      labels: given.labels ?? this.#defaults.labels,
      lockGroup: given.lockGroup ?? this.#defaults.lockGroup,
    };
  }

  #call(options: CallOptions, settings: TransactionOptions): Call {
    const { timeoutMs = coordinatorOptionTable.transactionTimeoutMs.default } = settings;
    return new Call(this.#cluster.clock, {
      ...options,
      defaultTimeoutMs: timeoutMs + callMarginMs,
    });
  }
}
