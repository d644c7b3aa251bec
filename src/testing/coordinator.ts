/** A real coordinator in a test's process. */
import { type Client, type ConnectOptions, connect } from '../client/client.ts';
import type { CrashPoint } from '../coordinator/crash-points.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../core/coordinator-options.ts';
import { checkFields } from '../core/fields.ts';
import type { TransactionStatus } from '../core/messages.ts';
import { isTxid, type Txid } from '../core/txid.ts';
import { MemoryLogStore } from '../decision-log/memory/store.ts';
import type { ParticipantCrashPoint } from '../participant/crash-points.ts';
import { type ParticipantHandle, serveParticipant } from '../participant/serve.ts';
import { vote } from '../participant/vote.ts';
import { type Logger, silentLogger, userLogger } from '../ports/logger.ts';
import { assertRealTimers, later, realClock, realPause } from '../system/real-time.ts';
import { Asker } from './asker.ts';
import { MovedClock, type TestClock } from './clock.ts';
import { Door, otherParticipant } from './door.ts';
import { type FaultName, type FaultOptions, FaultPlan, type InjectedFault } from './faults.ts';
import { Incarnation } from './incarnation.ts';
import { type StartParticipant, TestParticipant } from './participant.ts';
import { type Accept, inProcessDialer } from './wire.ts';

/** What `startTestCoordinator` takes. */
export interface TestCoordinatorOptions {
  /** As of a node: docs/OPERATING.md lists them. Default: a node's own defaults. */
  readonly options?: Partial<CoordinatorOptions>;
  /** Where the node's log goes. Default: nowhere. */
  readonly logger?: Logger;
}

/**
 * Spread into `connect` or `serveParticipant`, last: by them the SDK reaches the test coordinator,
 * shares its clock and meets its faults. It holds more than its type tells.
 */
export interface TestOptions {
  /** As of the coordinator. */
  readonly urls: readonly string[];
}

/** Options of `whenSettled` and `whenAllSettled`. */
export interface SettledOptions {
  /** In real time. Default 10,000. */
  readonly timeoutMs?: number;
}

const settledTimeoutMs = 10_000;
const lookMs = 20;
const goneForMs = 50;
const ended: ReadonlySet<string> = new Set(['COMMITTED', 'ABORTED', 'EXPIRED']);

/**
 * Starts a coordinator node in this process, on a log in memory. Any number may run at once.
 *
 * ```ts
 * await using coordinator = await startTestCoordinator();
 * const client = await coordinator.connect();
 * ```
 */
export async function startTestCoordinator(
  options: TestCoordinatorOptions = {},
): Promise<TestCoordinator> {
  assertRealTimers();
  checkFields(options, { options: 'object', logger: 'any' }, "startTestCoordinator's options");
  const coordinator = new TestCoordinator(options);
  await coordinator.start();
  return coordinator;
}

/** Made by `startTestCoordinator`. Close it when you are done, or hold it with `await using`. */
export class TestCoordinator implements AsyncDisposable {
  /** The time of the coordinator, and of all that has its options. */
  readonly clock: TestClock;
  readonly #clock = new MovedClock();
  readonly #options: CoordinatorOptions;
  readonly #logger: Logger;
  readonly #store = new MemoryLogStore();
  readonly #plan = new FaultPlan();
  readonly #door: Door;
  readonly #participants = new Set<TestParticipant<Pick<ParticipantHandle, 'close'>>>();
  readonly #clients = new Set<Client>();
  readonly #news = new Set<() => void>();
  readonly #accept = (): Accept | null => this.#node?.accept ?? null;
  #node: Incarnation | null = null;
  #port = 0;
  #other: Promise<unknown> | null = null;
  #asker: Asker | null = null;
  /** Its restart, while it is gone. */
  #back: Promise<void> | null = null;
  readonly #restarts = new Set<Promise<unknown>>();
  /** Ends what waits for the clock, where the coordinator is closed. */
  readonly #over = new Set<() => void>();
  #closed: Promise<void> | null = null;
  #fault: unknown = null;

  /** @internal */
  constructor({ options = {}, logger = silentLogger }: TestCoordinatorOptions) {
    // A test that failed midway leaves transactions open: no close waits for them.
    this.#options = coordinatorOptions({ drainMs: 0, ...options });
    this.clock = this.#clock;
    this.#logger = userLogger(logger, "startTestCoordinator's options");
    this.#door = new Door({ plan: this.#plan, news: () => this.#tell() });
  }

  /** @internal */
  async start(): Promise<void> {
    await this.#startNode();
  }

  /** Where any client or participant reaches it, from another process too. */
  get urls(): readonly string[] {
    return [`127.0.0.1:${this.#port}`];
  }

  /** For `connect`: see `TestOptions`. */
  get clientOptions(): TestOptions {
    return Object.assign(
      { urls: this.urls },
      { clock: this.#clock, dialer: inProcessDialer(this.#accept) },
    );
  }

  /** A client of it, closed with it. */
  async connect(options: Partial<ConnectOptions> = {}): Promise<Client> {
    this.#assertOpen();
    const client = await connect({ ...options, ...this.clientOptions });
    this.#clients.add(client);
    return client;
  }

  /**
   * Starts a participant that faults can crash, with a journal in memory that outlives its crashes.
   * It is closed with the coordinator. Resolves when it is connected.
   *
   * ```ts
   * const inventory = await coordinator.participant((verdict) => startInventory(verdict));
   * ```
   */
  async participant<Handle extends Pick<ParticipantHandle, 'close'> = ParticipantHandle>(
    start: StartParticipant<Handle>,
  ): Promise<TestParticipant<Handle>> {
    this.#assertOpen();
    const { urls } = this;
    const participant: TestParticipant<Handle> = new TestParticipant(
      {
        clock: this.#clock,
        urls,
        accept: this.#accept,
        reached: (name, point) => this.#passes(participant, name, point),
      },
      start,
    );
    this.#participants.add(participant);
    const handle: Pick<ParticipantHandle, 'close'> & Partial<ParticipantHandle> =
      await participant.restart();
    await handle.connected?.();
    return participant;
  }

  /** The next time that it can happen, this happens: once. */
  inject(fault: FaultName, options: FaultOptions = {}): InjectedFault {
    this.#assertOpen();
    checkFields(options, { participant: 'text', forMs: 'ms', restart: 'flag' }, "inject's options");
    if (fault === 'abort by another participant') this.#other ??= this.#serveOther();
    return this.#plan.inject(fault, options);
  }

  /** Faults that were injected and have not happened. */
  get faultsLeft(): readonly FaultName[] {
    return this.#plan.left;
  }

  /**
   * Ends the node at once, as kill -9 does, and starts it again on its log and its port when so
   * long has passed by its clock. Resolves when it is back.
   */
  async goneFor(forMs: number): Promise<void> {
    this.#assertOpen();
    this.#back ??= this.#kill(forMs);
    await this.#back;
  }

  /** Every transaction that it has seen, in order, as it stands now. */
  async transactions(): Promise<readonly TransactionStatus[]> {
    return Promise.all(this.#door.txids.map((txid) => this.#status(txid)));
  }

  /**
   * Resolves when the transaction is decided and every participant has carried that out. Rejects
   * when that takes longer than `timeoutMs`, and says what is missing.
   */
  async whenSettled(
    txid: Txid,
    { timeoutMs = settledTimeoutMs }: SettledOptions = {},
  ): Promise<TransactionStatus> {
    if (!isTxid(txid)) throw new TypeError('whenSettled takes the txid of a transaction.');
    const untilMs = realClock.monotonicMs() + timeoutMs;
    for (;;) {
      const news = this.#nextNews();
      const status = await this.#status(txid);
      if (ended.has(status.state) && this.#isCarriedOut(txid)) return status;
      if (realClock.monotonicMs() >= untilMs) throw new Error(unsettled(status, timeoutMs));
      await Promise.race([news, realPause(lookMs)]);
    }
  }

  /** As `whenSettled`, of all that it has seen so far. */
  async whenAllSettled(options: SettledOptions = {}): Promise<readonly TransactionStatus[]> {
    return Promise.all(this.#door.txids.map((txid) => this.whenSettled(txid, options)));
  }

  /** Ends all that it has started, without waiting for open transactions. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #startNode(): Promise<void> {
    const node = new Incarnation({
      store: this.#store,
      clock: this.#clock,
      logger: this.#logger,
      options: this.#options,
      door: this.#door,
      port: this.#port,
      reached: (point) => this.#nodePasses(point),
      onFatal: (error) => {
        this.#fault ??= error;
      },
    });
    this.#node = node;
    await node.start();
    this.#port = node.port;
  }

  /** Called within the node's own step: it must not go on from here. */
  #nodePasses(point: CrashPoint): void {
    const fault = this.#plan.takeNodeCrash(point);
    if (fault === null) return;
    this.#back ??= this.#kill(fault.forMs ?? goneForMs);
    this.#back.catch((error: unknown) => {
      this.#fault ??= error;
    });
  }

  async #kill(forMs: number): Promise<void> {
    const node = this.#node;
    this.#asker = null;
    const freed = node?.kill();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#over.add(resolve);
    const timer = this.#clock.setTimer(forMs, resolve);
    await Promise.all([promise, freed]);
    timer.cancel();
    this.#over.delete(resolve);
    try {
      if (this.#closed === null) await this.#startNode();
    } finally {
      this.#back = null;
    }
  }

  #passes(
    participant: TestParticipant<Pick<ParticipantHandle, 'close'>>,
    name: string,
    point: ParticipantCrashPoint,
  ): void {
    const fault = this.#plan.takeCrash(name, point);
    if (fault === null) return;
    participant.crash();
    if (fault.restart === false) return;
    const restart = async (): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#over.add(resolve);
      const timer = this.#clock.setTimer(fault.forMs ?? 0, resolve);
      await promise;
      timer.cancel();
      this.#over.delete(resolve);
      if (this.#closed === null && !participant.isUp) await participant.restart();
    };
    const restarted: Promise<void> = restart()
      .catch((error: unknown) => {
        this.#fault ??= error;
      })
      .finally(() => this.#restarts.delete(restarted));
    this.#restarts.add(restarted);
  }

  /** Votes abort when all others have voted; in a request that is sent again, no more. */
  async #serveOther(): Promise<void> {
    const refused = new Set<string>();
    await this.participant((verdict) =>
      serveParticipant({
        name: otherParticipant,
        logger: silentLogger,
        ...verdict,
        prepare: async ({ txid, signal }) => {
          if (refused.size > 0) return vote.readonly();
          refused.add(txid);
          while (!this.#door.othersVoted(txid) && !signal.aborted) await this.#nextNews();
          return vote.abort('Another participant voted abort: a fault of the test.');
        },
        commit: () => undefined,
        rollback: () => undefined,
      }),
    );
  }

  async #status(txid: Txid): Promise<TransactionStatus> {
    for (;;) {
      if (this.#fault !== null) throw this.#fault;
      this.#assertOpen();
      if (this.#back !== null) await this.#back;
      const accept = this.#node?.accept;
      if (this.#asker === null && accept != null) this.#asker = new Asker(accept);
      const status = await this.#asker?.status(txid);
      if (status != null) return status;
      if (this.#asker?.isOver === true) this.#asker = null;
      await realPause(1);
    }
  }

  /** By the participants that it started; of others the node knows by their acknowledgements. */
  #isCarriedOut(txid: Txid): boolean {
    return this.#restarts.size === 0 && [...this.#participants].every((each) => !each.holds(txid));
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#news.add(resolve);
    });
  }

  #tell(): void {
    const waiting = [...this.#news];
    this.#news.clear();
    // In a turn of its own: what went by has been taken in by then.
    if (waiting.length > 0) later(() => waiting.forEach((each) => void each()));
  }

  #assertOpen(): void {
    if (this.#closed !== null) throw new Error('The test coordinator is closed.');
  }

  async #close(): Promise<void> {
    for (const each of this.#over) each();
    await this.#back?.catch(() => undefined);
    await this.#other?.catch(() => undefined);
    await Promise.all(this.#restarts);
    // Together: none waits for another, and a fault of one leaves none of the others open.
    const closed = await Promise.allSettled([
      ...[...this.#clients].map((client) => client.close()),
      ...[...this.#participants].map((participant) => participant.close()),
    ]);
    this.#asker?.close();
    await this.#node?.stop();
    this.#clock.stop();
    this.#tell();
    if (this.#fault !== null) throw this.#fault;
    for (const each of closed) if (each.status === 'rejected') throw each.reason;
  }
}

function unsettled({ txid, state, branches }: TransactionStatus, timeoutMs: number): string {
  const each = branches.map(
    ({ participant, state: at, lastError }) =>
      `${participant} ${at}${lastError === undefined ? '' : ` (${lastError})`}`,
  );
  const what = each.length === 0 ? '' : `: ${each.join(', ')}`;
  return `Transaction ${txid} is not settled after ${timeoutMs} ms. It is ${state}${what}.`;
}
