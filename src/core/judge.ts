/**
 * Judging a transaction by one linearizable reading of the log (docs/PROTOCOL.md, section 5).
 * Any node may; so may anyone with read access to the log.
 */
import type { Decision, DecisionSource, Witness } from './messages.ts';
import { type Epoch, epochOf, type Position, positionOf, type Txid } from './txid.ts';

export interface Reading {
  readonly record: { readonly outcome: Decision; readonly finished: boolean } | null;
  readonly floor: Position;
  readonly leader: { readonly epoch: Epoch } | null;
}

export type Judgement =
  | { readonly decision: Decision | 'expired'; readonly source: DecisionSource }
  /** No record yet, and the epoch that may write one still leads. */
  | { readonly decision: 'undecided' }
  /** Of an epoch that this log has never had: it was set back, or the peer is broken. */
  | { readonly decision: 'ahead' };

/**
 * `inDoubt`: an enlisted participant asks that voted commit and knows no outcome. Below the floor
 * it is told `abort`, for a commit that it has not acknowledged would still be recorded (I5,
 * absence means abort; I9, collection); anyone else is told `expired`.
 */
export function judge(txid: Txid, reading: Reading, asker: { inDoubt: boolean }): Judgement {
  if (reading.record !== null) {
    return { decision: reading.record.outcome, source: 'recorded' };
  }
  if (positionOf(txid) <= reading.floor) {
    return { decision: asker.inDoubt ? 'abort' : 'expired', source: 'presumed' };
  }
  const epoch = epochOf(txid);
  if (reading.leader === null || epoch < reading.leader.epoch) {
    return { decision: 'abort', source: 'presumed' };
  }
  if (epoch === reading.leader.epoch) return { decision: 'undecided' };
  return { decision: 'ahead' };
}

/** Whether a peer was shown a later state of this log than the log itself shows now. */
export function isAhead(peer: Witness, log: Witness): boolean {
  if (peer.generation !== log.generation) return peer.generation > log.generation;
  return BigInt(peer.revision) > BigInt(log.revision);
}
