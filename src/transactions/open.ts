/** `openTransactions`: several databases of one service, changed together or not at all. */
import { existsSync } from 'node:fs';
import { backoffMs, retryDelays } from '../core/backoff.ts';
import { checkFields, type Fields, notDeferred, shown } from '../core/fields.ts';
import type { Labels } from '../core/messages.ts';
import { thrownText } from '../core/thrown.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { Gate } from '../participant/gate.ts';
import { stderrLogger } from '../participant/stderr-logger.ts';
import { closedError, VerdictError } from '../peer/verdict-error.ts';
import { type Logger, userLogger } from '../ports/logger.ts';
import type { TlsOptions } from '../ports/tls.ts';
import type { Database, SqlDatabase } from '../resources/sql/database.ts';
import type { Sql } from '../resources/sql/sql.ts';
import { doneWithin } from '../resources/sql/waiting.ts';
import { systemClock } from '../system/clock.ts';
import { pause } from '../system/pause.ts';
import { systemRandom } from '../system/random.ts';
import { attempt } from './attempt.ts';
import type { Coordination, RunReached } from './coordination.ts';
import { TransactionAbortedError } from './errors.ts';
import { InProcess } from './in-process.ts';
import { refuseNested, runningFor } from './nesting.ts';

/** What `openTransactions` takes. */
export interface TransactionsOptions<Name extends string = string> {
  /**
   * Where decisions are kept; made where it is missing. It belongs to one process at a time, and
   * must survive it: what is prepared in the databases is ended as it says.
   */
  readonly directory: string;
  /**
   * By name: letters, digits and `_`. A name stays with its database, for its branches are called
   * so there; two services that share a database server name theirs differently.
   */
  readonly databases: Readonly<Record<Name, Database>>;
  /** Nodes of a cluster, which then decides in place of this process. */
  readonly urls?: readonly string[];
  /** With `urls`: as of `connect`. */
  readonly token?: string;
  /** With `urls`: as of `connect`. */
  readonly jwt?: string | (() => string | Promise<string>);
  /** With `urls`: as of `connect`. */
  readonly tls?: TlsOptions;
  /** How long the start waits until what an earlier process left is ended. Default 10,000. */
  readonly recoverMs?: number;
  /** pino's loggers fit. Default: warnings and errors on stderr. */
  readonly logger?: Logger;
  /** Called once, when the log cannot be written any more. End the process and start it again. */
  readonly onFatal?: (error: unknown) => void;
  /** @internal Called at each crash point. */
  readonly reached?: RunReached;
}

/** What the function of `run` is told. */
export interface TransactionsContext {
  /** Names this attempt: in the databases, in logs, for `whenSettled`. */
  readonly txid: Txid;
  /** 1 for the first call of the function. */
  readonly attempt: number;
  /** Fires when the attempt is given up: its time is over, or the caller's signal fired. */
  readonly signal: AbortSignal;
}

/** What `run` takes. */
export interface TransactionsRunOptions {
  /** For one attempt; then it is given up, and not tried again. Default 10,000. */
  readonly timeoutMs?: number;
  /** How often the function is called at most. Default 5. */
  readonly maxAttempts?: number;
  /** The first pause between two attempts; it doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** The longest pause. Default 2,000. */
  readonly maxRetryDelayMs?: number;
  /** Gives the run up, unless it is being decided. */
  readonly signal?: AbortSignal;
  /**
   * `applied`, the default: every database has committed, or `applyWaitMs` are over. `decided`: the
   * decision is durable, and the databases commit in these milliseconds.
   */
  readonly answer?: 'applied' | 'decided';
  /** With `answer: 'applied'`: how long a database that is gone is waited for. Default 1,000. */
  readonly applyWaitMs?: number;
  /** For people: shown with its status. */
  readonly labels?: Labels;
}

const optionFields: Fields<Required<TransactionsOptions>> = {
  directory: 'text',
  databases: 'object',
  urls: 'any',
  token: 'any',
  jwt: 'any',
  tls: 'any',
  recoverMs: 'ms',
  logger: 'any',
  onFatal: 'method',
  reached: 'internal',
};
const runFields: Fields<Required<TransactionsRunOptions>> = {
  timeoutMs: 'ms',
  maxAttempts: 'count',
  retryDelayMs: 'ms',
  maxRetryDelayMs: 'ms',
  signal: 'signal',
  answer: 'text',
  applyWaitMs: 'ms',
  labels: 'object',
};
const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;
/** Where this process decides; beside it lie the journals of a cluster's participants. */
const logFolder = 'decisions';

/**
 * Opens several databases of one service for transactions that change all of them or none:
 * two-phase commit, decided in this process, on a log in `directory`. Ends first what an earlier
 * process left. Rejects where a database cannot be reached or cannot keep what is prepared, and
 * where another process has the directory.
 *
 * ```ts
 * await using db = await openTransactions({
 *   directory: './verdict',
 *   databases: { orders: postgresql({ connectionString }), stock: mariadb({ uri }) },
 * });
 * await db.run(async ({ orders, stock }) => {
 *   await orders.query('INSERT INTO orders (id, item) VALUES ($1, $2)', [id, item]);
 *   await stock.query('UPDATE stock SET free = free - 1 WHERE item = ?', [item]);
 * });
 * ```
 */
export async function openTransactions<Name extends string>(
  options: TransactionsOptions<Name>,
): Promise<Transactions<Name>> {
  checkOptions(options);
  const { directory, urls, recoverMs = 10_000, onFatal, reached = () => undefined } = options;
  const logger =
    options.logger === undefined
      ? stderrLogger('transactions')
      : userLogger(options.logger, 'openTransactions');
  const opened = new Map<string, SqlDatabase>();
  const databases = async (): Promise<ReadonlyMap<string, SqlDatabase>> => {
    for (const [name, database] of Object.entries<Database>(options.databases)) {
      if (!opened.has(name))
        opened.set(name, await openedAs(name, database.open({ name, logger })));
    }
    return opened;
  };
  const closeDatabases = async (): Promise<void> => {
    await Promise.allSettled([...opened.values()].map(({ resource }) => resource.close()));
  };
  const common = { logger, reached };
  const log = `${directory}/${logFolder}`;
  const inProcess = () =>
    InProcess.open({ ...common, directory: log, onFatal, recoverMs, databases });
  try {
    let coordination: Coordination;
    if (urls === undefined) coordination = await inProcess();
    else {
      // What this process decided before it came to a cluster is its own to end.
      if (existsSync(log)) await (await inProcess()).close();
      const { InCluster } = await import('./in-cluster.ts');
      const { token, jwt, tls } = options;
      const all = Object.entries({ urls, token, jwt, tls });
      const access = Object.fromEntries(all.filter(([, value]) => value !== undefined));
      coordination = await InCluster.open({
        ...common,
        access: access as unknown as { urls: readonly string[] },
        directory,
        databases: await databases(),
      });
    }
    return new Transactions<Name>(coordination, opened, { reached, closeDatabases });
  } catch (error) {
    await closeDatabases();
    throw error;
  }
}

/** Made by `openTransactions`. Close it when you are done, or hold it with `await using`. */
export class Transactions<Name extends string = string> implements AsyncDisposable {
  readonly #coordination: Coordination;
  readonly #databases: ReadonlyMap<string, SqlDatabase>;
  readonly #given: { readonly reached: RunReached; readonly closeDatabases: () => Promise<void> };
  /** A run may need a session of each database; with all of one taken, none waits for another's. */
  readonly #gate: Gate;
  #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | null = null;

  /** @internal Made by `openTransactions`. */
  constructor(
    coordination: Coordination,
    databases: ReadonlyMap<string, SqlDatabase>,
    given: { readonly reached: RunReached; readonly closeDatabases: () => Promise<void> },
  ) {
    this.#coordination = coordination;
    this.#databases = databases;
    this.#given = given;
    this.#gate = new Gate(Math.min(...[...databases.values()].map((one) => one.maxSessions)));
  }

  /**
   * Calls the function with a handle of each database, and commits what it did in all of them:
   * resolves with what it returned once that is certain. Where it throws, nothing stays anywhere,
   * and `run` rejects with the same. It is called again where a database undid the work for
   * another's sake (serialization failure, deadlock, lock time-out) or was away.
   *
   * Rejects with a TransactionAbortedError for an abort that is none of the function's, and with an
   * OutcomeUnknownError where the log or the only database that was written failed in the midst of
   * the commit: then it may have committed. The function awaits every query, and keeps no handle.
   */
  async run<Value>(
    work: (databases: Readonly<Record<Name, Sql>>, context: TransactionsContext) => Promise<Value>,
    options: TransactionsRunOptions = {},
  ): Promise<Value> {
    checkRun(work, options);
    refuseNested(this);
    if (this.#closing !== null) throw closedError('Transactions object');
    let hasBegun = false;
    const running = this.#gate.run(() => {
      hasBegun = true;
      return this.#run(work, options);
    });
    const done = running.catch(() => undefined);
    this.#running.add(done);
    void done.then(() => this.#running.delete(done));
    const { signal } = options;
    return signal === undefined ? running : orGivenUp(running, signal, () => hasBegun);
  }

  async #run<Value>(
    work: (databases: Readonly<Record<Name, Sql>>, context: TransactionsContext) => Promise<Value>,
    options: TransactionsRunOptions,
  ): Promise<Value> {
    const { timeoutMs = 10_000, maxAttempts = 5, signal, labels, answer, applyWaitMs } = options;
    const delays = retryDelays(options);
    for (let attempts = 1; ; attempts += 1) {
      if (signal?.aborted === true) throw givenUp(signal);
      const given = {
        clock: systemClock,
        coordination: this.#coordination,
        databases: this.#databases,
        reached: this.#given.reached,
        timeoutMs,
        labels,
        signal,
      };
      const outcome = await attempt(given, async (branches, begun) => {
        const handles = [...branches].map(([name, { sql }]) => [name, sql as Sql] as const);
        const all = Object.fromEntries(handles) as Record<Name, Sql>;
        const value = await runningFor(this, () => work(all, { ...begun, attempt: attempts }));
        return notDeferred(value, 'The function of the run');
      }).catch((error: unknown) => {
        throw signal?.aborted === true && error === signal.reason ? givenUp(signal) : error;
      });
      const { txid } = outcome;
      if (outcome.outcome === 'committed') {
        if (answer !== 'decided')
          await doneWithin(systemClock, outcome.applied, applyWaitMs ?? 1_000);
        return outcome.value;
      }
      const { reason, cause } = outcome;
      if (!reason.retryable || attempts >= maxAttempts)
        throw new TransactionAbortedError(reason, { txid, attempts, cause });
      const delayMs = backoffMs(attempts, delays, systemRandom.fraction());
      // An abort ends it: what is looked at next.
      const signals = signal === undefined ? [] : [signal];
      await pause(systemClock, delayMs, ...signals).catch(() => undefined);
    }
  }

  /**
   * Resolves when every database has done as was decided; the attempt's txid is in the function's
   * context. Rejects with TIMEOUT after `timeoutMs`, where that is given: it is tried on.
   */
  async whenSettled(txid: Txid, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    checkFields(options, { timeoutMs: 'ms' }, 'whenSettled');
    if (typeof txid !== 'string' || !isTxid(txid))
      throw new TypeError(`whenSettled wants the txid of a run's context, not ${shown(txid)}.`);
    await this.#coordination.whenSettled(txid, options);
  }

  /** Takes no new run, lets those under way end, and closes the log and the connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#running);
    await this.#coordination.close();
    await this.#given.closeDatabases();
  }

  /** Same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whose address was forgotten, the driver looks for on this machine: so it must be named. */
function openedAs(name: string, opening: Promise<SqlDatabase>): Promise<SqlDatabase> {
  return opening.catch((cause: unknown) => {
    throw new Error(`The database ${name} could not be opened: ${thrownText(cause)}`, { cause });
  });
}

/** One that waits for a place does not do so for longer than its caller. */
async function orGivenUp<Value>(
  running: Promise<Value>,
  signal: AbortSignal,
  hasBegun: () => boolean,
): Promise<Value> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => {
    if (!hasBegun()) stopped.reject(givenUp(signal));
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([running, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function givenUp(signal: AbortSignal): VerdictError {
  return new VerdictError('ABORTED_BY_CALLER', 'The run was given up by its signal.', {
    retryable: false,
    acted: 'nothing',
    cause: signal.reason,
  });
}

function checkRun(work: unknown, options: TransactionsRunOptions): void {
  if (typeof work !== 'function')
    throw new TypeError(`run wants a function that works on the databases, not ${shown(work)}.`);
  checkFields(options, runFields, "run's options");
  const { answer = 'applied' } = options;
  if (answer !== 'applied' && answer !== 'decided')
    throw new TypeError(`answer must be 'decided' or 'applied', not ${shown(answer)}.`);
}

function checkOptions(options: TransactionsOptions): void {
  checkFields(options, optionFields, 'openTransactions');
  const { directory, databases } = options as Partial<TransactionsOptions>;
  if (directory === undefined)
    throw new TypeError('openTransactions needs directory: where its decisions are kept.');
  const names = Object.keys(databases ?? {});
  if (names.length === 0)
    throw new TypeError(
      'openTransactions needs databases: { orders: postgresql({ ... }), stock: mariadb({ ... }) }.',
    );
  for (const name of names) {
    if (!namePattern.test(name) || name === logFolder)
      throw new TypeError(
        `${shown(name)} is no name for a database: up to 32 letters, digits and _, and not ${logFolder}.`,
      );
    const { open } = (databases?.[name] ?? {}) as Partial<Database>;
    if (typeof open !== 'function')
      throw new TypeError(
        `The database ${name} must be made by postgresql(...) of verdict/postgresql or mariadb(...) of verdict/mariadb.`,
      );
  }
}
