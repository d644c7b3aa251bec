/**
 * A coordinator node: sessions on one side, the terms it leads on the other.
 */
import type { Reached } from '../coordinator/crash-points.ts';
import { Leading } from '../coordinator/leading.ts';
import { LineLimit } from '../coordinator/line-limit.ts';
import { LogReads } from '../coordinator/log-reads.ts';
import { ShardDriver } from '../coordinator/shard-driver.ts';
import { helloProblem } from '../core/access/judge-access.ts';
import type { Rights } from '../core/access/rights.ts';
import type { ErrorCode } from '../core/catalogue.ts';
import type { Claim, Rebound } from '../core/claims.ts';
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import { defined } from '../core/defined.ts';
import type {
  FromNode,
  Hello,
  LeaderInfo,
  NodeInfo,
  ToNode,
  TransactionStatus,
} from '../core/messages.ts';
import { servedElsewhere } from '../core/other-cluster.ts';
import { concerns, type Retired, RetiredSet } from '../core/retired.ts';
import { heldBytesOf, Shares } from '../core/shares.ts';
import type { Refusal } from '../core/term/events.ts';
import { thrownLine } from '../core/thrown.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Access, Credited, Who } from '../ports/access.ts';
import { type Audit, noAudit } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { DecisionLog, Leadership, ShardRange } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type {
  Acceptor,
  CloseInfo,
  Connection,
  Dialer,
  HeldBytes,
  Listener,
  TokenCredential,
} from '../ports/transport.ts';
import { pause } from '../system/pause.ts';
import { TxidSeal } from '../system/txid-seal.ts';
import { encodedOnce } from '../wire/encoded-once.ts';
import { Admission, type Admittance, retiredText } from './admission.ts';
import { Bindings } from './bindings.ts';
import { DearAnswers } from './dear-answers.ts';
import { dispatch } from './dispatch.ts';
import { LeaderWatch } from './leader-watch.ts';
import { NodeAudit } from './node-audit.ts';
import { PacedAnswers } from './paced-answers.ts';
import { PacedNews } from './paced-news.ts';
import { ParticipantSessions } from './participants.ts';
import { ReportQueue } from './report-queue.ts';
import { Session, type SessionHost } from './session.ts';
import { unquoted } from './unquoted.ts';
import { Uses } from './uses.ts';
import { welcomeOf } from './welcome.ts';

export interface NodeOptions {
  readonly node: string;
  /** What peers are told to connect to; null: the address that is really bound. */
  readonly advertise: string | null;
  readonly version: string;
  readonly log: DecisionLog;
  readonly acceptor: Acceptor;
  /** Reaches other nodes, to notice at once when a leader's process dies; null if it is alone. */
  readonly dialer: Dialer | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: none is written. */
  readonly audit?: Audit;
  /** Whether the logger takes level debug: notes of that level are not made otherwise. */
  readonly debug: boolean;
  readonly options: CoordinatorOptions;
  readonly access: Access;
  /** Where operators connect, and no one else; absent: where all others do. */
  readonly operatorAcceptor?: Acceptor | null;
  /** By which this node shows other nodes who it is. */
  readonly credential?: Pick<TokenCredential, 'token'> | undefined;
  /** A fault after which the node must not go on: print it and end the process. */
  /** For operators: what the node runs with, without secrets. */
  readonly configuration?: () => object;
  readonly onFatal: (error: unknown) => void;
  readonly reached?: Reached;
}

const readyPollMs = 10;

export class CoordinatorNode implements SessionHost {
  readonly given: NodeOptions;
  readonly dearAnswers: DearAnswers;
  readonly pacedAnswers: PacedAnswers;
  readonly participants: ParticipantSessions = new ParticipantSessions();
  readonly seal: TxidSeal;
  readonly logReads: LogReads;
  readonly reports: ReportQueue<Session>;
  readonly leading: Leading;
  readonly startedAtMs: number;
  readonly audit: NodeAudit;
  readonly #sessions = new Map<number, Session>();
  readonly #reached: Reached;
  readonly #lines: LineLimit;
  readonly #admission: Admission;
  readonly #uses: Uses;
  readonly #bindings: Bindings;
  readonly #heldBytes: Shares;
  /** What a leadership of the shard, the next one or the one that stands, may count on. */
  readonly #retiredAt = new Map<number, RetiredSet>();
  #listener: Listener | null = null;
  #operatorListener: Listener | null = null;
  #nextSession = 1;
  readonly #leaderWatch: LeaderWatch | null;
  readonly #news: PacedNews;
  #unwatch: (() => void)[] = [];
  #stopping: Promise<void> | null = null;
  #url = '';

  constructor(given: NodeOptions) {
    const { clock, options, dialer, random } = given;
    this.given = given;
    this.seal = new TxidSeal(given.log.meta.txidSecret);
    this.dearAnswers = new DearAnswers(clock);
    this.pacedAnswers = new PacedAnswers(clock);
    this.#news = new PacedNews(clock, () => this.#tellTopology());
    this.startedAtMs = clock.monotonicMs();
    this.audit = new NodeAudit(given.audit ?? noAudit, clock);
    this.#reached = given.reached ?? (() => undefined);
    this.#lines = new LineLimit(clock);
    this.#uses = new Uses(clock);
    this.#bindings = new Bindings({
      log: given.log,
      clock,
      rebound: (rebound) => this.#endRebound(rebound),
      failed: (error) => {
        const text = 'Whose instance it is could not be read from the log.';
        this.write('warn', text, { error: thrownLine(error) }, text);
      },
    });
    this.#admission = new Admission({
      access: given.access,
      hasOperatorDoor: given.operatorAcceptor != null,
      bindings: this.#bindings,
      tellCopied: ({ name: participant, instance }, text) => {
        const event = 'journal-copied';
        this.write('error', event, { event, participant, instance }, text);
      },
    });
    this.logReads = new LogReads(clock);
    this.reports = new ReportQueue<Session>({
      clock,
      judges: () => this.drivers,
      isIssued: (txid) => this.isIssued(txid),
      foreign: ({ peer }, lines) =>
        this.write(
          'error',
          'foreign',
          { event: 'foreign-transactions', ...peer, lines },
          'A participant holds transactions that no leader of this cluster ever gave out: its journal is of another cluster, or the decision log was made anew. They are not judged; see docs/OPERATING.md.',
        ),
    });
    this.#heldBytes = new Shares(heldBytesOf(options));
    this.leading = new Leading({
      ...given,
      drainMs: options.drainMs,
      tickMs: options.tickMs,
      learn: (shard) => this.#learnRetired(shard),
      lead: (leadership) => this.#lead(leadership),
      changed: () => this.#announce(),
    });
    this.#leaderWatch =
      dialer === null ? null : new LeaderWatch({ ...given, dialer, instance: random.token(20) });
  }

  get drivers(): ReadonlyMap<number, ShardDriver> {
    return this.leading.drivers;
  }

  get ready(): boolean {
    return this.#listener !== null && this.#stopping === null && this.leading.ready();
  }

  get url(): string {
    return this.#url;
  }

  get connections(): number {
    return this.#sessions.size;
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
      log.watchRetired((retired, shards) => this.#hear(retired, shards)),
    ];
    await this.#learnRetired();
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
      log.watchLeaders(() => this.#announce()),
      log.watchNodes(() => this.#announce()),
    );
    // Of a cluster that has settled the watches above tell nothing.
    this.#leaderWatch?.update(this.leaders(), this.nodes());
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
      leadership,
      leader: { shard, epoch, node: this.given.node, url: this.#url },
      heldBytes: this.#heldBytes,
      logReads: this.logReads,
      reached: this.#reached,
      send: (connection, message) => {
        if (!this.reports.answered(message)) this.#sessions.get(connection)?.send(message);
      },
      forced: (connection, forced) =>
        this.audit.forced(this.#sessions.get(connection), { ...forced, recorded: false }),
      onBroken: this.given.onFatal,
    });
    // Before the log is scanned: a branch of a retired instance must not be taken up as owed.
    for (const retired of this.#retiredAt.get(shard)?.all() ?? []) {
      driver.step({ type: 'retired', retired });
    }
    for (const session of this.participants.all()) this.#join(driver, session);
    return driver;
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
  async statusAtLeader(txid: Txid): Promise<TransactionStatus | null> {
    return (await this.#leaderWatch?.statusOf(txid)) ?? null;
  }

  nodes(): NodeInfo[] {
    const others = this.given.log.nodes().filter(({ node }) => node !== this.given.node);
    return [{ node: this.given.node, url: this.#url }, ...others];
  }

  #announce(): void {
    this.reports.dropOver();
    if (this.#stopping !== null) return;
    this.#leaderWatch?.update(this.leaders(), this.nodes());
    this.#news.changed();
  }

  #tellTopology(): void {
    const leaders = encodedOnce(this.leaders());
    const nodes = encodedOnce(this.nodes());
    const message: FromNode = { type: 'topology', leaders, nodes };
    for (const session of this.#sessions.values()) {
      if (session.hello !== null) session.send(message);
    }
  }

  #accept(connection: Connection<FromNode>): Session {
    const session = new Session({ id: this.#nextSession++, connection, host: this });
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Who the peer is and what it may do, or why it is not let in. */
  admit(hello: Hello, connection: Connection<FromNode>): Admittance | Promise<Admittance> {
    return this.#admission.admit(hello, connection);
  }

  /** Who has the token: for a connection that goes on with it. */
  credit(token: string, connection: Connection<FromNode>): Credited | Promise<Credited> {
    return this.given.access.whoHas(token, { private: connection.isPrivate === true });
  }

  rightsOf(who: Who): Rights | Refusal | null {
    return this.#admission.rightsOf(who);
  }

  /** Counts a connection of the identity; why there may not be one more, or null. */
  occupy(rights: Rights): Refusal | null {
    return this.#uses.connect(rights);
  }

  requestIdProblem(rights: Rights): Refusal | null {
    return this.#uses.requestIdProblem(rights);
  }

  /** Bytes came from an identity: for how long nothing more is to be read of it. */
  inputWaitMs(rights: Rights, bytes: number): number {
    return this.#uses.came(rights, bytes);
  }

  renewed(session: Session, { expiresAtMs }: Who): void {
    this.audit.renewed(session, expiresAtMs);
  }

  #rightsChanged(): void {
    for (const session of [...this.#sessions.values()]) session.rightsChanged(helloProblem);
  }

  opened(session: Session): void {
    if (session.is('participant') && this.participants.isPast(session)) {
      this.#supersede(session);
      return;
    }
    this.audit.accepted(session);
    session.send({
      ...welcomeOf({ ...this.given, leaders: this.leaders(), nodes: this.nodes() }),
      ...defined({ expiresInMs: session.expiresInMs }),
    });
    if (!session.is('participant')) return;
    const superseded = this.participants.add(session);
    for (const driver of this.drivers.values()) this.#join(driver, session);
    for (const earlier of superseded) this.#supersede(earlier);
    this.#tell(session, 'Participant connected.');
  }

  #supersede(earlier: Session): void {
    const refusal = this.#admission.supersededRefusal(earlier.hello);
    if (refusal !== null) {
      earlier.refuse(refusal.code, refusal.message);
    } else {
      const reason = 'Another connection of this instance took its place.';
      earlier.send({ type: 'goaway', reason });
      earlier.connection.close(1000, 'superseded');
    }
    // Closing may take long if the peer is half-open: from now on it counts as gone.
    earlier.closed({ code: 1000, reason: 'superseded', kind: 'closed' });
  }

  /** The participant stops: it ends what it has; its siblings or its next process get new work. */
  leaves(session: Session): void {
    if (session.leaving || !session.is('participant')) return;
    session.leaving = true;
    for (const driver of this.drivers.values()) {
      driver.step({ type: 'participant-leaves', connection: session.id });
    }
    this.#tell(session, 'Participant is stopping.');
  }

  #join(driver: ShardDriver, session: Session): void {
    const hello = session.hello;
    if (hello === null) return;
    driver.step({
      type: 'participant-connected',
      connection: session.id,
      participant: hello.name,
      instance: hello.instance,
      sharedResource: hello.sharedResource ?? null,
      process: hello.process ?? null,
    });
    // A term that begins now was not told.
    if (session.leaving) driver.step({ type: 'participant-leaves', connection: session.id });
  }

  received(session: Session, message: Exclude<ToNode, Hello>): void {
    if (message.type === 'vote') this.#reached('before-vote-counted');
    else if (message.type === 'ack') this.#reached('before-ack-counted');
    this.audit.asked(session, message);
    dispatch(this, session, message);
  }

  /** A message to the peer could not be made: its connection is being closed. */
  unsendable(session: Session, { type, error }: { type: string; error: unknown }): void {
    const { participant: name, instance } = session.peer;
    const fields = { name, instance, type, error: thrownLine(error) };
    const text =
      'A message could not be sent, and its connection is closed. This is a fault of the coordinator: please report it.';
    this.write('error', 'unsendable', fields, text);
  }

  invalid(session: Session, { code, message }: { code: ErrorCode; message: string }): void {
    const { participant: name } = session.peer;
    const fields = { remote: session.connection.remoteAddress, name, code };
    this.given.logger.debug({ ...fields, message: unquoted(message) }, 'A message was refused.');
  }

  ended(session: Session, info: CloseInfo): void {
    this.#sessions.delete(session.id);
    if (session.rights !== null) this.#uses.ended(session.rights.name);
    this.audit.ended(session, info);
    this.reports.leave(session.id);
    this.logReads.leave(session.id);
    if (!session.is('participant') || !this.participants.remove(session)) return;
    for (const driver of this.drivers.values()) {
      driver.step({ type: 'participant-lost', connection: session.id });
    }
    this.#tell(session, 'Participant disconnected.', { why: info.kind });
    const served = servedElsewhere(info);
    if (served === null) return;
    // The participant logs it too; this line tells whoever looks at the node why it stays away.
    const event = 'other-cluster';
    const { clusterId } = this.given.log.meta;
    this.write(
      'error',
      event,
      { event, ...session.peer, served, clusterId },
      'A participant refuses this node: its journal serves the cluster with another id. See docs/OPERATING.md, "A recreated decision log".',
    );
  }

  /** Logs a line unless there were too many of its kind: peers must not be able to fill the log. */
  write(level: 'info' | 'warn' | 'error', kind: string, fields: object, text: string): void {
    const more = this.#lines.take(kind);
    if (more !== null) this.given.logger[level]({ ...fields, ...more }, text);
  }

  #tell({ peer }: Session, text: string, fields: object = {}): void {
    this.write('info', text, { ...peer, ...fields }, text);
  }

  /** Every node refuses it forever from then on; its branches count as acknowledged. */
  async retire(retired: Retired): Promise<void> {
    await this.given.log.retire(retired);
    this.given.logger.warn({ ...retired }, 'An operator retired a participant.');
  }

  /** Every node lets in that identity alone as it from then on. */
  async rebind(claim: Claim, identity: string): Promise<void> {
    await this.given.log.rebind(claim, identity);
    const fields = { event: 'rebound', ...claim, identity };
    this.given.logger.warn(fields, 'An operator gave a participant to another identity.');
  }

  /**
   * What others have retired. Before a leadership answers anyone (!): the leaderships before it
   * counted on all that is there, and what they collected because of it is gone. `watchRetired`
   * hears of what comes later, and no leadership counts on it sooner.
   */
  async #learnRetired(shard?: number): Promise<void> {
    const known = new RetiredSet();
    // Before the reading: what comes beside it is not missed.
    if (shard !== undefined) this.#retiredAt.set(shard, known);
    for (const retired of await this.given.log.retired(shard)) {
      known.add(retired);
      this.#refuseFromNowOn(retired);
    }
  }

  /** Only leaderships of these shards count on it: elsewhere it may not be in the log yet. */
  #hear(retired: Retired, shards: ShardRange | undefined): void {
    this.#refuseFromNowOn(retired);
    for (const [shard, known] of this.#retiredAt) {
      if (!isIn(shards, shard) || !known.add(retired)) continue;
      this.drivers.get(shard)?.step({ type: 'retired', retired });
    }
  }

  #refuseFromNowOn(retired: Retired): void {
    if (!this.#admission.retired.add(retired)) return;
    for (const session of [...this.participants.all()]) {
      if (session.member !== null && concerns(retired, session.member)) this.refuseRetired(session);
    }
    const text = 'A participant was retired.';
    this.write('info', text, retired, text);
    // What was retired before this start is nothing new.
    if (this.#listener !== null) this.given.audit?.write({ event: 'retired', ...retired });
  }

  /** Who held it before is let in by it no more. */
  #endRebound({ claim, identity }: Rebound): void {
    for (const session of [...this.participants.all()]) {
      const { hello } = session;
      if (hello === null || session.member === null || !concerns(claim, session.member)) continue;
      if (session.identity === null || session.identity === identity) continue;
      const text = 'An operator gave it to another identity.';
      const refusal = this.#bindings.refusal(hello, session.identity);
      session.refuse('FORBIDDEN', refusal?.message ?? text);
      session.closed({ code: 1008, reason: 'rebound', kind: 'closed' });
    }
  }

  refuseRetired(session: Session): void {
    const { member } = session;
    if (member === null) return;
    session.refuse('FORBIDDEN', retiredText(member.participant, member.instance));
    // Closing may take long if the peer is half-open: from now on the session counts as gone.
    session.closed({ code: 1008, reason: 'retired', kind: 'closed' });
  }

  /**
   * A planned stop: no new transactions; those in flight finish, for up to `drainMs`; leaderships
   * are given up; peers are told. A second call joins the first.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  async #drain(): Promise<void> {
    const { logger, log } = this.given;
    for (const unwatch of this.#unwatch) unwatch();
    this.#bindings.close();
    this.#news.close();
    await this.#leaderWatch?.close();
    await this.leading.stop();
    for (const session of this.#sessions.values()) {
      session.send({ type: 'goaway', reason: 'The node is stopping.' });
    }
    await Promise.all([this.#listener?.close(), this.#operatorListener?.close()]);
    this.audit.close();
    await log.close();
    logger.info({}, 'Stopped.');
  }
}

function isIn(shards: ShardRange | undefined, shard: number): boolean {
  return shards === undefined || (shards.first <= shard && shard <= shards.last);
}
