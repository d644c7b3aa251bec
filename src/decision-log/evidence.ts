import type { LeaderInfo } from '../core/messages.ts';
import type { Epoch } from '../core/txid.ts';
import { Listeners } from './listeners.ts';

type Leader = Pick<LeaderInfo, 'shard' | 'epoch'>;

/** Which leaders are known to be gone: campaigns need not wait for their leases. */
export class Evidence extends Listeners<number> {
  /** The newest for each shard: an older leader's end is no longer of interest. */
  readonly #gone = new Map<number, Epoch>();

  add({ shard, epoch }: Leader): void {
    const known = this.#gone.get(shard);
    if (known !== undefined && known >= epoch) return;
    this.#gone.set(shard, epoch);
    this.tell(shard);
  }

  against({ shard, epoch }: Leader): boolean {
    return this.#gone.get(shard) === epoch;
  }
}
