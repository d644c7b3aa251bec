/** What everyone in this process hears of a log: who leads, who is up, who is gone. */
import { isDeepStrictEqual } from 'node:util';
import type { Rebound } from '../core/claims.ts';
import type { LeaderInfo, NodeInfo } from '../core/messages.ts';
import { claimKey, type Retired, RetiredSet } from '../core/retired.ts';
import type { Epoch } from '../core/txid.ts';

class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();

  protected tell(value: T): void {
    // A copy: a listener may leave, or make others come, while it is told.
    for (const listener of [...this.#listeners]) listener(value);
  }

  watch(listener: (value: T) => void): () => void {
    // A wrapper, so that one function given twice is two listeners.
    const own = (value: T): void => listener(value);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}

export class LeaderBoard extends Listeners<readonly (LeaderInfo | null)[]> {
  #leaders: readonly (LeaderInfo | null)[];

  constructor(shards: number) {
    super();
    this.#leaders = Array.from({ length: shards }, () => null);
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.#leaders;
  }

  publish(shard: number, leader: LeaderInfo | null): void {
    if (this.#leaders[shard]?.epoch === leader?.epoch) return;
    this.#leaders = this.#leaders.with(shard, leader);
    this.tell(this.#leaders);
  }
}

export class NodeBoard extends Listeners<readonly NodeInfo[]> {
  #nodes: readonly NodeInfo[] = [];

  nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  join(node: NodeInfo): void {
    this.publish([...this.#nodes.filter((other) => other.node !== node.node), node]);
  }

  leave(node: string): void {
    this.publish(this.#nodes.filter((other) => other.node !== node));
  }

  publish(nodes: readonly NodeInfo[]): void {
    const sorted = [...nodes].sort((a, b) => (a.node < b.node ? -1 : 1));
    if (isDeepStrictEqual(sorted, this.#nodes)) return;
    this.#nodes = sorted;
    this.tell(sorted);
  }
}

export class RetiredBoard extends Listeners<Retired> {
  readonly known: RetiredSet = new RetiredSet();

  publish(all: readonly Retired[]): void {
    for (const retired of all) {
      if (this.known.has(retired)) continue;
      this.tell(retired);
      // After all have heard: where one could not be told, all hear of it again.
      this.known.add(retired);
    }
  }
}

export class ReboundBoard extends Listeners<Rebound> {
  readonly #known = new Map<string, string>();

  get size(): number {
    return this.#known.size;
  }

  has({ claim }: Pick<Rebound, 'claim'>): boolean {
    return this.#known.has(claimKey(claim));
  }

  publish(all: readonly Rebound[]): void {
    for (const rebound of all) {
      const key = claimKey(rebound.claim);
      if (this.#known.get(key) === rebound.identity) continue;
      this.tell(rebound);
      // As with what is retired: where one could not be told, all hear of it again.
      this.#known.set(key, rebound.identity);
    }
  }
}

/** Which leaders are known to be gone: campaigns need not wait for their leases. */
export class Evidence extends Listeners<number> {
  /** The newest for each shard: an older leader's end is no longer of interest. */
  readonly #gone = new Map<number, Epoch>();

  add({ shard, epoch }: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    const known = this.#gone.get(shard);
    if (known !== undefined && known >= epoch) return;
    this.#gone.set(shard, epoch);
    this.tell(shard);
  }

  against({ shard, epoch }: LeaderInfo): boolean {
    return this.#gone.get(shard) === epoch;
  }
}

/** The part of a log that only passes on what its boards say. */
export abstract class LogOnBoards {
  protected readonly leaderBoard: LeaderBoard;
  protected readonly nodeBoard: NodeBoard;
  protected readonly retiredBoard: RetiredBoard;
  protected readonly reboundBoard: ReboundBoard;
  protected readonly evidence: Evidence = new Evidence();

  constructor(boards: {
    readonly board: LeaderBoard;
    readonly nodes: NodeBoard;
    readonly retired: RetiredBoard;
    readonly rebound: ReboundBoard;
  }) {
    this.leaderBoard = boards.board;
    this.nodeBoard = boards.nodes;
    this.retiredBoard = boards.retired;
    this.reboundBoard = boards.rebound;
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.leaderBoard.leaders();
  }

  watchLeaders(listener: (leaders: readonly (LeaderInfo | null)[]) => void): () => void {
    return this.leaderBoard.watch(listener);
  }

  /** A local log is never silent. */
  isConfirmed(_shard: number): boolean {
    return true;
  }

  leaderGone(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.evidence.add(leader);
  }

  /** In a local log nothing is paced. */
  leaderHandsOver(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.evidence.add(leader);
  }

  /** A local log has no leases that could run out. */
  leaderRefuses(_leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {}

  nodes(): readonly NodeInfo[] {
    return this.nodeBoard.nodes();
  }

  watchNodes(listener: (nodes: readonly NodeInfo[]) => void): () => void {
    return this.nodeBoard.watch(listener);
  }

  watchRetired(listener: (retired: Retired) => void): () => void {
    return this.retiredBoard.watch(listener);
  }

  watchRebound(listener: (rebound: Rebound) => void): () => void {
    return this.reboundBoard.watch(listener);
  }
}
