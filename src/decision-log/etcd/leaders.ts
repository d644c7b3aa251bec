/**
 * Who leads which shard and which nodes are up, as this node last read it: one linearizable
 * transaction, done again at every hint and every `pollMs`.
 *
 * Readings may overtake each other, and what this node wrote is known before the next one: so each
 * shard has the revision it is known at, and an older reading changes nothing.
 *
 * While etcd is silent, what was read last stands: the leader may lead on, and only this node be
 * cut off. But it is not confirmed any more (`isConfirmed`), once that reading is a lease old.
 */
import type { NodeInfo } from '../../core/messages.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { Timer } from '../../ports/clock.ts';
import { elapsedMs, type Mark, mark } from '../../system/age.ts';
import type { LeaderBoard, NodeBoard } from '../boards.ts';
import { Hints } from './hints.ts';
import { type ObservedLeader, observe } from './leader-key.ts';
import { decodeNode } from './records.ts';
import { allFound, found, get, getRange, type KeyValue } from './requests.ts';
import type { EtcdStore } from './store.ts';
import { Turns } from './turns.ts';

const pollMs = 1_000;
/** Nodes of one cluster: far above any real one. */
export const maxNodes = 1_000;

export interface LeadersOptions {
  readonly store: EtcdStore;
  /** Those that this etcd is for. */
  readonly shards: readonly number[];
  /** This node's. A leader's own may be longer: it is then unconfirmed sooner than need be. */
  readonly leaseTtlMs: number;
  readonly board: LeaderBoard;
  readonly nodes: NodeBoard;
  /** After each reading, with what else it has shown. */
  readonly read: (seen: ClusterReading) => void;
  /** A shard's leader is another one, or no one. */
  readonly changed: (shard: number) => void;
}

export interface ClusterReading {
  readonly meta: KeyValue | null;
  readonly retirements: KeyValue | null;
  readonly nodes: readonly KeyValue[];
  readonly revision: string;
}

interface Known {
  readonly revision: bigint;
  readonly leader: ObservedLeader | null;
}

export class Leaders {
  readonly #options: LeadersOptions;
  readonly #known: Map<number, Known>;
  readonly #hints: Hints;
  readonly #readings: Turns<void> = new Turns(() => this.#readQuietly());
  #timer: Timer | null = null;
  /** When the newest reading that was answered was sent. */
  #confirmed: Mark | null = null;
  #closed = false;

  constructor(options: LeadersOptions) {
    const { store, shards } = options;
    const { keys } = store;
    this.#options = options;
    this.#known = new Map(shards.map((shard) => [shard, { revision: 0n, leader: null }]));
    const ranges = [
      keys.nodes,
      { key: keys.retirements },
      ...shards.map((shard) => ({ key: keys.shard(shard).leader })),
    ];
    this.#hints = new Hints({ store, ranges, hint: () => this.#hinted() });
  }

  async start(): Promise<void> {
    await this.#read();
    void this.#hints.open();
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#hints.close();
  }

  at(shard: number): ObservedLeader | null {
    return this.#known.get(shard)?.leader ?? null;
  }

  isConfirmed(): boolean {
    const { store, leaseTtlMs } = this.#options;
    return this.#confirmed !== null && elapsedMs(store.clock, this.#confirmed) <= leaseTtlMs;
  }

  /** What this node learnt otherwise: a key it wrote, or met in a failed compare. */
  learn(shard: number, leader: ObservedLeader | null, revision: string): void {
    const known = this.#known.get(shard);
    if (known === undefined || BigInt(revision) < known.revision) return;
    this.#known.set(shard, { revision: BigInt(revision), leader });
    if (known.leader?.modRevision === leader?.modRevision) return;
    this.#options.board.publish(shard, leader?.info ?? null);
    this.#options.changed(shard);
  }

  #hinted(): void {
    if (!this.#closed) void this.#readings.next();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.store.clock.setTimer(pollMs, () => {
      this.#hinted();
      this.#schedule();
    });
  }

  async #readQuietly(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#read();
    } catch (error) {
      if (this.#closed) return;
      const { logger } = this.#options.store;
      logger.warn({ error: thrownLine(error) }, 'The leaders could not be read from etcd.');
    }
  }

  async #read(): Promise<void> {
    const { store, nodes, shards } = this.#options;
    const { keys } = store;
    const success = [
      get(keys.meta),
      getRange(keys.nodes, maxNodes),
      get(keys.retirements),
      ...shards.map((shard) => get(keys.shard(shard).leader)),
    ];
    let sent = mark(store.clock);
    const { responses, header } = await store.insist(() => {
      sent = mark(store.clock);
      return { success };
    });
    if (this.#closed) return;
    this.#confirmed = sent;
    const entries = allFound(responses, 1);
    nodes.publish(entries.map(nodeOf));
    for (const [at, shard] of shards.entries()) {
      this.learn(shard, observe(shard, found(responses, at + 3)), header.revision);
    }
    this.#options.read({
      meta: found(responses, 0),
      nodes: entries,
      retirements: found(responses, 2),
      revision: header.revision,
    });
  }
}

function nodeOf({ value }: KeyValue): NodeInfo {
  const { node, url } = decodeNode(value);
  return { node, url };
}
