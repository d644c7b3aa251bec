/**
 * Compacts etcd's history now and then, where it is this cluster's alone: a shared etcd has
 * watchers of others, which a compaction would break. Nothing of this log reads the history.
 */
import { thrownLine } from '../../core/thrown.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { EtcdStore } from './store.ts';

const everyMs = 30_000;
/** Kept for people who look into what has just happened. */
const revisionsKept = 1_000n;

export interface CompactionOptions {
  readonly store: EtcdStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One node of the cluster does it: the leader of the first shard. */
  readonly isDue: () => boolean;
}

export class Compaction {
  readonly #options: CompactionOptions;
  #timer: Timer | null = null;
  #last = 0n;

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(everyMs, () => {
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
    const { store, logger, isDue } = this.#options;
    const revision = store.witness.revision - revisionsKept;
    if (!isDue() || revision <= this.#last) return;
    try {
      await store.clients.kv.call((client) => client.kv.compact({ revision: String(revision) }));
      this.#last = revision;
    } catch (error) {
      logger.warn({ error: thrownLine(error) }, 'Etcd could not be compacted.');
    }
  }
}
