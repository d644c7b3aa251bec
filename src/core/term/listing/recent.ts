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
  /** As `timesOf` packs them; null: there was no room for so many. */
  readonly times: readonly number[] | null;
}

/** So many take no more than the rest of what is kept of each: they are not weighed. */
const fewTimes = 64;

export class RecentTransactions {
  private readonly max: number;
  private readonly maxBytes: number;
  /** Those with labels, an abort's detail or many branches, oldest first, and what these weigh. */
  private readonly heavy: { readonly txid: Txid; readonly bytes: number }[] = [];
  private bytes = 0;
  private readonly ended = new Map<Txid, EndedTransaction>();
  /** The txids of `ended`, oldest at `oldest`: to iterate the map is to step over all deleted. */
  private readonly ring: Txid[] = [];
  private oldest = 0;
  /** The highest forgotten one that committed without a record: see `mayHaveHeldUnrecorded`. */
  private unrecordedUpTo: Position = positionZero;

  /** Past `maxBytes` the oldest lose their labels, details and times; they are remembered. */
  constructor(max: number, maxBytes: number = Number.MAX_SAFE_INTEGER) {
    this.max = max;
    this.maxBytes = maxBytes;
  }

  add(ended: EndedTransaction): void {
    const { txid } = ended.status;
    const isKnown = this.ended.has(txid);
    this.ended.set(txid, ended);
    this.weigh(ended);
    // One that was resumed and ended again keeps its place.
    if (isKnown) return;
    if (this.ring.length < this.max) {
      this.ring.push(txid);
      return;
    }
    const forgotten = this.ring[this.oldest];
    // Undefined where there is room for none.
    if (forgotten !== undefined) this.ring[this.oldest] = txid;
    this.forget(forgotten ?? txid);
    this.oldest = (this.oldest + 1) % Math.max(1, this.max);
  }

  private forget(txid: Txid): void {
    const oldest = this.ended.get(txid);
    if (oldest === undefined) return;
    const { requestId } = oldest.status;
    this.ended.delete(txid);
    const position = positionOf(txid);
    const unrecorded = oldest.readonly && requestId === undefined;
    if (unrecorded && position > this.unrecordedUpTo) this.unrecordedUpTo = position;
  }

  private weigh({ status, times }: EndedTransaction): void {
    const { labels, reason } = status;
    const timesBytes = times === null || times.length <= fewTimes ? 0 : times.length * 8;
    if (labels === undefined && reason?.detail === undefined && timesBytes === 0) return;
    const bytes = weightOf(labels) + weightOf(reason?.detail) + timesBytes;
    this.heavy.push({ txid: status.txid, bytes });
    this.bytes += bytes;
    while (this.bytes > this.maxBytes || this.heavy.length > this.max) {
      const oldest = this.heavy.shift();
      if (oldest === undefined) return;
      this.bytes -= oldest.bytes;
      const ended = this.ended.get(oldest.txid);
      if (ended === undefined) continue;
      this.ended.set(oldest.txid, { ...ended, status: lightened(ended), times: null });
    }
  }

  /**
   * Whether a transaction that left no record may be one that its client was told had committed,
   * read-only. Such ones leave none, and this memory is bounded: rather than contradict that answer
   * with "aborted", nothing more is said about any that old (I2).
   */
  mayHaveHeldUnrecorded(position: Position): boolean {
    return (
      position <= this.unrecordedUpTo &&
      epochOfPosition(position) === epochOfPosition(this.unrecordedUpTo)
    );
  }

  get(txid: Txid): EndedTransaction | null {
    return this.ended.get(txid) ?? null;
  }

  /** Newest first. */
  newestFirst(): EndedTransaction[] {
    return [...this.ended.values()].reverse();
  }
}

function lightened({ status }: EndedTransaction): EndedTransaction['status'] {
  const { labels: _labels, reason, ...rest } = status;
  if (reason === undefined) return rest;
  return { ...rest, reason: withoutDetail(reason) };
}
