/**
 * One decision log whose shards lie in several: each call goes to the log of its shard, and no call
 * waits for another's. What concerns all shards (who is up, who leads) is put together.
 *
 * What an operator retires is written to each log, and counts for the shards of a log when that log
 * has it (!): a leader that counted on it sooner would collect a record whose absence its own log
 * then shows to the one that was retired.
 *
 * A binding is in each log, so that none that is set back loses it: any other holder refuses. They
 * are put in order, so that of two who are first at once one is first everywhere. And none is put
 * before all have been read (!): a log that was emptied would give it to another, and from then on
 * neither of the two could come in.
 */
import type { Claim, Rebound } from '../../core/claims.ts';
import type { LogFigures } from '../../core/log-figures.ts';
import type { LeaderInfo, NodeInfo, Witness } from '../../core/messages.ts';
import { type Member, type Retired, RetiredSet } from '../../core/retired.ts';
import { thrownText } from '../../core/thrown.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import {
  BindRefusedError,
  type CampaignOptions,
  type DecisionLog,
  DecisionLogError,
  type Leadership,
  type LeaseAge,
  type LogMeta,
  type LogReading,
  type ShardRange,
} from '../../ports/decision-log.ts';
import { assertShard } from '../log-errors.ts';

export interface LogRange extends ShardRange {
  readonly log: DecisionLog;
  /** Which one that is, in an error: `etcd at 10.0.0.1:2379`. */
  readonly place: string;
}

export class PartedLog implements DecisionLog {
  readonly meta: LogMeta;
  readonly #ranges: readonly LogRange[];
  readonly #closed: () => void;
  #closing: Promise<void> | null = null;

  /** The ranges in order, from shard 0, with none left out. */
  constructor(ranges: readonly LogRange[], closed: () => void = () => undefined) {
    const [first] = ranges;
    if (first === undefined) throw new DecisionLogError('A parted log has at least one range.');
    this.meta = first.log.meta;
    this.#ranges = ranges;
    this.#closed = closed;
  }

  /** All count in the same ones. */
  get figures(): LogFigures | undefined {
    return this.#ranges[0]?.log.figures;
  }

  /** The one that is nearest to its end; null: none needs a lease. */
  lease(): LeaseAge | null {
    const all = this.#ranges.flatMap(({ log }) => log.lease?.() ?? []);
    const age = ({ ageMs }: LeaseAge): number => ageMs ?? Number.POSITIVE_INFINITY;
    return all.reduce<LeaseAge | null>(
      (oldest, one) => (oldest === null || age(one) > age(oldest) ? one : oldest),
      null,
    );
  }

  campaign(shard: number, options: CampaignOptions): Promise<Leadership> {
    return this.#of(shard).campaign(shard, options);
  }

  leaderGone(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#of(leader.shard).leaderGone(leader);
  }

  leaderHandsOver(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#of(leader.shard).leaderHandsOver(leader);
  }

  leaderRefuses(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#of(leader.shard).leaderRefuses(leader);
  }

  async read(txid: Txid, asker?: Member): Promise<LogReading> {
    return this.#of(shardOf(txid)).read(txid, asker);
  }

  async resolve(txid: Txid, asker?: Member, witness?: Witness): Promise<LogReading> {
    return this.#of(shardOf(txid)).resolve(txid, asker, witness);
  }

  /** What all of them say is said once. */
  problems(): readonly string[] {
    return [...new Set(this.#ranges.flatMap(({ log }) => log.problems?.() ?? []))];
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.#ranges.flatMap(({ log, first, last }) => log.leaders().slice(first, last + 1));
  }

  watchLeaders(listener: (leaders: readonly (LeaderInfo | null)[]) => void): () => void {
    return this.#watch((log) => log.watchLeaders(() => listener(this.leaders())));
  }

  isConfirmed(shard: number): boolean {
    return this.#of(shard).isConfirmed(shard);
  }

  /** Who is up by what every log says: one that cannot be read knows of no death. */
  nodes(): readonly NodeInfo[] {
    const [first, ...others] = this.#ranges.map(({ log }) => log.nodes());
    return (first ?? []).filter(({ node }) =>
      others.every((nodes) => nodes.some((other) => other.node === node)),
    );
  }

  watchNodes(listener: (nodes: readonly NodeInfo[]) => void): () => void {
    return this.#watch((log) => log.watchNodes(() => listener(this.nodes())));
  }

  /**
   * Each log is asked first, so that while one is silent nothing is written in the others. One that
   * falls silent just then leaves it written in some: it may be repeated, and must be.
   */
  async retire(retired: Retired): Promise<void> {
    for (const range of this.#ranges) {
      if (!range.log.isConfirmed(range.first)) throw notRetired(range, 'for longer than a lease');
    }
    await this.#inEach(
      ({ log, first }) => log.retired(first),
      (range, error) => notRetired(range, `(${thrownText(error)})`, error),
    );
    await this.#inEach(
      ({ log }) => log.retire(retired),
      (range, error) =>
        new DecisionLogError(
          `It may be retired for some shards and not for others; retire again. For ${named(range)}: ${thrownText(error)}`,
          { cause: error },
        ),
    );
  }

  async #inEach(
    work: (range: LogRange) => Promise<unknown>,
    errorOf: (range: LogRange, error: unknown) => Error,
  ): Promise<void> {
    const all = await Promise.allSettled(this.#ranges.map(work));
    for (const [at, one] of all.entries()) {
      if (one.status === 'rejected') throw errorOf(this.#ranges[at] as LogRange, one.reason);
    }
  }

  async retired(shard?: number): Promise<readonly Retired[]> {
    if (shard !== undefined) return this.#of(shard).retired(shard);
    const known = new RetiredSet();
    const all = await Promise.all(this.#ranges.map(({ log }) => log.retired()));
    for (const retired of all.flat()) known.add(retired);
    return known.all();
  }

  watchRetired(listener: (retired: Retired, shards: ShardRange) => void): () => void {
    const undo = this.#ranges.map(({ log, first, last }) =>
      log.watchRetired((retired) => listener(retired, { first, last })),
    );
    return () => {
      for (const one of undo) one();
    };
  }

  async bind(claim: Claim, identity: string, max?: number): Promise<string> {
    return (await this.bindAll([claim], identity, max))[0] ?? identity;
  }

  /** In one step in each log; a later one may refuse what an earlier one has put. */
  async bindAll(
    claims: readonly Claim[],
    identity: string,
    max?: number,
  ): Promise<readonly (string | null)[]> {
    const isOther = (holder: string | null): boolean => holder !== null && holder !== identity;
    const inAll = await Promise.all(claims.map((claim) => this.#holdersOf(claim)));
    const holders = inAll.map((each) => each.find(isOther) ?? each.find((one) => one !== null));
    if (inAll.some((each) => each.some(isOther))) return holders.map((holder) => holder ?? null);
    for (const [at, { log }] of this.#ranges.entries()) {
      if (inAll.every((each) => each[at] === identity)) continue;
      const bound = await log.bindAll(claims, identity, max);
      if (bound.some(isOther)) return bound;
    }
    return claims.map(() => identity);
  }

  async holderOf(claim: Claim): Promise<string | null> {
    return (await this.#holdersOf(claim)).find((holder) => holder !== null) ?? null;
  }

  /** May be repeated, and must be where one of the logs did not answer, or another came between. */
  async rebind(claim: Claim, identity: string): Promise<void> {
    for (const range of this.#ranges) {
      await range.log.rebind(claim, identity).catch((cause: unknown) => {
        if (cause instanceof BindRefusedError) throw cause;
        const text = `It may be given to it for some shards and not for others; do it again. For ${named(range)}: ${thrownText(cause)}`;
        throw new DecisionLogError(text, { cause });
      });
    }
  }

  watchRebound(listener: (rebound: Rebound) => void): () => void {
    return this.#watch((log) => log.watchRebound(listener));
  }

  #holdersOf(claim: Claim): Promise<(string | null)[]> {
    return Promise.all(this.#ranges.map(({ log }) => log.holderOf(claim)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const all = await Promise.allSettled(this.#ranges.map(({ log }) => log.close()));
    this.#closed();
    const failed = all.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #of(shard: number): DecisionLog {
    assertShard(this.meta, shard);
    const range = this.#ranges.find(({ first, last }) => first <= shard && shard <= last);
    if (range === undefined) throw new DecisionLogError(`No log has shard ${shard}.`);
    return range.log;
  }

  #watch(watch: (log: DecisionLog) => () => void): () => void {
    const undo = this.#ranges.map(({ log }) => watch(log));
    return () => {
      for (const one of undo) one();
    };
  }
}

function named({ first, last, place }: LogRange): string {
  return `${first === last ? `shard ${first}` : `shards ${first} to ${last}`}, ${place}`;
}

function notRetired(range: LogRange, how: string, cause?: unknown): DecisionLogError {
  return new DecisionLogError(
    `Nothing was written: the log of ${named(range)}, has given this node no answer ${how}. To retire, that of every shard must answer. Bring it back and retire again.`,
    { cause },
  );
}
