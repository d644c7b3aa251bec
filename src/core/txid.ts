/**
 * Transaction ids: `<shard>.<epoch>.<sequence>.<random>`.
 *
 * Every part but the random one is base 36 at a fixed width, so that plain string comparison is
 * numeric comparison, for epochs (`a < b`), for positions, and for the keys of the decision log.
 * The id says where its decision lives (shard) and under which leadership it began (epoch):
 * any node can judge it without asking the one that made it.
 */

declare const brand: unique symbol;

/** A leadership's fencing token: generation (4 digits) and revision (13 digits), base 36. */
export type Epoch = string & { readonly [brand]: 'epoch' };
/** A place in a shard's order of transactions: `epoch.sequence`. The floor is one of these. */
export type Position = string & { readonly [brand]: 'position' };
/** A transaction's id, as the coordinator makes them. From a plain string: `isTxid`. */
export type Txid = string & { readonly [brand]: 'txid' };

/** Of a cluster: a node reads all leader keys in one transaction, and etcd takes 128 operations. */
export const maxShards = 100;

const generationDigits = 4;
const revisionDigits = 13;
const sequenceDigits = 9;
/** Chance (31 bits): unique even across a restored log. */
export const nonceDigits = 6;
/** A keyed hash of all before it (36 bits): who has not the cluster's key makes up no txid. */
export const sealDigits = 7;
export const randomDigits: number = nonceDigits + sealDigits;

const epochDigits: number = generationDigits + revisionDigits;
/** Operators raise generations one at a time and never come near it: one beyond is made up. */
export const maxGeneration: number = 36 ** 3 - 1;
/** Three digits, and 64 bits: whoever believed `zzz...` would refuse every real leader forever. */
const epochText = '0[0-9a-z]{3}[01][0-9a-z]{12}';
const epochPattern = new RegExp(`^${epochText}$`);
const positionPattern = new RegExp(`^${epochText}\\.[0-9a-z]{${sequenceDigits}}$`);
const txidPattern = new RegExp(
  `^(0|[1-9a-z][0-9a-z]{0,3})\\.${epochText}\\.[0-9a-z]{${sequenceDigits}}\\.[0-9a-z]{${randomDigits}}$`,
);

/** The epoch below every real one: what a participant knows before it knows any. */
export const epochZero: Epoch = '0'.repeat(epochDigits) as Epoch;
/** The floor before the first collection. */
export const positionZero: Position = `${epochZero}.${'0'.repeat(sequenceDigits)}` as Position;

export function makeEpoch(parts: { generation: number; revision: bigint }): Epoch {
  return (digits(BigInt(parts.generation), generationDigits) +
    digits(parts.revision, revisionDigits)) as Epoch;
}

export function epochParts(epoch: Epoch): { generation: number; revision: bigint } {
  return {
    generation: Number.parseInt(epoch.slice(0, generationDigits), 36),
    revision: fromDigits(epoch.slice(generationDigits)),
  };
}

export function makePosition(epoch: Epoch, sequence: number): Position {
  return `${epoch}.${digits(BigInt(sequence), sequenceDigits)}` as Position;
}

/** All of a txid that stands before its random part. */
export function placeOf(parts: { shard: number; epoch: Epoch; sequence: number }): string {
  return `${parts.shard.toString(36)}.${makePosition(parts.epoch, parts.sequence)}.`;
}

/** For those whose it is not: always the same for one transaction, and good for nothing. */
export function maskedTxid(txid: Txid): Txid {
  return `${txid.slice(0, -randomDigits)}${'0'.repeat(randomDigits)}` as Txid;
}

/** What a txid's last digits vouch for, and those digits. */
export function sealedText(txid: Txid): { readonly text: string; readonly seal: string } {
  return { text: txid.slice(0, -sealDigits), seal: txid.slice(-sealDigits) };
}

/** Whether the text has the form of a transaction's id, not whether there is such a transaction. */
export function isTxid(text: string): text is Txid {
  return txidPattern.test(text);
}

export function isEpoch(text: string): text is Epoch {
  return epochPattern.test(text);
}

export function isPosition(text: string): text is Position {
  return positionPattern.test(text);
}

export function shardOf(txid: Txid): number {
  return Number.parseInt(txid.slice(0, txid.indexOf('.')), 36);
}

export function epochOf(txid: Txid): Epoch {
  const start = txid.indexOf('.') + 1;
  return txid.slice(start, start + epochDigits) as Epoch;
}

export function positionOf(txid: Txid): Position {
  const start = txid.indexOf('.') + 1;
  return txid.slice(start, start + epochDigits + 1 + sequenceDigits) as Position;
}

export function epochOfPosition(position: Position): Epoch {
  return position.slice(0, epochDigits) as Epoch;
}

function digits(value: bigint, width: number): string {
  const text = value.toString(36);
  if (value < 0n || text.length > width)
    throw new RangeError(`${value} does not fit ${width} digits`);
  return text.padStart(width, '0');
}

function fromDigits(text: string): bigint {
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value;
}
