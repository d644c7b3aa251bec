/**
 * A coordinator without a network: the node's own campaigns and driver over the same core, with
 * this process's objects where a node has connections.
 *
 * The core carries out its effects within a step, so nothing here may step it from within one:
 * participants are called, and callers go on, in a later turn.
 */
import type { Reached } from '../coordinator/crash-points.ts';
import { Leading } from '../coordinator/leading.ts';
import { ShardDriver } from '../coordinator/shard-driver.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import type { Ack, FromNode, VoteMessage } from '../core/messages.ts';
import { type Retired, RetiredSet } from '../core/retired.ts';
import type { TermRequest } from '../core/term/events.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { epochOf, shardOf, type Txid } from '../core/txid.ts';
import type { ReplyTo, RequestType, RequestWithoutId } from '../peer/requests.ts';
import { closedError } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { DecisionLog, Leadership } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import { pause } from '../system/pause.ts';
import { TxidSeal } from '../system/txid-seal.ts';
import { tracing } from '../tracing/tracing.ts';
import { Caller, callerConnection } from './caller.ts';
import { broken, notLeading } from './errors.ts';
import type { OpenedLog } from './open-log.ts';
import type { EmbeddedParticipant } from './participant.ts';
import { embeddedInstance, type NamedParticipant, Participants } from './participants.ts';
import type { ReturnsTable } from './returns.ts';

export interface EngineOptions {
  readonly opened: OpenedLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options: CoordinatorOptions;
  readonly returns: ReturnsTable;
  readonly reached: Reached;
  /** A leadership of this process began, or ended. */
  readonly changed: () => void;
  readonly onBroken: (error: unknown) => void;
}

const pollMs = 10;
/** How long a call waits for someone to lead: longer than a lease takes to end. */
const leadWaitMs = 10_000;

export class Engine {
  readonly participants: Participants;
  readonly clock: Clock;
  readonly log: DecisionLog;
  readonly seal: TxidSeal;
  readonly #given: EngineOptions;
  readonly #caller = new Caller();
  readonly #leading: Leading;
  #nextShard = 0;
  #broken: unknown = null;
  #refusing = false;
  readonly #retired = new RetiredSet();

  constructor(given: EngineOptions) {
    this.#given = given;
    const { opened, clock, random, logger, options, returns } = given;
    this.clock = clock;
    this.log = opened.log;
    this.seal = new TxidSeal(opened.log.meta.txidSecret);
    this.participants = new Participants({
      returns,
      clock,
      random,
      options,
      deliver: (from, message) => this.#deliver(from, message),
      onBroken: (error) => this.break(error),
    });
    this.#leading = new Leading({
      log: opened.log,
      node: opened.node,
      clock,
      logger,
      drainMs: options.drainMs,
      tickMs: options.tickMs,
      learn: async () => {
        for (const retired of await opened.log.retired()) this.#hear(retired);
      },
      lead: (leadership) => this.#lead(leadership),
      changed: () => given.changed(),
      recovered: () => given.changed(),
    });
    opened.log.watchRetired((retired) => this.#hear(retired));
    this.#leading.start();
  }

  /** The drivers that have taken up what the log held. */
  drivers(): ShardDriver[] {
    return [...this.#leading.drivers.values()].filter(({ started }) => started);
  }

  /** Whether the leadership under which the transaction began is this process's, and stands. */
  holds(txid: Txid): boolean {
    return this.driver(txid)?.leader.epoch === epochOf(txid);
  }

  driver(txid: Txid): ShardDriver | undefined {
    const driver = this.#leading.drivers.get(shardOf(txid));
    return driver?.started === true ? driver : undefined;
  }

  /** One to begin a transaction with: each in its turn. */
  async anyDriver(): Promise<ShardDriver> {
    return this.#whenLed(() => {
      const drivers = this.drivers();
      this.#nextShard = (this.#nextShard + 1) % Math.max(1, drivers.length);
      return drivers[this.#nextShard];
    });
  }

  /** Every shard has a leader, be it another process; what this one leads is taken up. */
  async allLed(): Promise<void> {
    const { drivers } = this.#leading;
    await this.#whenLed(() =>
      this.#leading.ready() && this.drivers().length === drivers.size ? true : undefined,
    );
  }

  /** The transaction's, or null where another process leads its shard. */
  async driverOf(txid: Txid): Promise<ShardDriver | null> {
    return this.#whenLed(() => {
      const driver = this.driver(txid);
      if (driver !== undefined) return driver;
      // Soon: it takes up what the log holds.
      if (this.#leading.drivers.has(shardOf(txid))) return undefined;
      const leader = this.#leading.leaders()[shardOf(txid)] ?? null;
      return leader === null ? undefined : null;
    });
  }

  /** Throws where nothing may be asked any more. */
  check(): void {
    if (this.#broken !== null) throw broken(this.#broken);
    if (this.#refusing) throw closedError('coordinator');
  }

  async request<Type extends RequestType>(
    driver: ShardDriver,
    request: RequestWithoutId & { readonly type: Type },
    from: NamedParticipant | null = null,
  ): Promise<ReplyTo[Type]> {
    this.check();
    const trace = traceFieldsFor(request.type);
    return this.#caller.call<Type>((id) => {
      driver.step({
        type: 'message',
        from: {
          connection: from?.connection ?? callerConnection,
          participant: from === null ? null : { name: from.name, instance: embeddedInstance },
          // Whoever has the coordinator may do everything with it.
          ...{ seesAll: true, endsAll: true },
        },
        // With its id it is whole again; the compiler cannot see that through the union.
        message: { ...request, ...trace, id } as unknown as TermRequest,
        requestHash: null,
      });
    });
  }

  /** The object stands for its name from now on; what waited for the name goes on at once. */
  adopt(participant: EmbeddedParticipant): NamedParticipant {
    const isNew = this.participants.get(participant.name) === undefined;
    const named = this.participants.adopt(participant);
    if (isNew) for (const driver of this.#leading.drivers.values()) join(driver, named);
    return named;
  }

  /** Nothing is decided, said or called from here on. */
  break(error: unknown): void {
    if (this.#broken !== null) return;
    this.#broken = error ?? new Error('unknown');
    this.participants.stop();
    this.#caller.failAll('The coordinator met a fault before the outcome was known.');
    // Stopped first: a drain would let what is under way be decided.
    for (const driver of this.#leading.drivers.values()) driver.stop().catch(() => undefined);
    void this.#leading.stop();
    this.#given.onBroken(error);
  }

  /** Once. Ends what is under way, for up to `drainMs`; what is not done is left to `recover`. */
  async close(): Promise<void> {
    const { clock, options } = this.#given;
    const untilMs = clock.monotonicMs() + options.drainMs;
    // What was called before the close, and is on its way here, counts as under way.
    await pause(clock, 0);
    this.#refusing = true;
    for (const driver of this.drivers()) driver.step({ type: 'drain' });
    const busy = (): boolean =>
      this.#broken === null &&
      (this.participants.calling ||
        this.drivers().some(({ term }) => term.undecided() + term.moving > 0));
    while (busy() && clock.monotonicMs() < untilMs) await pause(clock, pollMs);
    await this.#leading.stop(untilMs);
    this.participants.stop();
    await this.log.close();
    this.#caller.failAll('The coordinator was closed before the outcome was known.');
  }

  /** Of processes beside this one: no decision waits for one that never comes back. */
  #hear(retired: Retired): void {
    if (!this.#retired.add(retired)) return;
    for (const driver of this.#leading.drivers.values()) driver.step({ type: 'retired', retired });
  }

  #lead(leadership: Leadership): ShardDriver {
    const { opened, clock, random, logger, options, reached } = this.#given;
    reached('leadership-taken');
    const { shard, epoch } = leadership;
    const driver = new ShardDriver({
      log: opened.log,
      leadership,
      leader: { shard, epoch, node: opened.node, url: `embedded://${opened.node}` },
      clock,
      random,
      options,
      logger,
      debug: false,
      inProcess: true,
      reached,
      send: (connection, message) => this.#send(connection, message),
      onBroken: (error) => this.break(error),
    });
    for (const retired of this.#retired.all()) driver.step({ type: 'retired', retired });
    for (const named of this.participants.all()) join(driver, named);
    return driver;
  }

  #send(connection: number, message: FromNode): void {
    // A store whose last write may be durable or not must not be spoken for.
    if (this.#broken !== null) return;
    if (connection === callerConnection || 'id' in message) {
      this.#caller.receive(message);
      return;
    }
    try {
      this.participants.receive(connection, message);
    } catch (error) {
      this.break(error);
    }
  }

  #deliver(from: NamedParticipant, message: VoteMessage | Ack): void {
    if (this.#broken !== null) return;
    this.#given.reached(message.type === 'vote' ? 'before-vote-counted' : 'before-ack-counted');
    // Also to one that still reads the log: its first commands are answered before it has read all.
    this.#leading.drivers.get(shardOf(message.txid))?.step({
      type: 'message',
      from: {
        connection: from.connection,
        participant: { name: from.name, instance: embeddedInstance },
      },
      message,
      requestHash: null,
    });
  }

  async #whenLed<T>(look: () => T | undefined): Promise<T> {
    const untilMs = this.clock.monotonicMs() + leadWaitMs;
    for (;;) {
      this.check();
      const found = look();
      if (found !== undefined) return found;
      if (this.clock.monotonicMs() >= untilMs) throw notLeading('This process does not lead.');
      await pause(this.clock, pollMs);
    }
  }
}

/** Of whoever calls, for the messages that may carry it. */
function traceFieldsFor(type: RequestType): Partial<TraceContext> | undefined {
  if (type !== 'begin' && type !== 'commit' && type !== 'rollback') return undefined;
  return tracing()?.activeTrace();
}

function join(driver: ShardDriver, named: NamedParticipant): void {
  driver.step({
    type: 'participant-connected',
    connection: named.connection,
    participant: named.name,
    instance: embeddedInstance,
    sharedResource: null,
    process: null,
  });
}
