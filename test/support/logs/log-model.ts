/**
 * A decision log as a map: enough of the port's rules to answer one term, at any moment, in any
 * order.
 */

import {
  type DecideResult,
  type DecisionRecord,
  type DecisionWrite,
  type RequestEntry,
  type Settlement,
  settled,
} from '../../../src/core/records.ts';
import type { LogAnswer } from '../../../src/core/term/events.ts';
import {
  type Epoch,
  epochOf,
  type Position,
  positionOf,
  positionZero,
  type Txid,
} from '../../../src/core/txid.ts';

export interface Instance {
  readonly participant: string;
  readonly instance: string;
  readonly sharedResource: string | null;
}

export class LogModel {
  readonly records: Map<Txid, { record: DecisionRecord; finished: boolean; finishedAtMs: number }> =
    new Map();
  /** Collected records: no one can read them, but what they said was said. */
  readonly #collected = new Map<Txid, DecisionRecord>();
  readonly requests: Map<string, RequestEntry> = new Map();
  floor: Position = positionZero;
  leader: Epoch;
  revision = 100;

  constructor(leader: Epoch) {
    this.leader = leader;
  }

  get witness(): { generation: number; revision: string } {
    return { generation: 0, revision: String(this.revision) };
  }

  outcome(txid: Txid): 'commit' | 'abort' | null {
    return (this.records.get(txid)?.record ?? this.#collected.get(txid))?.outcome ?? null;
  }

  isBelowFloor(txid: Txid): boolean {
    return positionOf(txid) <= this.floor;
  }

  /** null: the fence refuses it. */
  decide(write: DecisionWrite, nowMs: number): DecideResult | null {
    const { record } = write;
    if (epochOf(record.txid) !== this.leader) return null;
    const existing = this.records.get(record.txid);
    if (existing !== undefined) {
      return { type: existing.record.outcome === 'commit' ? 'written' : 'aborted' };
    }
    if (this.isBelowFloor(record.txid)) return { type: 'aborted' };
    const entry = record.requestId === undefined ? undefined : this.requests.get(record.requestId);
    if (entry !== undefined) return { type: 'duplicate', entry };
    this.revision += 1;
    this.records.set(record.txid, { record, finished: write.finished, finishedAtMs: nowMs });
    if (record.requestId !== undefined) {
      this.requests.set(record.requestId, {
        txid: record.txid,
        requestHash: record.requestHash ?? '',
      });
    }
    return { type: 'written' };
  }

  force(txid: Txid): void {
    if (this.records.has(txid) || this.isBelowFloor(txid) || epochOf(txid) !== this.leader) return;
    this.revision += 1;
    const record = { txid, outcome: 'abort', branches: [], atMs: 0 } as const;
    this.records.set(txid, { record, finished: false, finishedAtMs: 0 });
  }

  settle(settlement: Settlement): boolean {
    const held = this.records.get(settlement.txid);
    if (held === undefined || held.finished || held.record.outcome !== 'commit') return false;
    this.revision += 1;
    held.record = settled(held.record, settlement);
    return true;
  }

  finish(txid: Txid, nowMs: number): void {
    const held = this.records.get(txid);
    if (held === undefined || held.finished) return;
    held.finished = true;
    held.finishedAtMs = nowMs;
  }

  /**
   * From the start of finished/, up to the first record that is too young, too high, or held back.
   */
  collect(options: {
    readonly below: Position;
    readonly finishedBeforeMs: number;
    readonly keepsRequest: (requestId: string) => boolean;
  }): void {
    const finished = [...this.records.values()].filter((held) => held.finished);
    finished.sort((a, b) => (a.record.txid < b.record.txid ? -1 : 1));
    for (const { record, finishedAtMs } of finished) {
      const { txid, requestId } = record;
      if (finishedAtMs >= options.finishedBeforeMs || positionOf(txid) >= options.below) return;
      if (requestId !== undefined && options.keepsRequest(requestId)) return;
      this.records.delete(txid);
      this.#collected.set(txid, record);
      if (requestId !== undefined) this.requests.delete(requestId);
      if (positionOf(txid) > this.floor) this.floor = positionOf(txid);
    }
  }

  isCollected(txid: Txid): boolean {
    return this.#collected.has(txid);
  }

  read(txid: Txid): LogAnswer {
    const held = this.records.get(txid);
    return {
      record:
        held === undefined
          ? null
          : { outcome: held.record.outcome, finished: held.finished, record: held.record },
      floor: this.floor,
      leader: { epoch: this.leader },
      witness: this.witness,
    };
  }

  pending(): DecisionRecord[] {
    return [...this.records.values()].filter((held) => !held.finished).map((held) => held.record);
  }
}
