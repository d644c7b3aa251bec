/**
 * The shards that this node leads, and its campaigns for the others.
 *
 * One loop a shard: wait for the turn, campaign, lead until the leadership is lost or given up,
 * again. A node that leads much already campaigns later than one that leads little, so that a freed
 * shard goes to the idler; and one that leads two more than another gives one up, or several that
 * have nothing under way where the difference is large. One whose shards are even keeps them: a
 * leader that changes without need costs every client an abort.
 *
 * A leadership is given up by handing it over (hand-over.ts). Only where no other node can be
 * asked is it drained and its key deleted, for whoever comes first.
 *
 * The interleaving that matters: a leadership is lost while its driver still scans the log. The
 * driver answers for its own end (`lost`); the loop only takes it out of the map and campaigns
 * anew, under a new epoch and a new term.
 */
import type { LeaderInfo } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Epoch } from '../core/txid.ts';
import type { Leadership } from '../ports/decision-log.ts';
import { pause, pauseOrAbort } from '../system/pause.ts';
import { overloaded } from './balance.ts';
import { type Given, type Giving, HandOver, type Successors } from './hand-over.ts';
import type { ShardDriver, ShardDriverOptions } from './shard-driver.ts';

export interface LeadingOptions extends Pick<ShardDriverOptions, 'log' | 'clock' | 'logger'> {
  readonly node: string;
  readonly drainMs: number;
  readonly tickMs: number;
  /** What a new leadership must read from the log before it answers anyone. */
  readonly learn: (shard: number) => Promise<void>;
  /**
   * Makes the driver of a new leadership. It is in the map, and knows all it must, before it
   * starts.
   */
  readonly lead: (leadership: Leadership) => ShardDriver;
  /** Default: other nodes cannot be asked. */
  readonly successors?: Successors;
  /** Instances of participants that are connected to this node. */
  readonly participants?: () => number;
  readonly changed: () => void;
  /** A leadership is over: its term stands still, and is not asked any more. */
  readonly ended?: (driver: ShardDriver) => void;
  /** A new leadership has taken up what the log held. */
  readonly recovered?: () => void;
}

/** What became of one shard. */
export type ShardGiven = Given & { readonly shard: number };

/** Of a process that others cannot be asked from: the library's. There may be some all the same. */
const unasked: Successors = {
  willing: async () => ({ nodes: [], refused: [], silent: ['others'] }),
  tell: () => Promise.reject(new Error('Other nodes cannot be asked from here.')),
};

/** Between two campaigns that failed, and between two looks at how the shards are shared out. */
const pauseMs = 200;
const balanceMs = 2_000;
const drainPollMs = 20;
/** How much later a node campaigns for each shard that it leads already. */
const turnMs = 25;
/** Another node that stands still must not hold up a stop. */
const askMs = 300;
/** An operator would be told that no node is ready: one that a busy machine keeps waiting is. */
const operatorAskMs = 2_000;
/** A node that was told to follow leads by then, or not at all. */
const followMs = 1_500;

export class Leading {
  readonly drivers: Map<number, ShardDriver> = new Map();
  readonly #options: LeadingOptions;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  /** The shards that are just being given up: others are to have the first turn at them. */
  #giving: readonly number[] = [];
  readonly #handOver: HandOver;
  readonly #hands = new Map<ShardDriver, Promise<Given>>();
  /** Those that wait until this node leads a shard. */
  readonly #following = new Set<() => void>();
  /** While the node takes no leadership; aborts when it may again. */
  #drained: AbortController | null = null;
  #campaigns = new AbortController();

  constructor(options: LeadingOptions) {
    this.#options = options;
    this.#handOver = new HandOver({
      successors: unasked,
      participants: () => 0,
      ...options,
      led: () => this.#led(),
    });
  }

  start(): void {
    const { log } = this.#options;
    for (let shard = 0; shard < log.meta.shards; shard += 1) this.#loops.push(this.#loop(shard));
    if (log.meta.shards > 1) this.#loops.push(this.#balance());
  }

  /** Every shard is led by someone, who takes new work. */
  ready(): boolean {
    return this.confirmedLeaders().every((leader) => leader !== null);
  }

  /**
   * Those of whom it can be said now. A node that is cut off from etcd cannot tell a leader that
   * ended from one that leads on.
   */
  confirmedLeaders(): (LeaderInfo | null)[] {
    const { log } = this.#options;
    // Of what it leads itself the lease says enough.
    return this.leaders().map((leader, shard) =>
      this.drivers.has(shard) || log.isConfirmed(shard) ? leader : null,
    );
  }

  /**
   * The last that were heard of, for peers. One that is not confirmed is named all the same: where
   * this node alone is cut off, it leads on, and a client that was told of none would not find it;
   * where it has ended, it says so itself, or cannot be reached.
   */
  leaders(): (LeaderInfo | null)[] {
    return this.#options.log.leaders().map((leader, shard) => {
      const driver = this.drivers.get(shard);
      if (driver !== undefined) return driver.leader;
      // A leadership of this node's that is over, while the log's board has not heard of it.
      return leader?.node === this.#options.node ? null : leader;
    });
  }

  /** It takes no leadership, whatever happens. */
  get drained(): boolean {
    return this.#drained !== null;
  }

  /**
   * All leaderships are given up: handed over where another node takes them, else drained. By then,
   * by the monotonic clock, or within `drainMs`: the hand-over that comes to nothing counts, too.
   */
  async stop(untilMs?: number): Promise<void> {
    this.#stop.abort(new Error('The node is stopping.'));
    const { clock, drainMs } = this.#options;
    const drainedByMs = untilMs ?? clock.monotonicMs() + drainMs;
    const give = (driver: ShardDriver) => this.#give(driver, { drainedByMs });
    await Promise.all([...this.drivers.values()].map(give));
    this.drivers.clear();
    await Promise.allSettled(this.#loops);
  }

  #decline(): AbortController {
    if (this.#drained !== null) return this.#drained;
    this.#drained = new AbortController();
    this.#campaigns.abort(new Error('The node is drained.'));
    return this.#drained;
  }

  /**
   * Takes no leadership from now on, and hands over all that it has, after so long. What no other
   * node takes it leads on, and all of it where it is undrained by then (!).
   */
  async drain(delayMs: number): Promise<readonly ShardGiven[]> {
    const drained = this.#decline();
    await pause(this.#options.clock, delayMs);
    const shards = [...this.drivers.keys()];
    if (drained.signal.aborted) {
      const why = 'The node was undrained before it had handed it over.';
      return shards.map((shard) => ({ shard, type: 'kept', why, silent: false }));
    }
    return Promise.all(shards.map((shard) => this.stepDown(shard)));
  }

  undrain(): void {
    if (this.#drained === null) return;
    this.#drained.abort();
    this.#drained = null;
    this.#campaigns = new AbortController();
  }

  /** Hands one leadership over, to `to` or to whoever is ready. It leads on where no one is. */
  async stepDown(shard: number, to?: string): Promise<ShardGiven> {
    const driver = this.drivers.get(shard);
    if (driver === undefined) {
      return { shard, type: 'kept', why: 'This node does not lead it.', silent: false };
    }
    return { shard, ...(await this.#hand(driver, { to, askMs: operatorAskMs })) };
  }

  /** Why this node does not follow that leader; null: it would. */
  refusalOf({ shard, epoch, node }: Pick<LeaderInfo, 'shard' | 'epoch' | 'node'>): string | null {
    const { log } = this.#options;
    const { node: own } = this.#options;
    if (this.#stop.signal.aborted) return 'This node is stopping. Name another one.';
    if (this.drained) return `This node is drained: verdict undrain ${own} ends that.`;
    if (this.#giving.includes(shard)) return 'This node has just given it up.';
    const leader = log.leaders()[shard];
    if (leader?.epoch !== epoch || leader.node !== node)
      return 'Another leader of that shard is known here.';
    return log.isConfirmed(shard) ? null : 'This node does not reach the decision log.';
  }

  /** Takes the shard from the leader that hands it over. Resolves when this node leads it. */
  async follow(former: Pick<LeaderInfo, 'shard' | 'epoch'>): Promise<Epoch> {
    const { log, clock } = this.#options;
    const { shard } = former;
    const untilMs = clock.monotonicMs() + followMs;
    log.leaderHandsOver(former);
    for (;;) {
      const epoch = this.drivers.get(shard)?.leader.epoch;
      if (epoch !== undefined && epoch > former.epoch) return epoch;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) throw new Error('The leadership could not be taken in time.');
      await this.#change(leftMs);
    }
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#following.delete(done);
        resolve();
      };
      const timer = this.#options.clock.setTimer(withinMs, done);
      this.#following.add(done);
    });
  }

  #led(): ReadonlyMap<string, number> {
    const led = new Map<string, number>();
    for (const leader of this.#options.log.leaders()) {
      if (leader !== null) led.set(leader.node, (led.get(leader.node) ?? 0) + 1);
    }
    return led;
  }

  async #loop(shard: number): Promise<void> {
    const { log, logger, tickMs } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#undrained();
        await this.#pause(this.#turn(shard));
        if (signal.aborted) return;
        if (this.drained) continue;
        const campaigns = this.#campaigns.signal;
        const either = AbortSignal.any([signal, campaigns]);
        const leadership = await log.campaign(shard, { signal: either, tickMs });
        await this.#lead(leadership, either);
      } catch (error) {
        if (signal.aborted) return;
        if (this.drained) continue;
        logger.warn({ shard, error: thrownLine(error) }, 'A campaign failed; again soon.');
        await this.#pause(pauseMs);
      }
    }
  }

  /** `declined`: the node has stopped, or takes no leadership, since it campaigned. */
  async #lead(leadership: Leadership, declined: AbortSignal): Promise<void> {
    const { changed, recovered, learn, lead, logger } = this.#options;
    const { shard } = leadership;
    const over = new Promise<void>((resolve) => {
      if (leadership.lost.aborted) resolve();
      leadership.lost.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await learn(shard);
      declined.throwIfAborted();
    } catch (error) {
      await leadership.resign().catch(() => undefined);
      throw error;
    }
    const driver = lead(leadership);
    this.drivers.set(shard, driver);
    let isUnread = false;
    try {
      const started = driver.start();
      // Announced at once: what the log holds is taken up beside new work.
      changed();
      for (const told of [...this.#following]) told();
      await started;
      recovered?.();
      await over;
    } catch (error) {
      logger.warn({ shard, error: thrownLine(error) }, 'A new leadership could not read the log.');
      await driver.stop().catch(() => undefined);
      isUnread = true;
    } finally {
      this.#ended(driver);
      if (!this.#stop.signal.aborted) changed();
    }
    // A record that it cannot read it would not read at once either, and each try is an epoch.
    if (isUnread) await this.#pause(pauseMs);
  }

  /** The more this node leads, the later it campaigns; a single one never waits. */
  #turn(shard: number): number {
    if (this.#options.log.nodes().length <= 1) return 0;
    const given = this.#giving.includes(shard) ? balanceMs : 0;
    return given + this.drivers.size * turnMs;
  }

  async #balance(): Promise<void> {
    const { log, node, logger } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#pause(balanceMs);
      if (signal.aborted) return;
      const nodes = log.nodes();
      const [first, ...more] = overloaded({
        node,
        nodes,
        leaders: this.confirmedLeaders(),
      }).flatMap((shard) => this.drivers.get(shard) ?? []);
      if (first === undefined) continue;
      // One at a time where there is work: while it is drained it takes none. Where there is none,
      // as after a start of all nodes together, there is nothing to wait for.
      const given = [first, ...more.filter(({ term }) => term.undecided() === 0)];
      const shards = given.map(({ leader }) => leader.shard);
      logger.debug({ shards }, 'Giving shards up to a node that leads fewer.');
      this.#giving = shards;
      // A node that is drained, or stops, leads fewest and takes none.
      const maxLed = this.drivers.size - 2;
      await Promise.all(given.map((driver) => this.#give(driver, { orKeep: true, maxLed })));
      await this.#pause(balanceMs);
      this.#giving = [];
    }
  }

  /** `orKeep`: it leads on where others were asked, and none of them takes it. */
  async #give(
    driver: ShardDriver,
    how: { readonly orKeep?: boolean; readonly maxLed?: number; readonly drainedByMs?: number },
  ): Promise<void> {
    const { orKeep = false, maxLed, drainedByMs } = how;
    const given = await this.#hand(driver, { maxLed, askMs });
    if (given.type === 'handed' || (orKeep && !given.silent)) return;
    await this.#drain(driver, drainedByMs);
  }

  /** One at a time: who comes while it is under way waits for that. */
  async #hand(driver: ShardDriver, giving: Omit<Giving, 'drainMs'>): Promise<Given> {
    for (let before = this.#hands.get(driver); before !== undefined; ) {
      const given = await before;
      if (given.type === 'handed') return given;
      before = this.#hands.get(driver);
    }
    const hand = this.#handOnce(driver, giving);
    this.#hands.set(driver, hand);
    try {
      return await hand;
    } finally {
      this.#hands.delete(driver);
    }
  }

  async #handOnce(driver: ShardDriver, giving: Omit<Giving, 'drainMs'>): Promise<Given> {
    const { drainMs } = this.#options;
    try {
      const given = await this.#handOver.give(driver, { ...giving, drainMs });
      // Or those that waited would hear that this node leads it.
      if (driver.isOver) this.#ended(driver);
      return given;
    } finally {
      driver.letGo();
    }
  }

  #ended(driver: ShardDriver): void {
    if (this.drivers.get(driver.leader.shard) !== driver) return;
    this.drivers.delete(driver.leader.shard);
    this.#options.ended?.(driver);
  }

  async #drain(driver: ShardDriver, byMs?: number): Promise<void> {
    const { clock, drainMs, logger } = this.#options;
    driver.step({ type: 'drain' });
    const untilMs = byMs ?? clock.monotonicMs() + drainMs;
    while (driver.term.undecided() > 0 && clock.monotonicMs() < untilMs)
      await pause(clock, drainPollMs);
    try {
      await driver.stop();
    } catch (error) {
      // It stands still all the same, and for others its lease ends it. The log may have broken.
      const { shard } = driver.leader;
      logger.warn({ shard, error: thrownLine(error) }, 'A leadership could not be given up.');
    }
  }

  async #undrained(): Promise<void> {
    const drained = this.#drained?.signal;
    if (drained === undefined || drained.aborted) return;
    const over = AbortSignal.any([drained, this.#stop.signal]);
    if (over.aborted) return;
    await new Promise<void>((resolve) => {
      over.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async #pause(delayMs: number): Promise<void> {
    if (delayMs <= 0) return;
    await pauseOrAbort(this.#options.clock, delayMs, this.#stop.signal);
  }
}
