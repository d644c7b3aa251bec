/** The newest epoch that is durably known for each shard: I7, no stale prepare. */
import { type Epoch, epochZero } from '../core/txid.ts';
import type { Journal } from '../ports/journal.ts';

export class Epochs {
  readonly #journal: Journal;
  readonly #known: Map<number, Epoch>;
  readonly #adopting = new Map<string, Promise<void>>();

  constructor(journal: Journal, known: ReadonlyMap<number, Epoch>) {
    this.#journal = journal;
    this.#known = new Map(known);
  }

  known(shard: number): Epoch {
    return this.#known.get(shard) ?? epochZero;
  }

  /** The journal remembers a newer epoch with the vote that carries it. */
  learned(shard: number, epoch: Epoch): void {
    if (epoch > this.known(shard)) this.#known.set(shard, epoch);
  }

  /** Resolves when the epoch, or a newer one, is durable. */
  adopt(shard: number, epoch: Epoch): Promise<void> {
    if (this.known(shard) >= epoch) return Promise.resolve();
    const key = `${shard}.${epoch}`;
    const running = this.#adopting.get(key);
    if (running !== undefined) return running;
    const adopting = this.#journal
      .adoptEpoch(shard, epoch)
      .then((newest) => this.learned(shard, newest))
      .finally(() => this.#adopting.delete(key));
    this.#adopting.set(key, adopting);
    return adopting;
  }
}
