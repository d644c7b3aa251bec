import type { LeaderInfo } from '../core/messages.ts';
import type { Epoch } from '../core/txid.ts';

type Leader = Pick<LeaderInfo, 'shard' | 'epoch'>;

/** Which leaders are known to be gone: campaigns need not wait for their leases. */
export class Evidence {
  /** The newest for each shard: an older leader's end is no longer of interest. */
  readonly #gone = new Map<number, Epoch>();
  readonly #listeners = new Set<(shard: number) => void>();

  add({ shard, epoch }: Leader): void {
    const known = this.#gone.get(shard);
    if (known !== undefined && known >= epoch) return;
    this.#gone.set(shard, epoch);
    for (const listener of [...this.#listeners]) listener(shard);
  }

  against({ shard, epoch }: Leader): boolean {
    return this.#gone.get(shard) === epoch;
  }

  watch(listener: (shard: number) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
