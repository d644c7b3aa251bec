/**
 * What a leadership has read of `decisions/` and not moved yet: a move needs the record, and would
 * else read it a second time. After an outage that is one reading for each of 100,000.
 *
 * What is here is in the store. It was read there under this leadership, and no one else takes it
 * away or writes over it: not another leadership (the fence), nor who forces an abort (it puts
 * where nothing is). An operator's word changes what it says of branches, never its outcome. The
 * interleaving that matters: a move is under way, a page is read from the state before it, and the
 * record on that page would be kept beyond its move. A second move would put a record into
 * `finished/` that may have been collected there. So a page adds nothing that is being moved.
 */
import type { DecisionRecord } from '../core/records.ts';
import type { Txid } from '../core/txid.ts';
import { type KeptOfRecord, keptOf } from './state.ts';

export class KnownDecisions {
  /** Null: it is being moved. */
  readonly #known = new Map<Txid, KeptOfRecord | null>();

  saw(page: readonly DecisionRecord[]): void {
    for (const record of page) {
      if (this.#known.has(record.txid)) continue;
      this.#known.set(record.txid, keptOf(record));
    }
  }

  /** For its move: undefined where the store must be asked. */
  take(txid: Txid): KeptOfRecord | undefined {
    const known = this.#known.get(txid);
    this.#known.set(txid, null);
    return known ?? undefined;
  }

  /** It says more than was read. One that is being moved stays one. */
  changed(txid: Txid): void {
    if (this.#known.get(txid) !== null) this.#known.delete(txid);
  }

  /** They have moved, or have not: no later reading shows the state before. */
  moved(txids: readonly Txid[]): void {
    for (const txid of txids) this.#known.delete(txid);
  }
}
