/**
 * Drives one term: events into the core, its effects out into the world.
 *
 * Effects are carried out in the order of the outbox. A decision goes to the log at once, and it is
 * the log that gathers (`Leadership.decide`); what it says is fed to the core as it comes, in any
 * order. Moves to finished/ are gathered here, since no one waits for them.
 *
 * The interleaving that matters: of several decisions of one turn some are durable and told, and
 * then a write of the others ends without an answer. Those that were told stand. The leadership is
 * lost, and what the log still says of the others comes too late to count: `lost` reads the fate of
 * each.
 */
import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import { defined } from '../core/defined.ts';
import type { Figures } from '../core/figures.ts';
import type { FromNode, LeaderInfo } from '../core/messages.ts';
import type { DecisionRecord, DecisionWrite, Settlement } from '../core/records.ts';
import type { Shares } from '../core/shares.ts';
import type { Effect, TermEvent } from '../core/term/events.ts';
import { Term } from '../core/term/term.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Txid } from '../core/txid.ts';
import { Wake } from '../peer/delays.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { DecisionLog, Leadership, LogReading } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import { pause } from '../system/pause.ts';
import { TxidSeal } from '../system/txid-seal.ts';
import { Collector } from './collector.ts';
import type { Reached } from './crash-points.ts';
import { LineLimit } from './line-limit.ts';
import { AskerGoneError, LogReads } from './log-reads.ts';
import { Notes } from './notes.ts';
import { Traces } from './traces.ts';

export interface ShardDriverOptions {
  readonly log: DecisionLog;
  readonly leadership: Leadership;
  readonly leader: LeaderInfo;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: CoordinatorOptions;
  readonly logger: Logger;
  readonly debug: boolean;
  /** What all shards of the node have for what transactions hold. */
  readonly heldBytes?: Shares;
  /** What all terms of the node count in. */
  readonly figures?: Figures;
  /** The same, for readings of the log that peers cause. */
  readonly logReads?: LogReads;
  /** Whoever asks and takes part is in this process. */
  readonly inProcess?: boolean;
  readonly reached: Reached;
  readonly send: (connection: number, message: FromNode) => void;
  /** A peer had a transaction aborted that is not its own to end. */
  readonly forced?: (connection: number, forced: ForcedBy) => void;
  /** The core found one of its invariants broken: the node must not go on deciding. */
  readonly onBroken: (error: unknown) => void;
}

export interface ForcedBy {
  readonly txid: Txid;
  readonly by: 'resolve' | 'rollback';
}

const finishGatherMs = 5;
const maxFinishBatch = 512;
/** Taken up in one turn: some milliseconds. */
const scanPage = 500;
/** Read in one turn: some milliseconds. */
const readPage = 250;
const ticksBetweenSweeps = 6;
/** In the moment of a hand-over. More are refused as while the node stops. */
const maxHeld = 10_000;

export class ShardDriver {
  readonly leader: LeaderInfo;
  readonly term: Term;
  readonly #options: ShardDriverOptions;
  readonly #collector: Collector;
  readonly #notes: Notes;
  readonly #lines: LineLimit;
  readonly #logReads: LogReads;
  readonly #traces: Traces;
  readonly #wake: Wake;
  #looks: Timer | null = null;
  #finishes: Txid[] = [];
  #finishing = false;
  #finishTimer: Timer | null = null;
  #scanning: Promise<{ pending: number; resumed: number }> | null = null;
  #stopped = false;
  #started = false;
  #ticks = 0;
  /** Requests that wait for who leads next; null: none is to wait. */
  #held: (() => void)[] | null = null;

  constructor(given: ShardDriverOptions) {
    this.#options = given;
    this.leader = given.leader;
    this.#notes = new Notes(given);
    this.#lines = new LineLimit(given.clock);
    const kind = given.inProcess === true ? 'internal' : 'server';
    this.#traces = new Traces({ node: given.leader.node, kind });
    this.#logReads = given.logReads ?? new LogReads(given.clock);
    const { clock, random, leadership } = given;
    // All that stands still with this process is not waited for: a run is over when its time is.
    const waitFor = given.inProcess === true ? 'time' : 'others';
    this.#wake = new Wake(clock, waitFor, () => this.step({ type: 'wake' }));
    const seal = new TxidSeal(given.log.meta.txidSecret);
    this.term = new Term({
      shard: leadership.shard,
      shards: given.log.meta.shards,
      epoch: leadership.epoch,
      leader: given.leader,
      witness: leadership.witness(),
      requestWindowMs: given.log.meta.requestWindowMs,
      options: given.options,
      ...defined({ heldBytes: given.heldBytes, figures: given.figures }),
      fraction: () => random.fraction(),
      randomPart: (place) => seal.randomPart(place, random),
      shareOf: (txid) => seal.shareOf(txid),
      wallMs: () => clock.wallMs(),
      debug: given.debug,
      nowMs: clock.monotonicMs(),
    });
    this.term.figures.leaderships.begun += 1;
    this.#collector = new Collector({
      ...given,
      term: this.term,
      ticked: (requestCount) => {
        this.step({ type: 'tick', requestCount, witness: leadership.witness() });
        this.#sweepNowAndThen();
      },
      failed: (error) => this.#lose(error),
    });
    leadership.lost.addEventListener('abort', () => this.#lose(leadership.lost.reason), {
      once: true,
    });
  }

  get isOver(): boolean {
    return this.#stopped;
  }

  /** New requests are to wait, from now on, for the end of a hand-over. */
  holdBack(): void {
    this.#held ??= [];
  }

  /** Whether the request waits: `answer` then says who leads. It is not carried out here. */
  holds(answer: () => void): boolean {
    if (this.#held === null || this.#held.length >= maxHeld) return false;
    this.#held.push(answer);
    return true;
  }

  /** Those that wait are answered. */
  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const answer of held) answer();
  }

  /** Another leads: until this leadership knows it too. */
  async heard(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + withinMs;
    while (!this.#stopped && clock.monotonicMs() < untilMs) await pause(clock, 1);
    void this.stop().catch(() => undefined);
  }

  /** What the log held is taken up. */
  get started(): boolean {
    return this.#started;
  }

  async start(): Promise<void> {
    const { pending } = await this.scan();
    this.#started = true;
    this.#options.logger.info(
      { shard: this.leader.shard, epoch: this.leader.epoch, pending },
      pending === 0 ? 'Leading: nothing to recover.' : 'Leading: recovered decisions are resumed.',
    );
    if (!this.#stopped) this.#collector.start();
  }

  /** Pages through decisions/ and takes up what is not in memory. A second call joins the first. */
  scan(): Promise<{ pending: number; resumed: number }> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = null;
    });
    return this.#scanning;
  }

  async #scan(): Promise<{ pending: number; resumed: number }> {
    const { leadership, reached, clock } = this.#options;
    this.step({ type: 'scan-started' });
    let pending = 0;
    let resumed = 0;
    let failed = true;
    try {
      const page = (after: Txid | null) => leadership.pending({ after, limit: scanPage });
      for (let next: ReturnType<typeof page> | null = page(null); next !== null; ) {
        const records: readonly DecisionRecord[] = await next;
        reached('recovery-read');
        pending += records.length;
        // On its way while these are taken up.
        next = records.length < scanPage ? null : page(records.at(-1)?.txid ?? null);
        next?.catch(() => undefined);
        this.step({ type: 'scanned', records });
        // All others have a turn: new transactions, acknowledgements, the lease.
        if (next !== null) await pause(clock, 0);
      }
      resumed = this.term.resumedByScan;
      failed = false;
    } finally {
      // Or what ends from now on would be kept for a scan that is not there any more.
      this.step({ type: 'scan-ended', failed });
    }
    reached('recovery-resumed');
    while (this.term.hasWaitingDoubts && !this.#stopped) {
      await pause(clock, 0);
      this.step({ type: 'doubts-due' });
    }
    return { pending, resumed };
  }

  /**
   * Aborts that someone forced while this leader had given the transaction up already, or never
   * heard of it, meet no decision of its own: without this they would stay in decisions/ as long as
   * it leads.
   */
  #sweepNowAndThen(): void {
    this.#ticks += 1;
    if (this.#stopped || this.#ticks % ticksBetweenSweeps !== 0) return;
    this.scan().catch((error: unknown) => {
      this.#options.logger.warn({ error: thrownLine(error) }, 'A look through decisions/ failed.');
    });
  }

  step(event: TermEvent): void {
    if (this.#stopped && event.type !== 'read') return;
    // A process that was stopped for long finds its sockets full when it wakes, and comes to its
    // timers, the lease's among them, only after these: it would go on to command participants in
    // its successor's time.
    if (!this.#stopped && event.type !== 'lost' && !this.#options.leadership.isCertain()) {
      this.#lose(new Error('Its lease was not confirmed in time.'));
      return;
    }
    try {
      const nowMs = this.#options.clock.monotonicMs();
      const timesOut = this.#wake.mayFire(nowMs);
      this.term.step(this.#traces.stepping(event), nowMs, { timesOut });
      for (const effect of this.term.drain()) this.#carryOut(effect);
      this.#traces.stepped();
    } catch (error) {
      this.#options.onBroken(error);
      return;
    }
    this.#setWake();
  }

  /** Gives the leadership up; what clients wait for is answered as far as it can be known. */
  async stop(): Promise<void> {
    this.#lose(null);
    await this.#options.leadership.resign();
  }

  #lose(error: unknown): void {
    if (this.#stopped) return;
    const { leaderships } = this.term.figures;
    if (error === null || this.#held !== null) leaderships.given += 1;
    else {
      leaderships.lost += 1;
      this.#options.logger.warn(
        { shard: this.leader.shard, epoch: this.leader.epoch, error: thrownLine(error) },
        'The leadership is over.',
      );
    }
    this.#collector.stop();
    this.step({ type: 'lost' });
    this.#stopped = true;
    this.#traces.lost();
    this.#wake.cancel();
    this.#looks?.cancel();
    this.#finishTimer?.cancel();
    // What stops here must not go on holding the shard. Does nothing where the log has ended it.
    if (error !== null) void this.#options.leadership.resign().catch(() => undefined);
  }

  #carryOut(effect: Effect): void {
    const { reached } = this.#options;
    switch (effect.type) {
      case 'send':
        this.#send(effect.connection, effect.message);
        break;
      case 'decide':
        reached('before-decision');
        void this.#decide(effect.write);
        break;
      case 'finish':
        reached('before-finish');
        this.#finishes.push(effect.txid);
        this.#gatherFinishes();
        break;
      case 'settle':
        void this.#settle(effect.settlement);
        break;
      case 'read':
        void this.#read(effect);
        break;
      case 'read-request':
        void this.#readRequest(effect.token, effect.requestId);
        break;
      case 'forced':
        this.#options.forced?.(effect.connection, effect);
        break;
      case 'trace':
        this.#traces.told(effect.txid, effect.event);
        break;
      case 'note':
        this.#notes.write(effect.note);
        break;
    }
  }

  #send(connection: number, message: FromNode): void {
    const { reached, send } = this.#options;
    if (message.type === 'prepare') reached('before-prepare');
    send(connection, this.#traces.sending(connection, message));
    if (message.type === 'prepare') reached('after-prepare');
    else if (message.type === 'commit') reached('after-commit');
    else if (message.type === 'rollback') reached('after-rollback');
    else if (message.type === 'forget') reached('after-forget');
    else if (message.type === 'outcome') reached('after-outcome');
  }

  async #decide(write: DecisionWrite): Promise<void> {
    const { leadership, reached, log } = this.#options;
    const { txid } = write.record;
    const traced = this.#traces.writing(txid);
    try {
      const answered = leadership.decide(write);
      reached('decision-in-flight');
      const result = await answered;
      if (result.type === 'written' && log.figures !== undefined) log.figures.appends += 1;
      reached('decision-durable');
      traced?.end();
      this.step({ type: 'decided', txid, result, witness: leadership.witness() });
    } catch (error) {
      traced?.end(error);
      // Unknown: it may have landed. `lost` reads the fate of each before anyone is answered.
      this.#lose(error);
    }
  }

  #gatherFinishes(): void {
    if (this.#finishing || this.#finishTimer !== null) return;
    this.#finishTimer = this.#options.clock.setTimer(finishGatherMs, () => {
      this.#finishTimer = null;
      void this.#finish();
    });
  }

  async #finish(): Promise<void> {
    const { leadership, reached } = this.#options;
    this.#finishing = true;
    try {
      while (this.#finishes.length > 0 && !this.#stopped) {
        const txids = this.#finishes.splice(0, maxFinishBatch);
        await leadership.finish(txids);
        reached('finish-durable');
        this.step({ type: 'finished', txids });
      }
    } catch (error) {
      this.#lose(error);
    } finally {
      this.#finishing = false;
    }
  }

  /** Few: an operator asked for each. */
  async #settle(settlement: Settlement): Promise<void> {
    const { leadership } = this.#options;
    try {
      const written = await leadership.settle(settlement);
      this.step({ type: 'settlement-written', settlement, written });
    } catch (error) {
      this.#lose(error);
    }
  }

  async #read(effect: Extract<Effect, { type: 'read' }>): Promise<void> {
    const { token } = effect;
    try {
      const readings = await this.#readings(effect);
      // Another node leads, and this leadership has not heard of it: it must stop, not only say so.
      const newer = readings.find(
        ({ leader }) => leader !== null && leader.epoch > this.leader.epoch,
      );
      if (newer !== undefined) {
        this.#lose(new Error(`${newer.leader?.node} leads under a newer epoch.`));
      }
      this.step({ type: 'read', token, readings });
    } catch (error) {
      const more = error instanceof AskerGoneError ? null : this.#lines.take('read-failed');
      if (more !== null) {
        const fields = { error: thrownLine(error), ...more };
        this.#options.logger.warn(fields, 'The decision log could not be read.');
      }
      this.step({ type: 'read', token, readings: null });
    }
  }

  /** The term's own come first, a page at a time; those of a connection wait among all such. */
  async #readings({ txids, connection }: Extract<Effect, { type: 'read' }>): Promise<LogReading[]> {
    const { log, clock } = this.#options;
    if (connection !== undefined) {
      const start = (txid: Txid) =>
        this.#logReads.read(connection, `read ${txid}`, () => log.read(txid));
      return Promise.all(txids.map(start));
    }
    const readings: LogReading[] = [];
    for (let start = 0; start < txids.length; start += readPage) {
      if (start > 0) await pause(clock, 0);
      const page = txids.slice(start, start + readPage);
      readings.push(...(await Promise.all(page.map((txid) => log.read(txid)))));
    }
    return readings;
  }

  async #readRequest(token: number, requestId: string): Promise<void> {
    const { leadership } = this.#options;
    try {
      const entry = await leadership.readRequest(requestId);
      this.step({ type: 'request-read', token, entry, certain: leadership.isCertain() });
    } catch {
      this.step({ type: 'request-read', token, entry: 'failed', certain: false });
    }
  }

  #setWake(): void {
    if (this.#stopped) return;
    if (this.term.owesLooks) {
      // No wait for others: a busy turn is no reason to put it off.
      this.#looks ??= this.#options.clock.setTimer(0, () => {
        this.#looks = null;
        this.step({ type: 'wake' });
      });
      return;
    }
    const atMs = this.term.wakeAtMs();
    // One that fires early finds nothing due and sets the next: cheaper than moving the timer.
    if (atMs !== null) this.#wake.set(atMs);
  }
}
