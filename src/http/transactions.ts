/** Transactions of one HTTP request, under the key that it came with. */
import type { Client } from '../client/client.ts';
import { isOfRunningFunction, type RunContext } from '../client/run.ts';
import type { Transaction } from '../client/transaction.ts';
import type {
  BranchRequest,
  Committed,
  ResultsOf,
  TransactOptions,
  TransactOutcome,
  TransactRequest,
} from '../client/types.ts';
import {
  maybeTransaction,
  type Propagation,
  type WithTransactionOptions,
  withTransaction,
} from '../client/with-transaction.ts';
import type { AbortReason } from '../core/catalogue.ts';
import { defined } from '../core/defined.ts';
import { shown } from '../core/fields.ts';
import { isVerdictError, OutcomeUnknownError, type VerdictError } from '../peer/verdict-error.ts';
import { ageMs, mark } from '../system/age.ts';
import { systemClock } from '../system/clock.ts';
import { inFlightOf } from './in-flight.ts';
import { parseKey, requestIdOf } from './key.ts';
import { defaultTransact, type HttpOptions, type IdempotencyMode } from './options.ts';
import { isProblemError, ProblemError } from './problem-error.ts';
import { problemOf, problemOfAbort, problemOfError } from './problems.ts';

/** A whole transaction of a request: its `requestId` comes from the Idempotency-Key. */
export type HttpTransactRequest = Omit<
  TransactRequest,
  'requestId' | 'attempt' | 'requestAgeMs' | 'branches'
> & {
  /**
   * Names this transaction where the request has several: each has its own id under the key, the
   * same again when the request is repeated. Default: the only one.
   */
  readonly step?: string | undefined;
};

/** What this needs of the framework. */
export interface HttpExchange<Request> {
  readonly client: () => Client;
  readonly request: Request;
  readonly method: string;
  readonly header: string | readonly string[] | undefined;
  /** Null: takes it away. */
  readonly setHeader: (name: string, value: string | null) => void;
  readonly options: HttpOptions<Request>;
  readonly mode: IdempotencyMode;
  /** Is told of each call, so that a close waits for it. */
  readonly tracked: <Value>(call: Promise<Value>) => Promise<Value>;
}

const safeMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
export const replayedHeader = 'idempotency-replayed';

/** The transactions of one request. */
export class RequestTransactions {
  /** What the request came with; null: it has none, or the route does not look at it. */
  readonly idempotencyKey: string | null;
  readonly #exchange: HttpExchange<unknown>;
  readonly #steps = new Set<string>();
  #scope: Promise<string> | null = null;
  /** Transactions that are under way, or may have had an effect. */
  #effects = 0;
  /** Whether any of them was run for this request, as far as is known. */
  #isNew = false;

  /** @internal Made by `transactionsOf`. */
  constructor(exchange: HttpExchange<unknown>) {
    this.#exchange = exchange;
    this.idempotencyKey = keyOf(exchange);
  }

  /**
   * The id that a transaction of this request has under its key; null without a key. Make from it
   * what must be the same when the request is repeated, such as the number of an order.
   */
  async requestId(step = ''): Promise<string | null> {
    const key = this.idempotencyKey;
    if (key === null) return null;
    return requestIdOf({ scope: await this.#scopeOfKey(), key, step });
  }

  /**
   * As `client.transact`, under the request's Idempotency-Key, and with `retry`. Repeated under the
   * same key, the request must make the same branches and payloads: with others it is a new one,
   * and is refused (422).
   *
   * Resolves with a commit. Its `results` are null where only the outcome is remembered: after a
   * failover, or long after. Whatever else comes of it is thrown as a ProblemError, which becomes
   * the response.
   *
   * ```ts
   * const { txid } = await request.verdict.transact({
   *   branches: [
   *     { participant: 'inventory', payload: { sku: 'lamp', quantity: 1 } },
   *     { participant: 'payment', payload: { account: 'anna', cents: 4_900 } },
   *   ],
   * });
   * ```
   */
  transact<const Branches extends readonly BranchRequest[]>(
    request: HttpTransactRequest & { readonly branches: Branches },
    options: TransactOptions = {},
  ): Promise<Committed<ResultsOf<Branches>>> {
    return this.#answering(async () => {
      const { step = '', ...whole } = request ?? {};
      this.#once(step);
      const requestId = await this.requestId(step);
      const named = requestId === null ? {} : { requestId, ...this.#age() };
      const { client, options: given } = this.#exchange;
      const settings = {
        ...defaultTransact,
        ...defined(given.transact ?? {}),
        ...defined(options),
      };
      const asked = { ...whole, ...named } as TransactRequest & { readonly branches: Branches };
      const begun = mark(systemClock);
      let outcome: TransactOutcome<ResultsOf<Branches>> = await client().transact(asked, settings);
      if (outcome.outcome === 'aborted' && outcome.repeated === true && outcome.reason.retryable) {
        // Told to an earlier request, which was to try again: this is it, with `retry` or without.
        const { timeoutMs = 0 } = settings;
        const tookMs = systemClock.monotonicMs() - begun.monotonicMs;
        // (!) The process stands still with that answer in its socket. Another copy of the request
        // commits meanwhile, and the window passes: taken for new, this one would be done again.
        const requestAgeMs = (asked.requestAgeMs ?? 0) + Math.ceil(ageMs(systemClock, begun));
        outcome = await client().transact(
          { ...asked, requestAgeMs, attempt: outcome.attempt + 1 },
          { ...settings, timeoutMs: Math.max(1, timeoutMs - tookMs) },
        );
      }
      this.#noteReplay(requestId !== null && outcome.repeated === true);
      if (outcome.outcome === 'committed') return outcome;
      throw this.#aborted(outcome);
    });
  }

  /**
   * As `withTransaction`, with the function's value as its result; whatever Verdict has against it
   * is thrown as a ProblemError, and what the function throws as it is. Where it joins the
   * transaction in force, errors stay as they are: whoever began that one tries again by them.
   *
   * What is begun step by step has no request id: it cannot be repeated under a key. With a key it
   * throws a TypeError: give the route `idempotency: 'off'`, or use `transact`.
   */
  withTransaction<Value>(
    work: (tx: Transaction, context: RunContext) => Promise<Value>,
    options: WithTransactionOptions & {
      readonly propagation?: 'required' | 'requires-new' | 'mandatory';
    } = {},
  ): Promise<Value> {
    const call = async (): Promise<Value> => {
      if (this.idempotencyKey !== null) {
        throw new TypeError(
          "The request has an Idempotency-Key, and withTransaction cannot keep it: repeated, it would have its effect again. Use transact, or give the route idempotency: 'off'.",
        );
      }
      const result = await withTransaction(this.#exchange.client(), options, work);
      if (result.outcome !== 'aborted') return result.value;
      throw this.#aborted(result);
    };
    return this.#joins(options?.propagation) ? this.#tracked(call()) : this.#answering(call);
  }

  #joins(propagation: Propagation | undefined): boolean {
    if (propagation === 'requires-new') return false;
    try {
      return maybeTransaction(this.#exchange.client()) !== null;
    } catch {
      return false; // It has ended, as withTransaction says.
    }
  }

  #answering<Value>(call: () => Promise<Value>): Promise<Value> {
    this.#effects += 1;
    const answered = call().catch((thrown: unknown) => {
      const error = unsureWhileRunning(thrown);
      const known = isProblemError(error) || (isVerdictError(error) && !mayHaveActed(error));
      if (known) this.#effects -= 1;
      if (!isProblemError(error)) this.#noteReplay(false);
      if (!isVerdictError(error)) throw error;
      const repeatable = this.idempotencyKey !== null;
      const isPart = this.#effects > 0;
      throw new ProblemError(problemOfError(error, { repeatable, isPart }), { cause: thrown });
    });
    return this.#tracked(answered);
  }

  #tracked<Value>(call: Promise<Value>): Promise<Value> {
    const { tracked, client } = this.#exchange;
    return inFlightOf(client()).tracked(tracked(call));
  }

  /** (!) The first step commits, and the second aborts: of the request something was changed. */
  #aborted(outcome: { readonly reason: AbortReason }): ProblemError {
    const { statusOf } = this.#exchange.options;
    const isPart = this.#effects > 1;
    return new ProblemError(problemOfAbort(outcome.reason, statusOf, { isPart }), outcome);
  }

  #once(step: string): void {
    if (typeof step !== 'string') throw new TypeError(`step must be a string, not ${shown(step)}.`);
    if (this.idempotencyKey !== null && this.#steps.has(step)) {
      throw new TypeError(
        `This request has had its transaction ${step === '' ? '' : `'${step}' `}already, and its Idempotency-Key stands for one: name each with a step of its own.`,
      );
    }
    this.#steps.add(step);
  }

  #age(): { requestAgeMs?: number } {
    const { options, request } = this.#exchange;
    const key = this.idempotencyKey;
    if (key === null || options.keyAgeMs === undefined) return {};
    const ms: unknown = options.keyAgeMs(key, request) ?? undefined;
    if (ms === undefined) return {};
    if (typeof ms !== 'number' || !Number.isFinite(ms)) {
      throw new TypeError(
        `keyAgeMs must give milliseconds, or undefined where the key does not tell, and gave ${shown(ms)}.`,
      );
    }
    // The caller's clock may be ahead of this one.
    return { requestAgeMs: Math.max(0, ms) };
  }

  /** (!) A step that is remembered may come before one that is not: then the request is not. */
  #noteReplay(isReplayed: boolean): void {
    if (isReplayed && !this.#isNew) this.#exchange.setHeader(replayedHeader, 'true');
    if (!isReplayed && !this.#isNew) this.#exchange.setHeader(replayedHeader, null);
    this.#isNew ||= !isReplayed;
  }

  #scopeOfKey(): Promise<string> {
    this.#scope ??= scopeOf(this.#exchange);
    return this.#scope;
  }
}

/** Throws a ProblemError with 400 where the key is missing or malformed. */
export function transactionsOf<Request>(exchange: HttpExchange<Request>): RequestTransactions {
  // From here on the framework's request goes to the application's own functions alone.
  return new RequestTransactions(exchange as unknown as HttpExchange<unknown>);
}

function keyOf({ method, header, mode }: HttpExchange<unknown>): string | null {
  if (mode === 'off' || safeMethods.includes(method.toUpperCase())) return null;
  const parsed = parseKey(header);
  if (parsed === null) {
    if (mode === 'required') throw new ProblemError(problemOf('key-missing'));
    return null;
  }
  if ('key' in parsed) return parsed.key;
  throw new ProblemError(problemOf('key-malformed', parsed.problem));
}

/** (!) A function that goes on past its time may yet begin another transaction of the request. */
function unsureWhileRunning(error: unknown): unknown {
  if (!isVerdictError(error) || !isOfRunningFunction(error)) return error;
  return new OutcomeUnknownError(error.message, { txid: error.txid, cause: error });
}

function mayHaveActed({ acted }: VerdictError): boolean {
  return acted === 'unknown';
}

/** What is no text is refused: `undefined` would be one scope for all who are not signed in. */
async function scopeOf({ options, request }: HttpExchange<unknown>): Promise<string> {
  const { scopeOf: given } = options;
  if (given === 'everyone') return given;
  const scope: unknown = await given(request);
  if (typeof scope === 'string' && scope !== '') return `of ${scope}`;
  throw new TypeError(
    `scopeOf must give a text that is not empty, and gave ${shown(scope)}: without it keys of two users could meet. Refuse a request without a user before its transaction.`,
  );
}
