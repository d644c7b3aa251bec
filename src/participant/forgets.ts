/** What nodes told this participant to forget: one write for all that comes in a turn. */
import type { Txid } from '../core/txid.ts';
import type { Journal } from '../ports/journal.ts';
import type { UnderWay } from './under-way.ts';

export class Forgets {
  readonly #journal: Journal;
  readonly #underWay: UnderWay;
  #gathering: Set<Txid> | null = null;
  /** Not yet so in the journal, which takes its time about it. */
  readonly #writing = new Map<ReadonlySet<Txid>, Promise<void>>();

  constructor(journal: Journal, underWay: UnderWay) {
    this.#journal = journal;
    this.#underWay = underWay;
  }

  add(txid: Txid): void {
    if (this.#gathering !== null) {
      this.#gathering.add(txid);
      return;
    }
    this.#gathering = new Set([txid]);
    queueMicrotask(() => this.#write());
  }

  /** Resolves when what was told to be forgotten is so in the journal. */
  async written(txid: Txid): Promise<void> {
    if (this.#gathering?.has(txid) === true) await Promise.resolve();
    for (const [txids, written] of [...this.#writing]) if (txids.has(txid)) await written;
  }

  #write(): void {
    const txids = this.#gathering ?? new Set();
    this.#gathering = null;
    if (this.#underWay.stopped) return;
    const written = this.#journal.forget([...txids]);
    this.#writing.set(
      txids,
      written.catch(() => undefined),
    );
    // Lazy: the journal writes it at its own close at the latest. A close that waited here would do
    // so for nothing, and without end where the timers of a test stand still.
    this.#underWay.watch(written, () => this.#writing.delete(txids));
  }
}
