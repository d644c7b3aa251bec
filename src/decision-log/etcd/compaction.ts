/**
 * Compacts etcd's history now and then, where it is this cluster's alone: a shared etcd has
 * watchers of others, which a compaction would break. Nothing of this log reads the history.
 */
import { thrownLine } from '../../core/thrown.ts';
import type { Timer } from '../../ports/clock.ts';
import type { EtcdStore } from './store.ts';

const everyMs = 30_000;
/** Kept for people who look into what has just happened. */
const revisionsKept = 1_000n;

export class Compaction {
  readonly #store: EtcdStore;
  readonly #isDue: () => boolean;
  #timer: Timer | null = null;
  #last = 0n;

  /** One node of the cluster does it: the leader of the first shard. */
  constructor(store: EtcdStore, isDue: () => boolean) {
    this.#store = store;
    this.#isDue = isDue;
  }

  start(): void {
    this.#timer = this.#store.clock.setTimer(everyMs, () => {
      void this.#compact().finally(() => {
        if (this.#timer !== null) this.start();
      });
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #compact(): Promise<void> {
    const { clients, logger, witness } = this.#store;
    const revision = witness.revision - revisionsKept;
    if (!this.#isDue() || revision <= this.#last) return;
    try {
      await clients.kv.call((client) => client.kv.compact({ revision: String(revision) }));
      this.#last = revision;
    } catch (error) {
      logger.warn({ error: thrownLine(error) }, 'Etcd could not be compacted.');
    }
  }
}
