/** Node to node, and the replies. */
import type { Epoch } from '../txid.ts';

/** From a shard's leader to the node that is to follow it. */
export interface TakeOver {
  readonly type: 'take-over';
  readonly id: number;
  readonly shard: number;
  /** Of the leader that asks: it alone is to be followed. */
  readonly epoch: Epoch;
  /** Absent or false: only say whether it would. */
  readonly now?: boolean;
}
export interface TakenOver {
  readonly type: 'taken-over';
  readonly id: number;
  /** Of its own leadership, once it leads; absent where it only would. */
  readonly epoch?: Epoch;
  /** Instances of participants that are connected to it. */
  readonly participants: number;
}

/** What a node sends another. */
export type FromOtherNode = TakeOver;
/** What it gets. */
export type ToOtherNode = TakenOver;
