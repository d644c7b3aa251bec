/**
 * What a leadership of this node's that is over had under way, until someone leads its shard again.
 * While etcd has no quorum there is no next leader to ask, and an operator looks for just these.
 *
 * Nothing is decided from it: it is as the leader last knew it.
 */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type { List, ShardInfo, TransactionState, TransactionStatus } from '../core/messages.ts';
import { listLimit } from '../core/term/events.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';

interface Left {
  readonly transactions: readonly TransactionStatus[];
  readonly atMs: number;
}

export class LeftBehind {
  readonly #clock: Clock;
  readonly #isLed: (shard: number) => boolean;
  readonly #left = new Map<number, Left>();

  /** `isLed`: whether this node knows for sure that someone leads it now. */
  constructor(clock: Clock, isLed: (shard: number) => boolean) {
    this.#clock = clock;
    this.#isLed = isLed;
  }

  /** The driver has stopped: what is left of its memory does not change for long. */
  add({ term, leader }: Pick<ShardDriver, 'term' | 'leader'>): void {
    const all = term.list({ limit: listLimit(Number.POSITIVE_INFINITY) }).transactions;
    const transactions = all.filter(({ state }) => !over.has(state));
    if (transactions.length === 0) return;
    this.#left.set(leader.shard, { transactions, atMs: this.#clock.monotonicMs() });
  }

  /** Drops what a leader can be asked about. */
  prune(): void {
    for (const shard of this.#left.keys()) if (this.#isLed(shard)) this.#left.delete(shard);
  }

  list({ state, attention }: Pick<List, 'state' | 'attention'>): TransactionStatus[] {
    this.prune();
    return [...this.#left.values()]
      .flatMap((left) => this.#aged(left))
      .filter(
        (each) =>
          (state === undefined || each.state === state) &&
          (attention === undefined || each.attention === attention),
      );
  }

  find(txid: Txid): TransactionStatus | null {
    this.prune();
    const left = this.#left.get(shardOf(txid));
    if (left === undefined) return null;
    return this.#aged(left).find((each) => each.txid === txid) ?? null;
  }

  counts(shard: number): Pick<ShardInfo, 'states' | 'attention'> {
    this.prune();
    const left = this.#left.get(shard);
    if (left === undefined) return {};
    const states: Partial<Record<TransactionState, number>> = {};
    for (const { state } of left.transactions) states[state] = (states[state] ?? 0) + 1;
    return { states, attention: left.transactions.filter((each) => each.attention).length };
  }

  #aged({ transactions, atMs }: Left): TransactionStatus[] {
    const sinceMs = Math.round(this.#clock.monotonicMs() - atMs);
    return transactions.map((each) => ({ ...each, ageMs: each.ageMs + sinceMs }));
  }
}

const over: ReadonlySet<TransactionState> = new Set(['COMMITTED', 'ABORTED']);
