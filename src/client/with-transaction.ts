/**
 * A transaction that code deep below finds without being given it: `withTransaction` puts one in
 * force for all that its function calls and awaits, `currentTransaction` finds it.
 *
 * What is in force belongs to a client. The transaction of another client is never joined, and a
 * new one hides an older one of the same client. One that has ended stays in force for the code
 * that it left behind (a promise that was not awaited): such code gets an error. If it found
 * nothing instead, it would write outside of every transaction, or begin one of its own.
 */

import { checkFields, notDeferred, shown } from '../core/fields.ts';
import { thrownName } from '../core/thrown.ts';
import type { Txid } from '../core/txid.ts';
import { refusal, type VerdictError } from '../peer/verdict-error.ts';
import type { AsyncContext } from '../system/async-context.ts';
import type { Client } from './client.ts';
import { runFields } from './fields.ts';
import type { RunContext, RunOptions, RunResult } from './run.ts';
import type { Transaction } from './transaction.ts';

/**
 * What `withTransaction` does about the transaction in force, in the words of Spring:
 *
 * - `required`: joins it; begins one where there is none.
 * - `requires-new`: begins one in any case, beside it. Two that want the same lock wait for each
 *   other until one of them times out.
 * - `mandatory`: joins it; throws a TypeError where there is none.
 * - `supports`: joins it; runs without one where there is none.
 * - `not-supported`: runs without one, and hides it.
 * - `never`: runs without one; throws a TypeError where there is one.
 *
 * There is no `nested`: participants have no savepoints across services.
 */
export type Propagation =
  | 'required'
  | 'requires-new'
  | 'mandatory'
  | 'supports'
  | 'not-supported'
  | 'never';

/** What each does with a transaction that is in force, and where there is none. */
const propagations = {
  required: { inForce: 'join', none: 'begin' },
  'requires-new': { inForce: 'begin', none: 'begin' },
  mandatory: { inForce: 'join', none: 'refuse' },
  supports: { inForce: 'join', none: 'without' },
  'not-supported': { inForce: 'without', none: 'without' },
  never: { inForce: 'refuse', none: 'without' },
} as const satisfies Readonly<Record<Propagation, object>>;

/**
 * What `withTransaction` takes. Where it joins, all but `propagation` is for the outermost to say.
 */
export interface WithTransactionOptions extends RunOptions {
  /** Default `required`. */
  readonly propagation?: Propagation | undefined;
}

/** It joined: whoever began the transaction learns its outcome. */
export interface Joined<Value> {
  /** Tells it from an outcome: there is none yet. */
  readonly outcome: 'joined';
  /** Of the transaction that it joined. */
  readonly txid: Txid;
  /** What the function returned. */
  readonly value: Value;
}

/** It ran without a transaction, as `supports`, `not-supported` and `never` may. */
export interface WithoutTransaction<Value> {
  /** Tells it from an outcome: there is none. */
  readonly outcome: 'none';
  /** What the function returned. */
  readonly value: Value;
}

/** What became of `withTransaction`. All but `aborted` have the function's `value`. */
export type WithTransactionResult<Value> =
  | RunResult<Value>
  | Joined<Value>
  | WithoutTransaction<Value>;

/** One call of the function: another attempt is another scope. */
interface Scope {
  /** Null: it hides what is in force outside. */
  readonly tx: Transaction | null;
  readonly context: RunContext;
  /** How many that joined are still running. */
  joined: number;
  ended: boolean;
}

interface InForce {
  readonly latest: Scope;
  /** One for each client, however deep they are nested: code that goes on without end adds none. */
  readonly of: ReadonlyMap<Client, Scope>;
}

/** Loaded by the first call that needs it. */
let storage: AsyncContext<InForce> | null = null;

async function opened(): Promise<AsyncContext<InForce>> {
  const { asyncContext } = await import('../system/async-context.ts');
  storage ??= asyncContext<InForce>();
  return storage;
}

/**
 * As `client.run`, with the transaction in force for all that the function calls: code below takes
 * it with `currentTransaction`, and a `withTransaction` of the same client below joins it.
 *
 * One that joined resolves with `outcome: 'joined'`: the outcome comes to the outermost, which
 * alone runs the function again. What one that joined throws makes the whole rollback-only: if its
 * caller goes on all the same, the outermost resolves as aborted, with ROLLED_BACK.
 *
 * Throws as `client.run` does. Throws a TypeError where `propagation` forbids it, or if the
 * function returned while one that joined was still running; and a VerdictError with WRONG_STATE in
 * code that runs on after its transaction has ended. `requires-new`, `not-supported` and `never`
 * may be used there: they say that they want nothing of it.
 *
 * ```ts
 * const result = await withTransaction(client, async () => {
 *   await orders.place('lamp');
 *   await payments.charge('anna', 4_900);
 * });
 * if (result.outcome === 'aborted') console.log(result.reason.code);
 * ```
 */
export function withTransaction<Value>(
  client: Client,
  work: (tx: Transaction, context: RunContext) => Promise<Value>,
): Promise<WithTransactionResult<Value>>;
/** The same, with options. */
export function withTransaction<Value>(
  client: Client,
  options: WithTransactionOptions & {
    readonly propagation?: 'required' | 'requires-new' | 'mandatory' | undefined;
  },
  work: (tx: Transaction, context: RunContext) => Promise<Value>,
): Promise<WithTransactionResult<Value>>;
/** The same, where there may be no transaction. */
export function withTransaction<Value>(
  client: Client,
  options: WithTransactionOptions,
  work: (tx: Transaction | null, context: RunContext) => Promise<Value>,
): Promise<WithTransactionResult<Value>>;
export async function withTransaction<Value>(
  client: Client,
  ...given:
    | readonly [work: Work<Value>]
    | readonly [options: WithTransactionOptions | undefined, work: Work<Value>]
): Promise<WithTransactionResult<Value>> {
  const [options = {}, work] = given.length === 1 ? [{}, given[0]] : given;
  check(client, options, work);
  const { propagation = 'required', ...runOptions } = options;
  // As long as nothing is awaited: one that the caller forgets has joined when the caller returns.
  const scope = storage?.get()?.of.get(client);
  const running = scope !== undefined && scope.tx !== null && !scope.ended ? scope : null;
  const act = propagations[propagation][running === null ? 'none' : 'inForce'];
  switch (act) {
    case 'join':
      return join(client, running as Scope, runOptions, work);
    case 'refuse':
      throw scope?.ended ? endedError(scope) : refused(propagation, running);
    case 'begin':
      if (scope?.ended && propagation !== 'requires-new') throw endedError(scope);
      return begin(client, runOptions, work);
    case 'without':
      if (scope?.ended && propagation === 'supports') throw endedError(scope);
      return without(client, runOptions, work);
  }
}

/**
 * The transaction in force: of this client, or, without one, the innermost of any client. Throws a
 * TypeError where there is none, and a VerdictError with WRONG_STATE if it has ended.
 *
 * ```ts
 * async function charge(account: string, cents: number): Promise<void> {
 *   await currentTransaction().enlist({ participant: 'payment', payload: { account, cents } });
 * }
 * ```
 */
export function currentTransaction(client?: Client): Transaction {
  const tx = maybeTransaction(client);
  if (tx !== null) return tx;
  throw new TypeError(
    'There is no transaction in force here: call this from within withTransaction(client, ...), and await it there.',
  );
}

/**
 * As `currentTransaction`, but null where there is none. It throws all the same if the transaction
 * has ended: null would have the caller go on outside of it.
 */
export function maybeTransaction(client?: Client): Transaction | null {
  const inForce = storage?.get();
  const scope = client === undefined ? inForce?.latest : inForce?.of.get(client);
  if (scope === undefined) return null;
  if (scope.ended) throw endedError(scope);
  return scope.tx;
}

/**
 * @internal Runs what goes on by itself, such as a connection, outside of every transaction: it
 * lasts longer than the one it happened to be started in.
 */
export function outsideTransactions<Value>(call: () => Value): Value {
  return storage === null ? call() : storage.run(undefined, call);
}

type Work<Value> = (tx: never, context: RunContext) => Promise<Value>;

async function begin<Value>(
  client: Client,
  options: RunOptions,
  work: Work<Value>,
): Promise<RunResult<Value>> {
  const context = await opened();
  let latest: Scope | undefined;
  const ran = client.run<Value>(async (tx, attempt) => {
    const scope: Scope = { tx, context: attempt, joined: 0, ended: false };
    latest = scope;
    try {
      const value = await context.run(inForceWith(context, client, scope), () =>
        work(tx as never, attempt),
      );
      if (scope.joined > 0 && !tx.isRollbackOnly) throw stillRunning(scope);
      return value;
    } finally {
      scope.ended = true;
    }
  }, options);
  return ran.finally(() => {
    // Its function may still be running, past the time of it all.
    if (latest !== undefined) latest.ended = true;
  });
}

/**
 * (!) Between the transaction and the one that joins it another client's may be in force, or be
 * hidden: what is joined is the innermost again, or `currentTransaction` would give the other's.
 */
async function join<Value>(
  client: Client,
  scope: Scope,
  { transaction = {} }: RunOptions,
  work: Work<Value>,
): Promise<Joined<Value>> {
  const tx = scope.tx as Transaction;
  const { lockGroup } = transaction;
  if (lockGroup !== undefined && lockGroup !== tx.lockGroup) {
    throw new TypeError(
      `The transaction in force takes its locks in the group ${shown(tx.lockGroup)}, not in ${shown(lockGroup)}: say lockGroup at the outermost withTransaction.`,
    );
  }
  // It was found in there.
  const context = storage as AsyncContext<InForce>;
  const inForce = inForceWith(context, client, scope);
  scope.joined += 1;
  try {
    const value = await context.run(inForce, () => work(tx as never, scope.context));
    const who = `A function that joined the transaction ${tx.txid}`;
    return { outcome: 'joined', txid: tx.txid, value: notDeferred(value, who) };
  } catch (error) {
    tx.markRollbackOnly(rollbackReason(error));
    throw error;
  } finally {
    scope.joined -= 1;
  }
}

async function without<Value>(
  client: Client,
  { signal }: RunOptions,
  work: Work<Value>,
): Promise<WithoutTransaction<Value>> {
  const context = await opened();
  const scope: Scope = { tx: null, context: { attempt: 1, signal }, joined: 0, ended: false };
  const value = await context.run(inForceWith(context, client, scope), () =>
    work(null as never, scope.context),
  );
  return { outcome: 'none', value };
}

function inForceWith(context: AsyncContext<InForce>, client: Client, latest: Scope): InForce {
  return { latest, of: new Map(context.get()?.of).set(client, latest) };
}

function check(client: unknown, options: WithTransactionOptions, work: unknown): void {
  const { run } = (client ?? {}) as { readonly run?: unknown };
  if (typeof run !== 'function') {
    throw new TypeError(`withTransaction wants a client, from connect, not ${shown(client)}.`);
  }
  if (typeof work !== 'function') {
    throw new TypeError(
      `withTransaction wants a function that runs in the transaction, not ${shown(work)}.`,
    );
  }
  checkFields(options, { ...runFields, propagation: 'text' }, "withTransaction's options");
  const { propagation = 'required' } = options;
  if (Object.hasOwn(propagations, propagation)) return;
  const known = Object.keys(propagations).join(', ');
  throw new TypeError(`propagation must be one of ${known}, not ${shown(propagation)}.`);
}

function refused(propagation: Propagation, running: Scope | null): TypeError {
  return running === null
    ? new TypeError(
        `This has propagation '${propagation}', and there is no transaction in force: call it from within withTransaction(client, ...), and await it there.`,
      )
    : new TypeError(
        `This has propagation '${propagation}', and the transaction ${running.tx?.txid} is in force: call it outside of withTransaction, or give it 'not-supported'.`,
      );
}

function endedError({ tx, context }: Scope): VerdictError {
  const attempt = context.attempt === 1 ? '' : `, attempt ${context.attempt},`;
  return refusal(
    'WRONG_STATE',
    `The transaction ${tx?.txid}${attempt} in which this code was started has ended: its function has returned or thrown, or was still running when its time was over. Await what belongs to it. Start what is to outlive it in withTransaction with propagation 'not-supported' or 'requires-new'.`,
    { txid: tx?.txid },
  );
}

function stillRunning({ joined, tx }: Scope): TypeError {
  return new TypeError(
    `The function of the transaction ${tx?.txid} returned while ${joined} withTransaction below it ${joined === 1 ? 'was' : 'were'} still running. It was rolled back: await all of them.`,
  );
}

/** Not the error's own text: the reason goes to the coordinator, and into its lists. */
function rollbackReason(error: unknown): string {
  const name = thrownName(error);
  return `A withTransaction that had joined this transaction threw (${name}), so that it could only be rolled back, although a caller caught it. Catch it before it leaves that withTransaction, or give that one 'requires-new'.`;
}
