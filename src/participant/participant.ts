/** Puts a participant together: journal, sessions, branches, reports. */
import type { LocalState } from '../core/branch/branch.ts';
import { isIterable, shown } from '../core/fields.ts';
import type { FromNode, ToNode } from '../core/messages.ts';
import { participantOptions } from '../core/participant-options.ts';
import { thrownError, thrownLine } from '../core/thrown.ts';
import { isTxid, shardOf, type Txid } from '../core/txid.ts';
import { jwtSourceOf } from '../peer/credentials.ts';
import { abortedByCaller, refusal, VerdictError } from '../peer/verdict-error.ts';
import type { JournalContents, JournalEntry } from '../ports/journal.ts';
import type { BranchRef, HeldBranch, Resource } from '../ports/resource.ts';
import type { Dialer } from '../ports/transport.ts';
import { pauseOrAbort } from '../system/pause.ts';
import { adoptCluster } from './adopt-cluster.ts';
import { Application } from './application.ts';
import { BranchTimers } from './branch-timers.ts';
import { type Branch, Branches } from './branches.ts';
import type { ParticipantContext } from './context.ts';
import { DirectLog, type LogReader } from './direct-log.ts';
import { dispatch } from './dispatch.ts';
import { Doubt } from './doubt.ts';
import { type EnlistOptions, enlist } from './enlist.ts';
import { Epochs } from './epochs.ts';
import { ParticipantFigures } from './figures.ts';
import { keepsVotes, tellUnvoted } from './held.ts';
import { Housekeeping } from './housekeeping.ts';
import type { ParticipantReading } from './metrics.ts';
import { OneCluster, OtherClusterError } from './one-cluster.ts';
import { loggerOf, type ParticipantAlarm, type ServeBaseOptions } from './options.ts';
import { Reports } from './reports.ts';
import { type Session, Sessions } from './sessions.ts';
import { SiblingWatch } from './sibling-watch.ts';
import { callUser } from './user-callback.ts';

/** The adapters, chosen. */
export interface ParticipantPorts extends Pick<ParticipantContext, 'journal' | 'clock' | 'random'> {
  readonly dialer: Dialer;
  /** Which start this is: tells a restart from a copy of the journal. Absent: no one asks. */
  readonly run?: string;
  /** The decision log itself, for doubts that no node ends; null: no access was given. */
  readonly openReader: ((clusterId: string | null) => Promise<LogReader>) | null;
}

/** A node that takes less is never met: what is true before the first welcome. */
const limitsDefault = { maxFrameBytes: 1_048_576, maxDepth: 32 };
const closeTimeoutMsDefault = 10_000;
/** How long a node may take to hear that this participant stops. */
const leaveTimeoutMs = 1_000;
const processDigits = 13;

const inDoubtStates: readonly LocalState[] = ['prepared', 'orphaned', 'kept'];
const unendedStates: readonly LocalState[] = [...inDoubtStates, 'committing', 'rolling-back'];

export class Participant {
  readonly name: string;
  readonly instance: string;
  readonly figures: ParticipantFigures = new ParticipantFigures();
  readonly #settings: ServeBaseOptions;
  readonly #context: ParticipantContext;
  readonly #sessions: Sessions;
  readonly #branches: Branches;
  readonly #reports: Reports;
  readonly #doubt: Doubt<Branch>;
  readonly #housekeeping: Housekeeping;
  readonly #cluster: OneCluster;
  /** As the journal had them on start. */
  readonly #witnesses: JournalContents['witnesses'];
  readonly #directLog: DirectLog | null;
  /** Where other instances work on the same store. */
  readonly #siblings: SiblingWatch | null;
  #nextWelcome = new AbortController();
  /** The last since a node welcomed this participant. */
  #refused: { readonly url: string; readonly error: VerdictError } | null = null;
  #closing: Promise<void> | null = null;
  #dead = false;
  /** It is being closed, or it is dead. */
  readonly #ended = new AbortController();
  /**
   * Another process has this journal, too: a node said so. From then on no one is asked about an
   * outcome, and no command is taken: every node is dialled anew, and refuses.
   */
  #isCopy = false;

  private constructor(
    settings: ServeBaseOptions,
    resource: Resource,
    ports: ParticipantPorts,
    found: Omit<JournalContents, 'entries'> & { readonly earlierRuns: readonly string[] },
  ) {
    const { name } = settings;
    const { journal, dialer, clock, random, openReader } = ports;
    const { instance } = journal;
    const options = participantOptions(settings.options);
    const context: ParticipantContext = {
      participant: name,
      journal,
      resource,
      options,
      clock,
      random,
      logger: loggerOf(settings),
      figures: this.figures,
      reached: settings.reached ?? ((): void => undefined),
      fatal: (error) => this.fail(thrownError(error)),
    };
    this.name = name;
    this.instance = instance;
    this.#settings = settings;
    this.#context = context;
    this.#housekeeping = new Housekeeping(context);
    const { cluster } = found;
    this.#witnesses = found.witnesses;
    this.#cluster = new OneCluster({
      ...context,
      cluster,
      adopted: settings.adoptCluster?.id ?? null,
      inDoubt: () => this.inDoubt(),
    });
    const { identity, inDoubt } = resource;
    const isShared = settings.sharedResource !== undefined;
    // What nodes are told, and what the log is asked as (!): it is what an operator retires.
    const sharedResource = identity ?? settings.sharedResource;
    // Those who share the journal share its instance.
    const process = isShared ? random.token(processDigits) : undefined;
    const sessions = new Sessions({
      urls: settings.urls,
      tls: settings.tls !== undefined,
      token: settings.token,
      jwt: jwtSourceOf(settings),
      link: {
        hello: () => ({
          name,
          instance,
          roles: ['participant'],
          understands: ['describe'],
          ...(sharedResource === undefined ? {} : { sharedResource }),
          ...(process === undefined ? {} : { process }),
          ...(ports.run === undefined ? {} : { run: ports.run, earlierRuns: found.earlierRuns }),
          ...(this.#isCopy ? { copy: true } : {}),
        }),
        dialer,
        clock,
        random,
        maxRetryDelayMs: options.maxRetryDelayMs,
        refuses: (welcome) => this.#cluster.refuses(welcome),
      },
      logger: context.logger,
      events: {
        welcome: (session) => this.#welcomed(session),
        changed: () => {
          this.#reports.consider();
          this.#doubt.reconsider();
        },
        message: (session, message) => this.#received(session, message),
        lost: (connection) => {
          this.#branches.connectionLost(connection);
          this.#doubt.reconsider();
        },
        refused: (url, error) => {
          this.#refused = { url, error };
          if (error.code === 'JOURNAL_COPIED' && !this.#isCopy) {
            this.#isCopy = true;
            sessions.nodes.redial();
          }
          this.#alarm({ alarm: refusalAlarm(error), message: `${url}: ${error.message}` });
        },
      },
    });
    this.#sessions = sessions;
    this.#directLog =
      openReader === null
        ? null
        : new DirectLog({
            open: openReader,
            clusterId: () => this.#cluster.id,
            resolve: settings.decisionLog?.etcd.resolve === true,
            asker: { participant: name, instance, sharedResource: sharedResource ?? null },
            logger: context.logger,
            setBack: ({ txid, message }) => this.#alarm({ alarm: 'log-set-back', message, txid }),
          });
    const epochs = new Epochs(journal, found.epochs);
    const doubt = new Doubt<Branch>({
      ...context,
      sessions,
      // What its journal holds in doubt may be the other one's.
      directLog: () => (this.#isCopy ? null : this.#directLog),
      leftToLeaderMs: (shard) => this.#reports.leftToLeaderMs(shard),
    });
    this.#doubt = doubt;
    this.#branches = new Branches({
      ...context,
      application: new Application({
        ...context,
        limits: () => sessions.limits() ?? limitsDefault,
      }),
      timers: new BranchTimers(context),
      doubt,
      epochs,
      shared: isShared,
      siblings: identity !== undefined,
      // Processes of one resource claim a branch with it, whatever the application can list.
      recordsStart: isShared || inDoubt === undefined,
      keepsVotes: keepsVotes(resource) && !isShared,
      alarm: (alarm) => this.#alarm(alarm),
      send: (to, message) => this.#send(to, message),
      isOpen: (connection) => sessions.isOpen(connection),
      leader: (shard) => sessions.leader(shard)?.id ?? null,
      commanded: (connection, txid) => this.#reports.commanded(connection, txid),
      votedReadonly: (branch) => this.#housekeeping.votedReadonly(branch),
    });
    this.#siblings =
      identity === undefined || inDoubt === undefined
        ? null
        : new SiblingWatch({
            ...context,
            own: keepsVotes(resource) && !isShared,
            list: () => inDoubt.call(resource, { instance }),
            left: (branch) => this.#held(branch),
          });
    this.#reports = new Reports({
      ...context,
      sessions,
      epochs,
      branches: this.#branches,
      failed: () => doubt.reconsider(),
    });
  }

  /** Loads the journal, takes up what it holds, and begins to dial. */
  static async start(
    settings: ServeBaseOptions,
    resource: Resource,
    ports: ParticipantPorts,
  ): Promise<Participant> {
    const { journal, run } = ports;
    const { instance } = journal;
    await resource.begin?.({ instance });
    const { adoptCluster: adoption } = settings;
    if (adoption !== undefined) {
      await adoptCluster(adoption, { journal, resource, logger: loggerOf(settings) });
    }
    const { entries, ...loaded } = await journal.load();
    const earlierRuns = run === undefined ? [] : await journal.started(run);
    // Asked before anything is called: a rollback that runs meanwhile would make the answer stale.
    const listed: unknown = resource.inDoubt ? await resource.inDoubt({ instance }) : [];
    if (!isIterable(listed)) {
      throw new TypeError(`inDoubt must return a list of branches, not ${shown(listed)}.`);
    }
    const held = [...(listed as Iterable<HeldBranch>)];
    const participant = new Participant(settings, resource, ports, { ...loaded, earlierRuns });
    participant.#takeUp(entries, held);
    participant.#housekeeping.start();
    participant.#sessions.nodes.start();
    return participant;
  }

  #takeUp(entries: readonly JournalEntry[], held: readonly HeldBranch[]): void {
    for (const entry of entries) {
      // Not kept in memory: the journal is asked again when someone asks for it.
      if (entry.state === 'readonly') this.#housekeeping.votedReadonly(entry);
      else this.#branches.load(entry);
    }
    tellUnvoted(held, entries, this.#context);
    // What is a sibling's has the patience to end by itself.
    for (const one of held) if (this.#siblings === null || one.mine !== false) this.#held(one);
    this.#siblings?.start(held);
    const counts = { entries: entries.length, inDoubt: this.inDoubt().length, held: held.length };
    const { name: participant, instance } = this;
    this.#context.logger.info({ participant, instance, ...counts }, 'the journal is loaded');
  }

  #held({ txid, branch, mine = true }: HeldBranch): void {
    const { logger } = this.#context;
    const branches = this.#branches;
    if (isTxid(txid)) {
      const witness = this.#witnesses.get(shardOf(txid)) ?? null;
      branches.receive(branches.at({ txid, branch }), { type: 'held', mine, witness });
    } else
      logger.warn({ txid, branch }, 'inDoubt() of the application names something that is no txid');
  }

  /** Whether the decision log can be read, where access was given; what is wrong is logged. */
  checkDecisionLog(): void {
    void this.#directLog?.check();
  }

  /** Of this instance's own votes. */
  inDoubt(): BranchRef[] {
    return this.#branchesWhere(({ local }) => inDoubtStates.includes(local.state));
  }

  /** Begun by this instance, and not ended in the application's store: they may hold rows there. */
  unended(): BranchRef[] {
    // What the store listed may still be looked for in the journal.
    return this.#branchesWhere((one) => one.draining || unendedStates.includes(one.local.state));
  }

  /** How it stands, for metrics. */
  reading(): ParticipantReading {
    const branches: Record<string, number> = {};
    for (const { local } of this.#branches.all()) {
      branches[local.state] = (branches[local.state] ?? 0) + 1;
    }
    let inDoubt = 0;
    for (const state of inDoubtStates) inDoubt += branches[state] ?? 0;
    const connections = this.#dead ? 0 : this.#sessions.all().length;
    const { name, figures } = this;
    const { late } = this.#branches.ports.application;
    return { name, figures, connections, inDoubt, late, branches };
  }

  #branchesWhere(counts: (branch: Branch) => boolean): BranchRef[] {
    return [...this.#branches.all()].filter(counts).map(({ identity }) => identity);
  }

  async enlist(txid: Txid, options: EnlistOptions): Promise<BranchRef> {
    if (this.#ended.signal.aborted) throw closed();
    const branches = this.#branches;
    return enlist(txid, options, { ...this.#context, sessions: this.#sessions, branches });
  }

  async connected(options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  }): Promise<void> {
    const { timeoutMs, signal } = options;
    const { signal: ended } = this.#ended;
    // Whoever asks sends work, or says that it may be sent.
    if (ended.aborted) throw closed();
    if (this.#sessions.all().length > 0) return;
    const { signal: welcomed } = this.#nextWelcome;
    const over = AbortSignal.any([welcomed, ended, signal]);
    await pauseOrAbort(this.#context.clock, timeoutMs, over);
    if (ended.aborted) throw closed();
    if (welcomed.aborted) return;
    if (signal.aborted) throw abortedByCaller({ acted: 'nothing', cause: signal.reason });
    const refused = this.#refused;
    const last =
      refused === null ? '' : ` The last refusal, of ${refused.url}: ${refused.error.message}`;
    throw new VerdictError(
      'TIMEOUT',
      `No node welcomed this participant: ${this.#settings.urls.join(', ')}.${last}`,
      { retryable: true, acted: 'nothing', cause: refused?.error },
    );
  }

  close(options: { readonly timeoutMs?: number }): Promise<void> {
    this.#ended.abort();
    this.#closing ??= this.#close(options.timeoutMs ?? closeTimeoutMsDefault);
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    const drained = new AbortController();
    // Votes and acknowledgements of what is under way still leave.
    if (!this.#dead) {
      this.#branches.leave();
      void Promise.all(this.#sessions.all().map((session) => this.#takeLeave(session)))
        .then(() => this.#branches.drain())
        .then(() => drained.abort());
      await pauseOrAbort(this.#context.clock, timeoutMs, drained.signal);
    }
    this.#stop();
    await this.#sessions.nodes.close();
    await this.#directLog?.close();
    await this.#housekeeping.close();
  }

  /**
   * New work goes to siblings from now on, or waits for the process after this one. Behind the
   * answer to an empty report no prepare is under way that was sent before: none is refused that
   * the node could have given to another.
   */
  async #takeLeave(session: Session): Promise<void> {
    const goaway = { type: 'goaway', reason: 'The participant is stopping.' } as const;
    if (!this.#sessions.send(session.id, goaway)) return;
    await session.link
      .request({ type: 'report', inDoubt: [], kept: [] }, { timeoutMs: leaveTimeoutMs })
      .catch(() => undefined);
  }

  #stop(): void {
    this.#dead = true;
    this.#ended.abort();
    this.#siblings?.close();
    this.#branches.stop();
    this.#reports.close();
  }

  #welcomed(session: Session): void {
    this.figures.welcomes += 1;
    if (this.#closing !== null) void this.#takeLeave(session);
    this.#refused = null;
    this.#nextWelcome.abort();
    this.#nextWelcome = new AbortController();
  }

  #received(session: Session, message: FromNode): void {
    if (this.#dead) return;
    try {
      dispatch(session, message, this.#branches);
    } catch (error) {
      // An assertion of this program: what is in memory can no longer be trusted.
      this.fail(thrownError(error));
    }
  }

  #send(connection: number, message: ToNode): void {
    this.figures.sent(message);
    try {
      this.#sessions.send(connection, message);
    } catch (error) {
      // Results are checked before they become votes; what is left is not worth a process.
      const fields = { type: message.type, error: thrownLine(error) };
      this.#context.logger.error(fields, 'a message cannot be sent');
    }
  }

  #alarm(alarm: ParticipantAlarm): void {
    this.figures.alarmed(alarm.alarm);
    this.#context.logger.error({ ...alarm }, alarm.message);
    const { onAlarm } = this.#settings;
    if (onAlarm === undefined) return;
    callUser(
      () => onAlarm(alarm),
      (error) => this.#context.logger.error({ error: thrownLine(error) }, 'onAlarm threw'),
    );
  }

  /** Nothing can be promised any more. Only the first of several is told. */
  fail(error: Error): void {
    if (this.#dead) return;
    this.#context.logger.error({ error }, 'the participant cannot go on');
    this.#stop();
    void this.#sessions.nodes.close();
    const { onFatal } = this.#settings;
    if (onFatal !== undefined) return onFatal(error);
    queueMicrotask(() => {
      throw error;
    });
  }
}

function closed(): VerdictError {
  return refusal('CLOSED', 'The participant is closed. Serve a new one.');
}

function refusalAlarm(error: VerdictError): ParticipantAlarm['alarm'] {
  if (error instanceof OtherClusterError) return 'other-cluster';
  return error.code === 'JOURNAL_COPIED' ? 'journal-copied' : 'refused-by-node';
}
