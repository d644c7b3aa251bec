/**
 * What a store of decisions holds, and one transaction on it. The keys mirror those of etcd
 * (docs/PROTOCOL.md, section 4).
 */
import type { Decision, LeaderInfo, Witness } from '../core/messages.ts';
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
import { DecisionLogError, type LogMeta } from '../ports/decision-log.ts';
import { CountedKeys } from '../store/counted-keys.ts';
import { keyPart, type ReadableKeys } from '../store/key-value.ts';
import { metaKey } from '../store/store-format.ts';
import { systemRandom } from '../system/random.ts';

/** The format that this program writes, and the newest that it reads. */
export const logHeader = { kind: 'verdict decision log', formatVersion: 1 } as const;

export const requestWindowMsDefault = 120_000;
const revisionKey = 'revision';
export const retiredPrefix = 'retired/';
/** Of all participants: rare, bounded all the same, since every node reads all of them. */
export const maxRetired = 100_000;

export interface StoredMeta extends LogMeta {
  readonly kind: typeof logHeader.kind;
  /** Which function takes a request id to its shard. */
  readonly requestShard: string;
}

export const clusterIdDigits = 20;

/** The meta of a new store. */
export function newMeta(wanted: {
  readonly cluster?: string;
  readonly shards?: number;
  readonly requestWindowMs?: number;
  readonly generation?: number;
  readonly txidSecret: string;
}): StoredMeta {
  return {
    ...logHeader,
    requestShard: requestShardFunction,
    cluster: wanted.cluster ?? 'verdict',
    clusterId: systemRandom.token(clusterIdDigits),
    shards: wanted.shards ?? 1,
    requestWindowMs: wanted.requestWindowMs ?? requestWindowMsDefault,
    generation: wanted.generation ?? 0,
    txidSecret: wanted.txidSecret,
  };
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

/** Below `retired/`. The three parts of a resource never meet the two of an instance. */
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
  /** Once something was changed. */
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

  /** Writes what was gathered. The last call on it. */
  finish(): void {
    if (this.changes === 0) return;
    const revision = readRevision(this) + 1;
    for (const shard of this.#changedStates) this.put(stateKey(shard), this.state(shard));
    this.put(revisionKey, revision);
  }
}
