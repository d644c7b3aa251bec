/**
 * Values in etcd: MessagePack maps, each with its own version, so that nodes of two versions can
 * share a cluster. The floor and the clock are plain text: etcd itself compares them.
 */
import { Packr } from 'msgpackr';
import type { Rebound } from '../../core/claims.ts';
import type { DecisionRecord, RequestEntry } from '../../core/records.ts';
import type { Retired } from '../../core/retired.ts';
import { isPosition, type Position } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { type FinishedRecord, plainRetired, type StoredMeta } from '../state.ts';

const version = 1;
const codec = new Packr({ useRecords: false, useToJSON: false });

export interface LeaderValue {
  readonly node: string;
  readonly url: string;
  /** Tells two leaderships apart to which a restored etcd gave the same revision. */
  readonly nonce: string;
  readonly generation: number;
}

export interface NodeValue {
  readonly node: string;
  readonly url: string;
  readonly startedMs: number;
  /** The revision up to which it has heard of what was retired. */
  readonly retired: string;
  /** By which rules it lets peers in (alike.ts). Absent: a node of before. */
  readonly access?: string;
}

export type MetaValue = Omit<StoredMeta, 'kind' | 'txidSecret'> & {
  /** Null: it has a key of its own (secret.ts). Logs of before have it here, and keep it. */
  readonly txidSecret: string | null;
  /** Only where it has: by this a node knows it. */
  readonly secretPrint?: string;
  /** Only where ranges of shards have etcds of their own. */
  readonly part?: PartMark;
  /** Written by who saw the log set back, taken away with the generation that is raised. */
  readonly setBack?: SetBackMark;
};

export interface SetBackMark {
  /** Who saw it: it knew a higher revision than etcd has shown. */
  readonly node: string;
  readonly known: string;
  readonly seen: string;
  /** Wall clock, for people. */
  readonly atMs: number;
}

/** Which shards an etcd is for: docs/adr/0006-shards-on-several-etcds.md. */
export interface PartMark {
  /** Random, made with the mark. */
  readonly id: string;
  readonly index: number;
  /** The last shard of each range, in order. */
  readonly lasts: readonly number[];
  /** Set once the first range's etcd lists this mark. Nothing is decided or believed before. */
  readonly sealed: boolean;
  /** In the first range's etcd, once every range has its mark: the ids of all. */
  readonly ids?: readonly string[];
}

/** Bound to its log: that of another fits no txid of this one. */
export interface SecretValue {
  readonly clusterId: string;
  readonly txidSecret: string;
}

type Shape = Readonly<Record<string, (field: unknown) => boolean>>;
const text = (field: unknown): boolean => typeof field === 'string';
const optionalText = (field: unknown): boolean => field === undefined || text(field);
const whole = (field: unknown): boolean => Number.isSafeInteger(field);
const time = (field: unknown): boolean => typeof field === 'number' && Number.isFinite(field);
const outcome = (field: unknown): boolean => field === 'commit' || field === 'abort';

const revision = (field: unknown): boolean => typeof field === 'string' && /^\d+$/.test(field);
const setBackMark = (field: unknown): boolean => {
  if (field === undefined) return true;
  if (typeof field !== 'object' || field === null) return false;
  const { node, known, seen, atMs } = field as Readonly<Record<string, unknown>>;
  return text(node) && revision(known) && revision(seen) && time(atMs);
};
const mark = (field: unknown): boolean => {
  if (field === undefined) return true;
  if (typeof field !== 'object' || field === null) return false;
  const { id, index, lasts, sealed } = field as Readonly<Record<string, unknown>>;
  const isMap = Array.isArray(lasts) && lasts.every(whole);
  return text(id) && whole(index) && isMap && typeof sealed === 'boolean';
};
const texts = (field: unknown): boolean => Array.isArray(field) && field.every(text);
/** Absent in records of transactions that held none, and of older versions. */
const locks = (field: unknown): boolean => {
  if (field === undefined) return true;
  if (typeof field !== 'object' || field === null) return false;
  const { group, exclusive, shared } = field as Readonly<Record<string, unknown>>;
  return text(group) && texts(exclusive) && texts(shared);
};

function encode(value: object): Buffer {
  return codec.pack({ v: version, ...value });
}

function decode<T>(kind: string, value: Buffer, shape: Shape): T {
  let map: unknown;
  try {
    map = codec.unpack(value);
  } catch (error) {
    throw unreadable(kind, error);
  }
  if (typeof map !== 'object' || map === null) throw unreadable(kind);
  const { v, ...fields } = map as Readonly<Record<string, unknown>>;
  if (typeof v === 'number' && v > version) {
    throw new DecisionLogError(
      `The ${kind} in etcd has version ${v}; this program reads up to ${version}. Upgrade this node.`,
    );
  }
  for (const [name, fits] of Object.entries(shape)) {
    if (!fits(fields[name])) throw unreadable(kind);
  }
  return fields as T;
}

export function unreadable(kind: string, cause?: unknown): DecisionLogError {
  return new DecisionLogError(
    `The ${kind} in etcd is not what this program writes. Look at who else writes below /verdict/, or restore etcd from a backup.`,
    { cause },
  );
}

export const encodeDecision: (record: DecisionRecord) => Buffer = encode;
export const decodeDecision = (value: Buffer): DecisionRecord =>
  decode('decision record', value, {
    txid: text,
    outcome,
    branches: Array.isArray,
    locks,
    atMs: time,
  });

export const encodeFinished: (value: FinishedRecord) => Buffer = encode;
export const decodeFinished = (value: Buffer): FinishedRecord =>
  decode('finished record', value, {
    outcome,
    requestId: optionalText,
    atMs: time,
    tick: whole,
  });

export const encodeRequest: (entry: RequestEntry) => Buffer = encode;
export const decodeRequest = (value: Buffer): RequestEntry =>
  decode('request entry', value, { txid: text, requestHash: text });

export const encodeLeader: (value: LeaderValue) => Buffer = encode;
export const decodeLeader = (value: Buffer): LeaderValue =>
  decode('leader key', value, { node: text, url: text, nonce: text, generation: whole });

export const encodeNode: (value: NodeValue) => Buffer = encode;
export const decodeNode = (value: Buffer): NodeValue =>
  decode('node entry', value, {
    node: text,
    url: text,
    startedMs: time,
    retired: revision,
    access: (field) => field === undefined || text(field),
  });

export const encodeRetired = (retired: Retired): Buffer => encode(plainRetired(retired));
export function decodeRetired(value: Buffer): Retired {
  return decodeClaim('retired instance', value, {});
}

/** Below `bound/` as below `rebound/`: who holds it. */
export const encodeRebound = ({ claim, identity }: Rebound): Buffer =>
  encode({ ...plainRetired(claim), identity });
export function decodeRebound(value: Buffer): Rebound {
  const { identity, ...claim } = decodeClaim<Retired & Pick<Rebound, 'identity'>>(
    'bound instance',
    value,
    { identity: text },
  );
  return { claim: plainRetired(claim), identity };
}

function decodeClaim<T extends Retired>(kind: string, value: Buffer, shape: Shape): T {
  const claim = decode<T>(kind, value, { participant: text, ...shape });
  const named: unknown = 'instance' in claim ? claim.instance : claim.sharedResource;
  if (!text(named)) throw unreadable(kind);
  return claim;
}

/** An empty text: programs that want one read on to the format, and say what to do. */
const elsewhere = '';

export const encodeMeta = ({ txidSecret, ...value }: MetaValue): Buffer =>
  encode({ ...value, txidSecret: txidSecret ?? elsewhere });
export function decodeMeta(value: Buffer): MetaValue {
  const { txidSecret, ...meta } = decode<MetaValue>('meta', value, {
    formatVersion: whole,
    cluster: text,
    clusterId: text,
    shards: whole,
    requestShard: text,
    requestWindowMs: whole,
    generation: whole,
    txidSecret: text,
    secretPrint: optionalText,
    part: mark,
    setBack: setBackMark,
  });
  return { ...meta, txidSecret: (txidSecret as string) === elsewhere ? null : txidSecret };
}

export const encodeSecret: (value: SecretValue) => Buffer = encode;
export const decodeSecret = (value: Buffer): SecretValue =>
  decode('secret', value, { clusterId: text, txidSecret: text });

export const encodePosition = (position: Position): Buffer => Buffer.from(position);
export function decodePosition(value: Buffer): Position {
  const text = value.toString();
  if (!isPosition(text)) throw unreadable('floor');
  return text;
}

export const encodeTick = (tick: number): Buffer => Buffer.from(String(tick));
export function decodeTick(value: Buffer): number {
  const tick = Number(value.toString());
  if (!Number.isSafeInteger(tick) || tick < 0) throw unreadable('clock');
  return tick;
}
