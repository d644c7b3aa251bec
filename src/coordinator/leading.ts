/**
 * The shards that this node leads, and its campaigns for the others.
 *
 * One loop a shard: wait for the turn, campaign, lead until the leadership is lost or given up,
 * again. A node that leads much already campaigns later than one that leads little, so that a freed
 * shard goes to the idler; and one that leads two more than another gives one up, or several that
 * have nothing under way where the difference is large. One whose shards are even keeps them: a
 * leader that changes without need costs every client an abort.
 *
 * The interleaving that matters: a leadership is lost while its driver still scans the log. The
 * driver answers for its own end (`lost`); the loop only takes it out of the map and campaigns
 * anew, under a new epoch and a new term.
 */
import type { LeaderInfo } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Leadership } from '../ports/decision-log.ts';
import { pause, pauseOrAbort } from '../system/pause.ts';
import { overloaded } from './balance.ts';
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
  readonly changed: () => void;
  /** A new leadership has taken up what the log held. */
  readonly recovered?: () => void;
}

/** Between two campaigns that failed, and between two looks at how the shards are shared out. */
const pauseMs = 200;
const balanceMs = 2_000;
const drainPollMs = 20;
/** How much later a node campaigns for each shard that it leads already. */
const turnMs = 25;

export class Leading {
  readonly drivers: Map<number, ShardDriver> = new Map();
  readonly #options: LeadingOptions;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];
  /** The shards that are just being given up: others are to have the first turn at them. */
  #giving: readonly number[] = [];

  constructor(options: LeadingOptions) {
    this.#options = options;
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

  /**
   * No new transactions; those in flight have up to `drainMs`; then all leaderships are given up.
   */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('The node is stopping.'));
    await Promise.all([...this.drivers.values()].map((driver) => this.#drain(driver)));
    this.drivers.clear();
    await Promise.allSettled(this.#loops);
  }

  async #loop(shard: number): Promise<void> {
    const { log, logger, tickMs } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#pause(this.#turn(shard));
        if (signal.aborted) return;
        const leadership = await log.campaign(shard, { signal, tickMs });
        await this.#lead(leadership);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ shard, error: thrownLine(error) }, 'A campaign failed; again soon.');
        await this.#pause(pauseMs);
      }
    }
  }

  async #lead(leadership: Leadership): Promise<void> {
    const { changed, recovered, learn, lead, logger } = this.#options;
    const { shard } = leadership;
    const over = new Promise<void>((resolve) => {
      if (leadership.lost.aborted) resolve();
      leadership.lost.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await learn(shard);
      this.#stop.signal.throwIfAborted();
    } catch (error) {
      await leadership.resign().catch(() => undefined);
      throw error;
    }
    const driver = lead(leadership);
    this.drivers.set(shard, driver);
    try {
      const started = driver.start();
      // Announced at once: what the log holds is taken up beside new work.
      changed();
      await started;
      recovered?.();
      await over;
    } catch (error) {
      logger.warn({ shard, error: thrownLine(error) }, 'A new leadership could not read the log.');
      await driver.stop().catch(() => undefined);
    } finally {
      if (this.drivers.get(shard) === driver) this.drivers.delete(shard);
      if (!this.#stop.signal.aborted) changed();
    }
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
      logger.info({ shards }, 'Giving shards up to a node that leads fewer.');
      this.#giving = shards;
      await Promise.all(given.map((driver) => this.#drain(driver)));
      await this.#pause(balanceMs);
      this.#giving = [];
    }
  }

  async #drain(driver: ShardDriver): Promise<void> {
    const { clock, drainMs, logger } = this.#options;
    driver.step({ type: 'drain' });
    const untilMs = clock.monotonicMs() + drainMs;
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

  async #pause(delayMs: number): Promise<void> {
    if (delayMs <= 0) return;
    await pauseOrAbort(this.#options.clock, delayMs, this.#stop.signal);
  }
}
