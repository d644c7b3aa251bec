/** A bounded memory of ended transactions: for status, lists, and repeated questions. */
import { withoutDetail } from '../../catalogue.ts';
import type { TransactionStatus } from '../../messages.ts';
import { epochOfPosition, type Position, positionOf, positionZero, type Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import type { Owner } from '../events.ts';

export interface EndedTransaction {
  /** `ageMs` is filled in when asked. */
  readonly status: Omit<TransactionStatus, 'ageMs'>;
  readonly startedAtMs: number;
  readonly readonly: boolean;
  readonly owner: Owner | null;
}

export class RecentTransactions {
  readonly #max: number;
  readonly #maxBytes: number;
  /** Those with labels or an abort's detail, oldest first, and what these weigh. */
  readonly #heavy: { readonly txid: Txid; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #ended = new Map<Txid, EndedTransaction>();
  /** Walks `#ended` from its oldest on; a new iterator would step over all that was ever deleted in front of it. */
  #oldest: Iterator<EndedTransaction> = this.#ended.values();
  /** The highest forgotten one that committed without a record: see `mayHaveHeldUnrecorded`. */
  #unrecordedUpTo: Position = positionZero;

  /** Past `maxBytes` the oldest lose their labels and details, and are remembered without. */
  constructor(max: number, maxBytes: number = Number.MAX_SAFE_INTEGER) {
    this.#max = max;
    this.#maxBytes = maxBytes;
  }

  add(ended: EndedTransaction): void {
    this.#ended.set(ended.status.txid, ended);
    this.#weigh(ended);
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

  #weigh({ status }: EndedTransaction): void {
    const { labels, reason } = status;
    if (labels === undefined && reason?.detail === undefined) return;
    const bytes = weightOf(labels) + weightOf(reason?.detail);
    this.#heavy.push({ txid: status.txid, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes || this.#heavy.length > this.#max) {
      const oldest = this.#heavy.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
      const ended = this.#ended.get(oldest.txid);
      if (ended !== undefined) this.#ended.set(oldest.txid, { ...ended, status: lightened(ended) });
    }
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

function lightened({ status }: EndedTransaction): EndedTransaction['status'] {
  const { labels: _labels, reason, ...rest } = status;
  if (reason === undefined) return rest;
  return { ...rest, reason: withoutDetail(reason) };
}
