/** Txids made of their parts, and taken apart. */
import {
  type Epoch,
  epochOf,
  type Position,
  placeOf,
  positionOf,
  shardOf,
  type Txid,
} from '../../../src/core/txid.ts';

interface TxidPlace {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly sequence: number;
}

export function makeTxid(parts: TxidPlace & { readonly random: string }): Txid {
  return `${placeOf(parts)}${parts.random}` as Txid;
}

export function txidParts(txid: Txid): TxidPlace & { readonly position: Position } {
  const position = positionOf(txid);
  const sequence = Number.parseInt(position.slice(position.indexOf('.') + 1), 36);
  return { shard: shardOf(txid), epoch: epochOf(txid), sequence, position };
}
