/** What nodes told this participant to forget: one write for all that comes in a turn. */
import type { Txid } from '../core/txid.ts';
import type { Journal } from '../ports/journal.ts';
import type { UnderWay } from './under-way.ts';

export class Forgets {
  readonly #journal: Journal;
  readonly #underWay: UnderWay;
  #gathering: Set<Txid> | null = null;
  /** Not yet so in the journal, which takes its time about it. */
  readonly #writing = new Map<Txid, Promise<void>>();

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
    await this.#writing.get(txid);
  }

  #write(): void {
    const txids = [...(this.#gathering ?? [])];
    this.#gathering = null;
    if (this.#underWay.stopped) return;
    const written = this.#journal.forget(txids);
    const settled = written.catch(() => undefined);
    for (const txid of txids) this.#writing.set(txid, settled);
    this.#underWay.await(written, () => {
      for (const txid of txids) {
        if (this.#writing.get(txid) === settled) this.#writing.delete(txid);
      }
    });
  }
}
