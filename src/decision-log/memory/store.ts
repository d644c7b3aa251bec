import { MemoryKeys } from '../../store/memory-keys.ts';
import { metaKey } from '../../store/store-format.ts';
import { LocalStore } from '../local-store.ts';
import { inTransaction, newMeta, type WantedMeta } from '../state.ts';

/**
 * A store of decisions in memory, which several nodes of one process may share: what etcd is to a
 * cluster. It outlives the logs opened on it, so dropping a log and `expire` simulate a crash.
 */
export class MemoryLogStore extends LocalStore {
  readonly #keys: MemoryKeys;

  constructor(wanted: WantedMeta & { readonly generation?: number } = {}) {
    const keys = new MemoryKeys();
    const meta = newMeta(wanted);
    keys.put(metaKey, meta);
    super(meta, {
      transact: async (body) => body(keys),
      snapshot: (body) => body(keys),
      close: async () => undefined,
    });
    this.#keys = keys;
  }

  /** Ends the shard's leadership as if its lease had run out: the leader is not asked. */
  expire(shard: number): void {
    inTransaction(this.#keys, (transaction) => transaction.change(shard, { leader: null }));
    this.board.publish(shard, null);
  }
}
