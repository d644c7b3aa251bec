/** What the participants' methods returned, for whoever asks about a transaction; bounded. */
import type { Txid } from '../core/txid.ts';

/** How one method of one participant answered. */
export interface CallReturn {
  /** How often it was called. */
  readonly calls: number;
  /** What the latest call that ended returned; absent where it threw. */
  readonly returned?: unknown;
  /** The text of what it threw. */
  readonly threw?: string;
}

/** null: not called, or not ended yet. */
export interface ParticipantReturns {
  /** The participant's name. */
  readonly participant: string;
  /** What its `prepare` returned. */
  readonly prepare: CallReturn | null;
  /** What its last `commit` returned. */
  readonly commit: CallReturn | null;
  /** What its last `rollback` returned. */
  readonly rollback: CallReturn | null;
}

export type ParticipantMethod = 'prepare' | 'commit' | 'rollback';
export type Ended = { readonly returned: unknown } | { readonly threw: string };

type Row = { participant: string } & { [method in ParticipantMethod]: CallReturn | null };

export class ReturnsTable {
  readonly #max: number;
  readonly #byTxid = new Map<Txid, Map<string, Row>>();
  /** Transactions of which no one has anything left to do, oldest first. */
  readonly #ended = new Set<Txid>();

  constructor(max: number) {
    this.#max = max;
  }

  /** From here on the participant is listed, whether it is ever called or not. */
  list(txid: Txid, participant: string): void {
    this.#row(txid, participant);
  }

  /** It did not come into the transaction after all. */
  unlist(txid: Txid, participant: string): void {
    const rows = this.#byTxid.get(txid);
    rows?.delete(participant);
    if (rows?.size === 0) this.#byTxid.delete(txid);
  }

  add(call: { txid: Txid; participant: string; method: ParticipantMethod; ended: Ended }): void {
    const row = this.#row(call.txid, call.participant);
    row[call.method] = { calls: (row[call.method]?.calls ?? 0) + 1, ...call.ended };
  }

  /** In order of registration; empty where nothing is known. */
  of(txid: Txid): ParticipantReturns[] {
    return [...(this.#byTxid.get(txid)?.values() ?? [])].map((row) => ({ ...row }));
  }

  /** No one has anything left to do: it may be forgotten when its turn comes. */
  end(txid: Txid): void {
    this.#ended.delete(txid);
    this.#ended.add(txid);
    if (this.#ended.size <= this.#max) return;
    const [oldest] = this.#ended;
    if (oldest === undefined) return;
    this.#ended.delete(oldest);
    this.#byTxid.delete(oldest);
  }

  #row(txid: Txid, participant: string): Row {
    this.#ended.delete(txid);
    let rows = this.#byTxid.get(txid);
    if (rows === undefined) {
      rows = new Map();
      this.#byTxid.set(txid, rows);
    }
    let row = rows.get(participant);
    if (row === undefined) {
      row = { participant, prepare: null, commit: null, rollback: null };
      rows.set(participant, row);
    }
    return row;
  }
}
