/**
 * I8, for one request id. An attempt is a number under an epoch: a leadership answers the same
 * number the same way again, and a copy of it is not run by another leadership. Another caller may
 * give the same number to a later leadership, which knows nothing of the first: that is an attempt
 * of its own. Once etcd was set back a later leadership may bear the epoch of an earlier one, and
 * knows nothing of that one either.
 */
import type { Epoch, Txid } from '../../../src/core/txid.ts';
import { epochOf } from '../../../src/core/txid.ts';

export class RequestFacts {
  committed: Txid | null = null;
  /** Etcd was set back to before its commit. */
  lost = false;
  /** By epoch: the highest attempt that was sent, and the highest that was told aborted. */
  readonly #sent = new Map<Epoch, number>();
  readonly #aborted = new Map<Epoch, number>();
  readonly #isLedTwice: (txid: Txid) => boolean;

  /** `isLedTwice`: there were two leaderships of the transaction's epoch. */
  constructor(isLedTwice: (txid: Txid) => boolean = () => false) {
    this.#isLedTwice = isLedTwice;
  }

  sent(epoch: Epoch, attempt: number): void {
    raise(this.#sent, epoch, attempt);
  }

  /** Null, or what is wrong with it. */
  commit(txid: Txid): string | null {
    if (this.lost) return null;
    if (this.committed !== null) return `was committed as ${this.committed} and as ${txid}`;
    this.committed = txid;
    return this.#mayCommit(txid)
      ? null
      : `was committed as ${txid} after its last attempt under that epoch had been told aborted`;
  }

  /** Null, or what is wrong with it. */
  toldAborted(txid: Txid, attempt: number): string | null {
    if (this.lost) return null;
    raise(this.#aborted, epochOf(txid), attempt);
    const { committed } = this;
    if (committed === null || epochOf(committed) > epochOf(txid)) return null;
    if (epochOf(committed) === epochOf(txid) && this.#mayCommit(committed)) return null;
    return `was told aborted under attempt ${attempt}, and had been committed as ${committed}`;
  }

  /** Some attempt under its epoch has not been told aborted. */
  #mayCommit(txid: Txid): boolean {
    if (this.#isLedTwice(txid)) return true;
    const epoch = epochOf(txid);
    return (this.#sent.get(epoch) ?? 0) > (this.#aborted.get(epoch) ?? 0);
  }
}

function raise(map: Map<Epoch, number>, epoch: Epoch, attempt: number): void {
  map.set(epoch, Math.max(map.get(epoch) ?? 0, attempt));
}
