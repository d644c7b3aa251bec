/**
 * A coordinator node: sessions on one side, the terms it leads on the other.
 */
import type { Reached } from '../coordinator/crash-points.ts';
import { Leading, type ShardGiven } from '../coordinator/leading.ts';
import { LogReads } from '../coordinator/log-reads.ts';
import { ShardDriver } from '../coordinator/shard-driver.ts';
import { helloProblem } from '../core/access/judge-access.ts';
import { defined } from '../core/defined.ts';
import { Figures } from '../core/figures.ts';
import type {
  FromNode,
  Hello,
  LeaderInfo,
  NodeInfo,
  ToNode,
  TransactionStatus,
} from '../core/messages.ts';
import { servedElsewhere } from '../core/other-cluster.ts';
import { heldBytesOf, Shares } from '../core/shares.ts';
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import type { Link } from '../peer/link.ts';
import type { Who } from '../ports/access.ts';
import { noAudit } from '../ports/audit.ts';
import type { Leadership } from '../ports/decision-log.ts';
import type { CloseInfo, Connection, HeldBytes, Listener } from '../ports/transport.ts';
import { pause } from '../system/pause.ts';
import { TxidSeal } from '../system/txid-seal.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import { Admission } from './admission.ts';
import { Attendance } from './attendance.ts';
import { Bindings } from './bindings.ts';
import { DearAnswers } from './dear-answers.ts';
import { Descriptions } from './descriptions.ts';
import { dispatch } from './dispatch.ts';
import { Explanations } from './explain.ts';
import type { LeaderAnswer } from './leader-watch.ts';
import { LeftBehind } from './left-behind.ts';
import { LogLevelControl } from './log-level.ts';
import { logProblems } from './log-problems.ts';
import { NodeAudit } from './node-audit.ts';
import { NodeLines } from './node-lines.ts';
import type { NodeOptions } from './node-options.ts';
import { PacedAnswers } from './paced-answers.ts';
import { ParticipantSessions } from './participants.ts';
import { endRebound } from './rebound.ts';
import { Relay } from './relay.ts';
import { ReportQueue } from './report-queue.ts';
import { Retirements } from './retirements.ts';
import { Session, type SessionHost } from './session.ts';
import { successorsOf } from './successors.ts';
import { Topology } from './topology.ts';
import { Uses } from './uses.ts';
import { welcomeOf } from './welcome.ts';

const readyPollMs = 10;

export class CoordinatorNode implements SessionHost {
  readonly given: NodeOptions;
  readonly dearAnswers: DearAnswers;
  readonly pacedAnswers: PacedAnswers;
  readonly relay: Relay;
  readonly leftBehind: LeftBehind;
  readonly participants: ParticipantSessions = new ParticipantSessions();
  readonly seal: TxidSeal;
  readonly logReads: LogReads;
  readonly reports: ReportQueue<Session>;
  readonly leading: Leading;
  readonly startedAtMs: number;
  readonly audit: NodeAudit;
  readonly lines: NodeLines;
  readonly admission: Admission;
  readonly uses: Uses;
  readonly figures: Figures = new Figures();
  readonly descriptions: Descriptions;
  readonly explanations: Explanations = new Explanations(this);
  /** Null: the logger is not this node's to change. */
  readonly logLevel: LogLevelControl | null;
  readonly #sessions = new Map<number, Session>();
  readonly #reached: Reached;
  readonly #retirements: Retirements;
  readonly #attendance: Attendance;
  readonly #bindings: Bindings;
  readonly #heldBytes: Shares;
  #listener: Listener | null = null;
  #operatorListener: Listener | null = null;
  #nextSession = 1;
  #debug: boolean;
  readonly #topology: Topology;
  #unwatch: (() => void)[] = [];
  #stopping: Promise<void> | null = null;
  #url = '';
  /** By shard: the last that was heard of. */
  readonly #epochs = new Map<number, Epoch>();
  /** By shard: when the log was first heard to name no leader. */
  readonly #unledSinceMs = new Map<number, number>();

  constructor(given: NodeOptions) {
    const { clock, options } = given;
    this.given = given;
    this.seal = new TxidSeal(given.log.meta.txidSecret);
    this.dearAnswers = new DearAnswers(clock);
    this.pacedAnswers = new PacedAnswers(clock);
    this.descriptions = new Descriptions(clock);
    this.leftBehind = new LeftBehind(clock, (shard) => this.confirmedLeaders()[shard] !== null);
    this.relay = new Relay((name) => this.linkTo(name));
    this.startedAtMs = clock.monotonicMs();
    this.audit = new NodeAudit(given.audit ?? noAudit, clock);
    this.#reached = given.reached ?? (() => undefined);
    this.lines = new NodeLines(given.logger, clock);
    this.uses = new Uses(clock);
    this.#bindings = new Bindings({
      log: given.log,
      clock,
      rebound: (rebound) => endRebound(rebound, this.participants, this.#bindings),
      failed: (error) => this.lines.bindingsUnread(error),
    });
    this.admission = new Admission({
      access: given.access,
      hasOperatorDoor: given.operatorAcceptor != null,
      bindings: this.#bindings,
      uses: this.uses,
      participants: this.participants,
      tellCopied: (hello, text) => this.lines.copied(hello, text),
    });
    this.#attendance = new Attendance({
      participants: this.participants,
      drivers: () => this.drivers,
      admission: this.admission,
      lines: this.lines,
    });
    this.#retirements = new Retirements({
      log: given.log,
      audit: given.audit,
      lines: this.lines,
      participants: this.participants,
      drivers: () => this.drivers,
      refused: this.admission.retired,
      isNews: () => this.#listener !== null,
    });
    this.logReads = new LogReads(clock);
    this.reports = new ReportQueue<Session>({
      clock,
      judges: () => this.drivers,
      isIssued: (txid) => this.isIssued(txid),
      foreign: (session, lines) => this.lines.foreign(session, lines),
    });
    this.#debug = given.debug;
    this.logLevel =
      given.levelOfLog === undefined
        ? null
        : new LogLevelControl(clock, given.levelOfLog, (debug) => this.#wantDebug(debug));
    this.#heldBytes = new Shares(heldBytesOf(options));
    this.leading = new Leading({
      ...given,
      drainMs: options.drainMs,
      tickMs: options.tickMs,
      successors: successorsOf({
        node: given.node,
        nodes: () => given.log.nodes(),
        ask: (...asked) => this.#topology.ask(...asked),
      }),
      participants: () => this.participants.info().length,
      learn: (shard) => this.#retirements.learn(shard),
      lead: (leadership) => this.#lead(leadership),
      changed: () => this.#announce(),
      ended: (driver) => this.leftBehind.add(driver),
    });
    this.#topology = new Topology({
      ...given,
      url: () => this.#url,
      leaders: () => this.leaders(),
      sessions: () => this.#sessions.values(),
    });
  }

  get drivers(): ReadonlyMap<number, ShardDriver> {
    return this.leading.drivers;
  }

  get ready(): boolean {
    return (
      this.#listener !== null &&
      this.#stopping === null &&
      !this.leading.drained &&
      this.leading.ready()
    );
  }

  /** What an operator has to mend. */
  problems(): readonly string[] {
    const problems = this.given.log.problems?.() ?? [];
    const { clock, log } = this.given;
    const seen = { log, nowMs: clock.monotonicMs(), startedAtMs: this.startedAtMs };
    const all = [...logProblems({ ...seen, unledSinceMs: this.#unledSinceMs }), ...problems];
    return all.map((text) => fitText(text, maxTextBytes));
  }

  get url(): string {
    return this.#url;
  }

  get connections(): number {
    return this.#sessions.size;
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Bytes that came and went on all connections. */
  get traffic(): { readonly input: number; readonly output: number } {
    const none = { input: 0, output: 0 };
    const [one, other] = [this.#listener, this.#operatorListener].map(
      (listener) => listener?.traffic?.() ?? none,
    );
    return {
      input: (one?.input ?? 0) + (other?.input ?? 0),
      output: (one?.output ?? 0) + (other?.output ?? 0),
    };
  }

  /** Bytes, of all that is held and of what the listener holds. */
  get held(): Readonly<Partial<Record<'held' | 'input' | 'output', HeldBytes>>> {
    const { used: bytes, total: maxBytes } = this.#heldBytes;
    return { held: { bytes, maxBytes }, ...this.#listener?.held?.() };
  }

  /** Listens, then campaigns. Resolves when peers can connect; `whenReady`: every shard is led. */
  async start(): Promise<Listener> {
    const { acceptor, operatorAcceptor, log, access } = this.given;
    this.#unwatch = [
      access.watch(() => this.#rightsChanged()),
      log.watchRetired((retired, shards) => this.#retirements.hear(retired, shards)),
    ];
    await this.#retirements.learn();
    this.#listener = await acceptor.listen((connection) => this.#accept(connection));
    try {
      this.#operatorListener =
        (await operatorAcceptor?.listen((connection) => this.#accept(connection))) ?? null;
    } catch (error) {
      await this.#listener.close();
      throw error;
    }
    this.#url =
      this.given.advertise ?? `${this.#listener.scheme ?? 'ws'}://${this.#listener.address}`;
    this.#unwatch.push(
      log.watchLeaders((leaders) => {
        this.#noteLeaders(leaders);
        this.#announce();
      }),
      log.watchNodes(() => this.#announce()),
    );
    this.#noteLeaders(log.leaders());
    // Of a cluster that has settled the watches above tell nothing.
    this.#topology.watch();
    this.leading.start();
    return this.#listener;
  }

  async whenReady(): Promise<void> {
    while (!this.ready && this.#stopping === null) await pause(this.given.clock, readyPollMs);
  }

  #lead(leadership: Leadership): ShardDriver {
    this.#reached('leadership-taken');
    const { shard, epoch } = leadership;
    const driver = new ShardDriver({
      ...this.given,
      debug: this.#debug,
      leadership,
      leader: { shard, epoch, node: this.given.node, url: this.#url },
      heldBytes: this.#heldBytes,
      figures: this.figures,
      logReads: this.logReads,
      reached: this.#reached,
      send: (connection, message) => {
        if (!this.reports.answered(message)) this.#sessions.get(connection)?.send(message);
      },
      forced: (connection, forced) => {
        this.figures.forced += 1;
        this.audit.forced(this.#sessions.get(connection), { ...forced, recorded: false });
      },
      onBroken: this.given.onFatal,
    });
    // Before the log is scanned: a branch of a retired instance must not be taken up as owed.
    for (const retired of this.#retirements.at(shard)) {
      driver.step({ type: 'retired', retired });
    }
    this.#attendance.joinAll(driver);
    return driver;
  }

  #wantDebug(debug: boolean): void {
    this.#debug = debug;
    for (const { term } of this.drivers.values()) term.wantDebug(debug);
  }

  /** Not ready from now on; then all leaderships go to other nodes, and none is taken. */
  drain(): Promise<readonly ShardGiven[]> {
    return this.leading.drain(this.given.options.drainDelayMs);
  }

  undrain(): void {
    this.leading.undrain();
  }

  /** For peers: hints. */
  leaders(): (LeaderInfo | null)[] {
    return this.leading.leaders();
  }

  /** For whoever watches over the cluster. */
  confirmedLeaders(): (LeaderInfo | null)[] {
    return this.leading.confirmedLeaders();
  }

  /**
   * Whether a leader of this cluster gave the id out. A term gave out what it has in memory, which
   * spares the hash for nearly every vote and acknowledgement.
   */
  isIssued(txid: Txid): boolean {
    return (
      this.drivers.get(shardOf(txid))?.term.remembers(txid) === true || this.seal.isIssued(txid)
    );
  }

  /** What the leader says of it, where that is another node which can be asked from here. */
  statusAtLeader(txid: Txid): Promise<TransactionStatus | null> {
    return this.#topology.statusAtLeader(txid);
  }

  explanationAtLeader(txid: Txid): Promise<LeaderAnswer> {
    return this.#topology.explanationAtLeader(txid);
  }

  /** Another node, where it can be asked from here. */
  linkTo(node: string): Link | null {
    return this.#topology.linkTo(node);
  }

  nodes(): NodeInfo[] {
    return this.#topology.nodes();
  }

  #noteLeaders(leaders: readonly (LeaderInfo | null)[]): void {
    for (const [shard, leader] of leaders.entries()) {
      if (leader === null) {
        const sinceMs = this.#unledSinceMs.get(shard) ?? this.given.clock.monotonicMs();
        this.#unledSinceMs.set(shard, sinceMs);
        continue;
      }
      this.#unledSinceMs.delete(shard);
      const before = this.#epochs.get(leader.shard);
      if (before !== undefined && before !== leader.epoch) this.figures.epochChanges += 1;
      this.#epochs.set(leader.shard, leader.epoch);
    }
  }

  #announce(): void {
    this.reports.dropOver();
    this.leftBehind.prune();
    this.#topology.changed();
  }

  #accept(connection: Connection<FromNode>): Session {
    const session = new Session({ id: this.#nextSession++, connection, host: this });
    this.#sessions.set(session.id, session);
    return session;
  }

  renewed(session: Session, { expiresAtMs }: Who): void {
    this.audit.renewed(session, expiresAtMs);
  }

  #rightsChanged(): void {
    for (const session of [...this.#sessions.values()]) session.rightsChanged(helloProblem);
  }

  opened(session: Session): void {
    if (session.is('participant') && this.participants.isPast(session)) {
      this.#attendance.supersede(session);
      return;
    }
    this.audit.accepted(session);
    session.send({
      ...welcomeOf({ ...this.given, leaders: this.leaders(), nodes: this.nodes() }),
      ...defined({ expiresInMs: session.expiresInMs }),
    });
    if (session.is('participant')) this.#attendance.comes(session);
  }

  leaves(session: Session): void {
    this.#attendance.leaves(session);
  }

  received(session: Session, message: Exclude<ToNode, Hello>): void {
    if (message.type === 'vote') this.#reached('before-vote-counted');
    else if (message.type === 'ack') this.#reached('before-ack-counted');
    else if (message.type === 'report') this.figures.doubts += message.inDoubt.length;
    else if (message.type === 'query' || message.type === 'resolve') this.figures.doubts += 1;
    this.audit.asked(session, message);
    dispatch(this, session, message);
  }

  ended(session: Session, info: CloseInfo): void {
    this.#sessions.delete(session.id);
    if (session.rights !== null) this.uses.ended(session.rights.name);
    this.audit.ended(session, info);
    this.reports.leave(session.id);
    this.logReads.leave(session.id);
    this.descriptions.leave(session);
    if (!this.#attendance.goes(session, info)) return;
    const served = servedElsewhere(info);
    if (served !== null) this.lines.servedElsewhere(session, served, this.given.log.meta.clusterId);
  }

  /**
   * A planned stop: not ready at once, and after `drainDelayMs` leaderships go to other nodes.
   * Where there are none: no new transactions, and those in flight finish, for up to `drainMs`.
   * Then peers are told. A second call joins the first.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  async #drain(): Promise<void> {
    const { logger, log } = this.given;
    await pause(this.given.clock, this.given.options.drainDelayMs);
    this.logLevel?.close();
    await this.leading.stop();
    // Who leads now has been told before this.
    for (const unwatch of this.#unwatch) unwatch();
    this.#bindings.close();
    await this.#topology.close();
    for (const session of this.#sessions.values()) {
      session.send({ type: 'goaway', reason: 'The node is stopping.' });
    }
    await Promise.all([this.#listener?.close(), this.#operatorListener?.close()]);
    this.audit.close();
    await log.close();
    logger.info({}, 'Stopped.');
  }
}
