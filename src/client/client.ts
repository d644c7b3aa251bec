/** `verdict/client`: the client of a Verdict cluster. */

import { defined } from '../core/defined.ts';
import { checkFields, shown } from '../core/fields.ts';
import type { Labels, TransactionStatus } from '../core/messages.ts';
import { nodeBounds } from '../core/node-bounds.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { checkName, checkRegistry } from '../peer/checked.ts';
import type { JwtSource } from '../peer/jwt-source.ts';
import type { MetricRegistry } from '../peer/metric-registry.ts';
import { checkNodeUrls } from '../peer/url.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { TlsOptions } from '../ports/tls.ts';
import type { Dialer } from '../ports/transport.ts';
import { loadTracing } from '../tracing/tracing.ts';
import { checkAnswer, whenApplied } from './applied.ts';
import { Call, callMarginMs } from './call.ts';
import { ending, startCallSpan } from './call-span.ts';
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
import { type ClientPorts, openPorts } from './ports.ts';
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
import { outsideTransactions } from './with-transaction.ts';

/** What `connect` takes. */
export interface ConnectOptions {
  /** Addresses of nodes: `host:port`, `ws://` or `wss://host:port`. One that answers names the others. */
  readonly urls: readonly string[];
  /**
   * This client's name in logs. Default `client`. Request ids belong to a name: give all processes
   * of a service the same one, and repeat a request under its first name. A transaction belongs to
   * its process, whatever the name; competitors for its locks with other names do not see its txid.
   */
  readonly name?: string;
  /** The cluster's token, if it requires one. Only the nodes in `urls` get to see it. */
  readonly token?: string;
  /**
   * In place of a token: a JWT of an issuer that the nodes trust, shown over TLS alone. A function
   * is called for each connection, and again before its JWT expires: then the connection stays.
   */
  readonly jwt?: string | (() => string | Promise<string>);
  /**
   * For nodes that speak TLS; an address in `urls` without a scheme is then one with TLS. Files are
   * read for each connection, so that a certificate can be renewed while the process runs.
   *
   * ```ts
   * await connect({ urls: ['a.example:7070'], tls: { ca: { file: '/etc/verdict/ca.pem' } } });
   * ```
   */
  readonly tls?: TlsOptions;
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
  /**
   * Where its metrics go, as long as it is open: a registry of `prom-client`, such as `register`.
   * Clients of one name in one process are added up. Which metrics there are: docs/METRICS.md.
   */
  readonly metrics?: MetricRegistry;
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
 * Connects to a cluster. Resolves with the first node's welcome; from then on the client reconnects
 * by itself and finds whoever leads.
 *
 * Throws VerdictError: UNAUTHENTICATED, FORBIDDEN or UNSUPPORTED_VERSION if a node refuses, TIMEOUT
 * if none answers, ABORTED_BY_CALLER; a TypeError for an invalid address or name.
 *
 * ```ts
 * await using client = await connect({ urls: ['127.0.0.1:7070'], name: 'shop' });
 * ```
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const { client, open } = await prepareClient(options);
  try {
    await open();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/**
 * A client that dials no one before `open`, for whoever makes it earlier than it may connect. Where
 * `open` rejects, it goes on trying until it is closed.
 */
export async function prepareClient(
  options: ConnectOptions,
): Promise<{ readonly client: Client; readonly open: () => Promise<void> }> {
  checkNodeUrls(options);
  checkFields(options, connectFields, "connect's options");
  checkFields(options.defaults, transactionFields, 'defaults');
  const { name = 'client', timeoutMs, signal } = options;
  checkName(name, 'name');
  const jwt = await checkedCredentials(options);
  if (options.metrics !== undefined) checkRegistry(options.metrics);
  await loadTracing();
  const ports = outside(await openPorts(options));
  const cluster = new Cluster({
    urls: options.urls,
    name,
    tls: options.tls !== undefined,
    token: options.token,
    jwt,
    ...ports,
  });
  let forget = (): void => undefined;
  const forgetMetrics = (): void => forget();
  const client = new Client({ cluster, defaults: options.defaults ?? {}, forgetMetrics });
  const open = async (): Promise<void> => {
    forget = await registered(cluster, options.metrics);
    const call = new Call(ports.clock, { timeoutMs, signal, defaultTimeoutMs: connectTimeoutMs });
    await outsideTransactions(() => cluster.open(call));
  };
  return { client, open };
}

/**
 * A connection may be dialled anew from within anything that writes to it, and lasts: nothing of
 * the transaction in force there may stay in force in its callbacks.
 */
function outside(ports: ClientPorts): ClientPorts {
  const { dialer } = ports;
  const connect: Dialer['connect'] = (...given) =>
    outsideTransactions(() => dialer.connect(...given));
  return { ...ports, dialer: { connect } };
}

/** Loaded only where there is a registry. Returns what takes them away. */
async function registered(
  cluster: Cluster,
  registry: MetricRegistry | undefined,
): Promise<() => void> {
  if (registry === undefined) return () => undefined;
  const [{ registerMetrics }, { clientMetrics }] = await Promise.all([
    import('../peer/pulled-metric.ts'),
    import('./metrics.ts'),
  ]);
  return registerMetrics(registry, clientMetrics, () => cluster.reading());
}

/** Where its JWTs come from. What checks credentials is loaded only where there are any. */
async function checkedCredentials(options: ConnectOptions): Promise<JwtSource | undefined> {
  const { tls, token, jwt } = options;
  if (tls === undefined && token === undefined && jwt === undefined) return undefined;
  const { checkCredentials, jwtSourceOf } = await import('../peer/credentials.ts');
  checkCredentials(options);
  return jwtSourceOf(
    typeof jwt === 'function' ? { ...options, jwt: () => outsideTransactions(jwt) } : options,
  );
}

/**
 * A connection to a cluster, made by `connect`. Its calls may run at once; each finds the leader
 * that it needs. Close it when you are done, or hold it with `await using`.
 */
export class Client implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #defaults: TransactionOptions;
  readonly #forgetMetrics: () => void;
  readonly #calls = new Set<Promise<unknown>>();

  /** @internal Made by `connect`. */
  constructor(options: {
    cluster: Cluster;
    defaults: TransactionOptions;
    forgetMetrics?: () => void;
  }) {
    this.#cluster = options.cluster;
    this.#forgetMetrics = options.forgetMetrics ?? (() => undefined);
    this.#defaults = options.defaults;
  }

  /**
   * Runs a whole transaction in one round trip. Resolves when it is decided, durably: an abort is a
   * result, not an exception.
   *
   * With a `requestId` the request is sent again whenever its answer is missing, until the
   * time-out; at most one transaction commits under the id. Without one it is sent again only if it
   * certainly had no effect; if its answer is lost, its outcome is asked for.
   *
   * When its participants cannot keep up, calls wait in the client, in order. It throws BUSY, with
   * a `retryAfterMs` of five seconds at most, if that would take half of the call's time-out, as
   * far as can be told from what was answered; and, without `retry`, if more than 1,024 wait and it
   * would take more than two seconds.
   *
   * With `answer: 'applied'` it resolves only when every participant has carried the commit out.
   * With `retry` an abort that can pass is tried again, under the same `requestId`, within the
   * call's time-out.
   *
   * Throws OutcomeUnknownError (code OUTCOME_UNKNOWN, with the `txid` if it is known) when the
   * time-out, the signal or `close` ended the call while the transaction may have been running:
   * nothing is undone, and it has one outcome, which `status` tells. Throws VerdictError with
   * EXPIRED (older than the request window: the outcome can no longer be known), REQUEST_CONFLICT
   * (the id was used with other content), INVALID_PAYLOAD (it holds what cannot be sent),
   * TOO_LARGE, LIMIT_EXCEEDED, INVALID_MESSAGE, FORBIDDEN, and, if nothing was sent yet, BUSY,
   * TIMEOUT, ABORTED_BY_CALLER or CLOSED.
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
   * Begins an interactive transaction. Throws VerdictError: TIMEOUT, ABORTED_BY_CALLER, CLOSED,
   * LIMIT_EXCEEDED, FORBIDDEN. `await using` rolls back what is left uncommitted.
   */
  async begin(settings: TransactionOptions = {}, options: CallOptions = {}): Promise<Transaction> {
    checkFields(settings, transactionFields, 'begin');
    checkFields(options, callFields, "begin's options");
    const whole = this.#settings(settings);
    return begin(this.#cluster, { settings: whole, call: this.#call(options, whole) });
  }

  /**
   * Continues a transaction that another process began and gave its `txid` and `share` to this one,
   * which may then do all that the other may. Throws a TypeError for an invalid txid. Sends nothing
   * yet.
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
    const { timeoutMs: ofCalls = nodeBounds.transactionTimeoutMs.default } = settings;
    const cluster = this.#cluster;
    return new Transaction({ txid, share, timeoutMs: ofCalls, cluster, isShared: true });
  }

  /**
   * The state of a transaction, from whichever node can tell. Default time-out 5 s. If a client of
   * another name began it, give its `share`: without it a running transaction is unknown, and of an
   * older one only the outcome is shown. Throws VerdictError: UNKNOWN_TRANSACTION, EXPIRED (its
   * record was collected), TIMEOUT, ABORTED_BY_CALLER, CLOSED.
   */
  async status(
    txid: Txid | string,
    options: CallOptions & { readonly share?: string } = {},
  ): Promise<TransactionStatus> {
    if (typeof txid !== 'string') {
      throw new TypeError(`status wants a txid, not ${shown(txid)}.`);
    }
    checkFields(options, statusFields, "status's options");
    const { share } = options;
    const call = new Call(this.#cluster.clock, { ...options, defaultTimeoutMs: statusTimeoutMs });
    // A text that is no txid is refused by the node.
    return this.#cluster.status({ txid: txid as Txid, share }, call);
  }

  /**
   * Begins a transaction, calls the function with it, and commits. An abort that can pass
   * (`reason.retryable`) is tried again in a new transaction, with growing, jittered pauses, up to
   * `maxAttempts` times within `timeoutMs`; the last one is the result. So the function may be
   * called several times and should change nothing outside the transaction. What it throws rolls
   * the transaction back and is thrown again, unless it is this client's own error about a
   * transaction lost under it, which counts as an abort.
   *
   * Past `timeoutMs`, or once the signal fires, a function that has not returned is not waited for:
   * its transaction is rolled back, what it still asks of it is refused, and `run` throws TIMEOUT
   * or ABORTED_BY_CALLER. Nothing stops the function itself.
   *
   * Leave the commit to `run`. After a `tx.commit()` of its own nothing is rolled back: what the
   * function throws then is thrown as it is, at once, and the transaction may have committed.
   *
   * Throws OutcomeUnknownError if a commit's outcome could not be learnt: that is never tried
   * again. So it does where a function that was not waited for may have committed.
   *
   * ```ts
   * const result = await client.run(async (tx) => {
   *   await tx.lock('account/anna');
   *   await tx.enlist({ participant: 'payment', payload: { account: 'anna', cents: 4_900 } });
   * });
   * ```
   */
  run<Value>(
    work: (tx: Transaction, context: RunContext) => Promise<Value>,
    options: RunOptions = {},
  ): Promise<RunResult<Value>> {
    return this.#inFlight(this.#run(work, options));
  }

  async #run<Value>(
    work: (tx: Transaction, context: RunContext) => Promise<Value>,
    options: RunOptions,
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

  /**
   * Resolves when every shard has a leader that this client reaches, at once where that is so: for
   * a health check. Default time-out 5 s. Throws VerdictError: TIMEOUT, ABORTED_BY_CALLER, CLOSED.
   */
  async ready(options: CallOptions = {}): Promise<void> {
    checkFields(options, callFields, "ready's options");
    const { clock } = this.#cluster;
    await this.#cluster.led(new Call(clock, { ...options, defaultTimeoutMs: statusTimeoutMs }));
  }

  /** Closes. Calls in flight reject: with OutcomeUnknownError if something may have happened. */
  async close(): Promise<void> {
    this.#forgetMetrics();
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
    if (!Array.isArray((request as Partial<TransactRequest> | null)?.branches)) {
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
    const cluster = this.#cluster;
    const span = startCallSpan('verdict transact', { 'verdict.branches': whole.branches.length });
    return ending(span, async () => {
      const sent = transact<Results>(cluster, whole, { call, retry, span });
      return whenApplied(cluster, await cluster.figures.count(sent), { answer, call });
    });
  }

  /**
   * `close` marks those in flight as handled: their rejection is expected. Nothing is attached to
   * others: a call that the caller forgot must be reported as unhandled.
   */
  #inFlight<Value>(work: Promise<Value>): Promise<Value> {
    const call: Promise<Value> = work.finally(() => this.#calls.delete(call));
    this.#calls.add(call);
    return call;
  }

  #settings({ timeoutMs, labels, lockGroup }: TransactionOptions): TransactionOptions {
    return { ...this.#defaults, ...defined({ timeoutMs, labels, lockGroup }) };
  }

  #call(options: CallOptions, settings: TransactionOptions): Call {
    const { timeoutMs = nodeBounds.transactionTimeoutMs.default } = settings;
    return new Call(this.#cluster.clock, {
      ...options,
      defaultTimeoutMs: timeoutMs + callMarginMs,
    });
  }
}
