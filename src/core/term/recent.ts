/** A bounded memory of ended transactions: for status, lists, and repeated questions. */
import type { TransactionStatus } from '../messages.ts';
import { epochOfPosition, type Position, positionOf, positionZero, type Txid } from '../txid.ts';

export interface EndedTransaction {
  /** `ageMs` is filled in when asked. */
  readonly status: Omit<TransactionStatus, 'ageMs'>;
  readonly startedAtMs: number;
  readonly readonly: boolean;
}

export class RecentTransactions {
  readonly #max: number;
  readonly #ended = new Map<Txid, EndedTransaction>();
  /** Walks `#ended` from its oldest on; a new iterator would step over all that was ever deleted in front of it. */
  #oldest: Iterator<EndedTransaction> = this.#ended.values();
  /** The highest forgotten one that committed without a record: see `mayHaveHeldUnrecorded`. */
  #unrecordedUpTo: Position = positionZero;

  constructor(max: number) {
    this.#max = max;
  }

  add(ended: EndedTransaction): void {
    this.#ended.set(ended.status.txid, ended);
    if (this.#ended.size <= this.#max) return;
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#ended.values();
      next = this.#oldest.next();
    }
    const oldest = next.value as EndedTransaction;
    const { txid, requestId } = oldest.status;
    this.#ended.delete(txid);
    const position = positionOf(txid);
    const unrecorded = oldest.readonly && requestId === undefined;
    if (unrecorded && position > this.#unrecordedUpTo) this.#unrecordedUpTo = position;
  }

  /**
   * Whether a transaction that left no record may be one that its client was told had committed, read-only. Such
   * ones leave none, and this memory is bounded: rather than contradict that answer with
   * "aborted", nothing more is said about any that old (I2).
   */
  mayHaveHeldUnrecorded(position: Position): boolean {
    return (
      position <= this.#unrecordedUpTo &&
      epochOfPosition(position) === epochOfPosition(this.#unrecordedUpTo)
    );
  }

  get(txid: Txid): EndedTransaction | null {
    return this.#ended.get(txid) ?? null;
  }

  /** Newest first. */
  newestFirst(): EndedTransaction[] {
    return [...this.#ended.values()].reverse();
  }
}
