/** What a store of decisions holds; keys mirror those of etcd (docs/PROTOCOL.md, section 4). */
import { defined } from '../core/defined.ts';
import type { Decision, LeaderInfo, Witness } from '../core/messages.ts';
import type { DecisionRecord, SettledByHand } from '../core/records.ts';
import { requestShardFunction } from '../core/request-shard.ts';
import type { Retired, RetiredSet } from '../core/retired.ts';
import {
  type Epoch,
  makeEpoch,
  type Position,
  positionZero,
  shardOf,
  type Txid,
} from '../core/txid.ts';
import { DecisionLogError, type LogMeta, type LogReading } from '../ports/decision-log.ts';
import type { Random } from '../ports/random.ts';
import { CountedKeys } from '../store/counted-keys.ts';
import { keyPart, type ReadableKeys, type WritableKeys } from '../store/key-value.ts';
import { metaKey } from '../store/store-format.ts';
import { systemRandom } from '../system/random.ts';
import { newTxidSecret } from '../system/txid-seal.ts';
import { usualRequestWindowMs, usualShards } from './usual.ts';

/** The format that this program writes, and the newest that it reads. */
export const logHeader = { kind: 'verdict decision log', formatVersion: 1 } as const;

const revisionKey = 'revision';
export const retiredPrefix = 'retired/';
/** Of all participants: rare, bounded all the same, since every node reads all of them. */
export const maxRetired = 100_000;

export interface StoredMeta extends LogMeta {
  readonly kind: typeof logHeader.kind;
  /** Which function takes a request id to its shard. */
  readonly requestShard: string;
}

/** What a start asks for; what is left out is taken as the log has it. */
export interface WantedMeta {
  /** Default for a new log: `verdict`. */
  readonly cluster?: string;
  /** Fixed when the log is made. Default: 1. */
  readonly shards?: number;
  /** How long a request id is remembered, fixed when the log is made. Default: 2 minutes. */
  readonly requestWindowMs?: number;
}

const clusterIdDigits = 20;

export function newMeta(
  wanted: WantedMeta & { readonly generation?: number },
  random: Random = systemRandom,
): StoredMeta {
  return {
    ...logHeader,
    requestShard: requestShardFunction,
    cluster: wanted.cluster ?? 'verdict',
    clusterId: random.token(clusterIdDigits),
    shards: wanted.shards ?? usualShards,
    requestWindowMs: wanted.requestWindowMs ?? usualRequestWindowMs,
    generation: wanted.generation ?? 0,
    txidSecret: newTxidSecret(random),
  };
}

/** Throws where a start asks for what the log was not made with. */
export function assertMadeWith(
  stored: Omit<LogMeta, 'txidSecret'>,
  wanted: WantedMeta,
  text: { readonly log: string; readonly otherwise: string },
): void {
  for (const name of ['cluster', 'shards', 'requestWindowMs'] as const) {
    const asked = wanted[name];
    if (asked === undefined || asked === stored[name]) continue;
    throw new DecisionLogError(
      `${text.log} was made with ${name} ${stored[name]}, which cannot change; ${asked} was asked for. Leave the option out, or start ${text.otherwise}.`,
    );
  }
}

/** What a shard's leader has under its fence, beside the records. */
export interface ShardState {
  readonly leader: LeaderInfo | null;
  /** The revision part of the newest epoch ever given out. */
  readonly epochRevision: number;
  readonly tick: number;
  readonly floor: Position;
  /** How many requests/ and finished/ keys there are. */
  readonly requests: number;
  readonly finished: number;
}

const shardStateZero: ShardState = {
  leader: null,
  epochRevision: 0,
  tick: 0,
  floor: positionZero,
  requests: 0,
  finished: 0,
};

export interface FinishedRecord {
  readonly outcome: Decision;
  readonly requestId?: string;
  /** Wall clock of the decision, for people. */
  readonly atMs: number;
  /** The shard's tick when it was finished: its age is counted from here. */
  readonly tick: number;
  readonly byHand?: readonly SettledByHand[];
}

/** What is left of a record when it is finished. */
export type KeptOfRecord = Pick<DecisionRecord, 'outcome' | 'requestId' | 'atMs' | 'byHand'>;

export function keptOf({ outcome, requestId, atMs, byHand }: KeptOfRecord): KeptOfRecord {
  return { outcome, atMs, ...defined({ requestId, byHand }) };
}

/** What is kept of a record that is finished: phase 2 needs no more. */
export function finishedRecord(record: KeptOfRecord, tick: number): FinishedRecord {
  return { ...keptOf(record), tick };
}

/** A record as a reading shows it: what phase 2 needed is gone with the move to finished/. */
export function recordRead(
  decision: DecisionRecord | null,
  finished: FinishedRecord | null,
): LogReading['record'] {
  const { byHand } = decision ?? finished ?? {};
  const more = defined({ byHand });
  if (decision !== null)
    return { outcome: decision.outcome, finished: false, record: decision, ...more };
  return finished && { outcome: finished.outcome, finished: true, record: null, ...more };
}

export function shardPrefix(area: 'decisions' | 'finished', shard: number): string {
  return `${area}/${shard.toString(36)}/`;
}

export function decisionKey(txid: Txid): string {
  return `${shardPrefix('decisions', shardOf(txid))}${txid}`;
}

export function finishedKey(txid: Txid): string {
  return `${shardPrefix('finished', shardOf(txid))}${txid}`;
}

export function requestKey(shard: number, requestId: string): string {
  return `requests/${shard.toString(36)}/${keyPart(requestId)}`;
}

/**
 * Below `retired/`, `bound/` and `rebound/`. The three parts of a resource never meet the two of an
 * instance.
 */
export function retiredPart(retired: Retired): string {
  const participant = keyPart(retired.participant);
  return 'instance' in retired
    ? `${participant}/${keyPart(retired.instance)}`
    : `${participant}/${keyPart(retired.sharedResource)}/shared`;
}

export function assertMayRetire(known: RetiredSet, retired: Retired): void {
  if (known.size < maxRetired || known.has(retired)) return;
  throw new DecisionLogError(
    `${maxRetired} instances are retired, and no more can be. Look at who retires them, and why their stores are lost.`,
  );
}

/** As it is written: nothing else of what an object may have. */
export function plainRetired(retired: Retired): Retired {
  const { participant } = retired;
  return 'instance' in retired
    ? { participant, instance: retired.instance }
    : { participant, sharedResource: retired.sharedResource };
}

export function retiredKey(retired: Retired): string {
  return `${retiredPrefix}${retiredPart(retired)}`;
}

function stateKey(shard: number): string {
  return `shards/${shard.toString(36)}`;
}

export function readMeta(keys: ReadableKeys): StoredMeta {
  return keys.get(metaKey) as StoredMeta;
}

export function readState(keys: ReadableKeys, shard: number): ShardState {
  return (keys.get(stateKey(shard)) as ShardState | undefined) ?? shardStateZero;
}

export function readWitness(keys: ReadableKeys): Witness {
  return { generation: readMeta(keys).generation, revision: String(readRevision(keys)) };
}

function readRevision(keys: ReadableKeys): number {
  return (keys.get(revisionKey) as number | undefined) ?? 0;
}

export function epochOfRevision(keys: ReadableKeys, revision: number): Epoch {
  return makeEpoch({ generation: readMeta(keys).generation, revision: BigInt(revision) });
}

/**
 * One transaction, shared by the operations of a batch. Shards' states are read once and written
 * once, and the revision goes up by one if anything was changed: as etcd's does, so that a store
 * set back to an older copy shows (section 6, restore).
 */
export class LogTransaction extends CountedKeys {
  readonly #states = new Map<number, ShardState>();
  readonly #changedStates = new Set<number>();
  #stateChanges = 0;
  #next: Witness | null = null;

  state(shard: number): ShardState {
    let state = this.#states.get(shard);
    if (state === undefined) {
      state = readState(this, shard);
      this.#states.set(shard, state);
    }
    return state;
  }

  change(shard: number, change: Partial<ShardState>): void {
    this.#stateChanges += 1;
    this.#states.set(shard, { ...this.state(shard), ...change });
    this.#changedStates.add(shard);
  }

  override get changes(): number {
    return super.changes + this.#stateChanges;
  }

  /** Where the log stands once this transaction is durable, by what it has changed so far. */
  witness(): Witness {
    if (this.changes === 0) return readWitness(this);
    this.#next ??= {
      generation: readMeta(this).generation,
      revision: String(readRevision(this) + 1),
    };
    return this.#next;
  }

  finish(): void {
    if (this.changes === 0) return;
    const revision = readRevision(this) + 1;
    for (const shard of this.#changedStates) this.put(stateKey(shard), this.state(shard));
    this.put(revisionKey, revision);
  }
}

export function inTransaction(
  keys: WritableKeys,
  body: (transaction: LogTransaction) => void,
): void {
  const transaction = new LogTransaction(keys);
  body(transaction);
  transaction.finish();
}
