/** What a cluster keeps in etcd, read from outside: who leads, and everything that was decided. */
import {
  type Epoch,
  makeEpoch,
  type Position,
  positionZero,
  type Txid,
} from '../../src/core/txid.ts';
import type { EtcdAccess } from '../../src/decision-log/etcd/client.ts';
import { connectEtcd, type EtcdClients } from '../../src/decision-log/etcd/clients.ts';
import { EtcdKeys, type KeyRange, keyAfter } from '../../src/decision-log/etcd/keys.ts';
import {
  decodeDecision,
  decodeFinished,
  decodeLeader,
  decodePosition,
} from '../../src/decision-log/etcd/records.ts';
import type { KeyValue } from '../../src/decision-log/etcd/requests.ts';
import { systemClock } from '../../src/system/clock.ts';
import { systemRandom } from '../../src/system/random.ts';

export interface LoggedOutcome {
  readonly txid: Txid;
  readonly outcome: 'commit' | 'abort';
  readonly requestId?: string;
}

export interface LoggedOutcomes {
  /** Recorded, and not acknowledged by every branch yet. */
  readonly decisions: readonly LoggedOutcome[];
  readonly finished: readonly LoggedOutcome[];
  readonly floor: Position;
}

export interface SeenLeader {
  readonly node: string;
  readonly epoch: Epoch;
}

const pageKeys = 2_000;

export class EtcdContents {
  readonly #clients: EtcdClients;
  readonly #keys: EtcdKeys;

  constructor(
    options: Pick<EtcdAccess, 'endpoints' | 'auth' | 'tls'> & { readonly cluster: string },
  ) {
    const { cluster, ...access } = options;
    this.#clients = connectEtcd({ ...access, clock: systemClock, random: systemRandom });
    this.#keys = new EtcdKeys(cluster);
  }

  async leader(shard = 0): Promise<SeenLeader | null> {
    const { kvs } = await this.#range({ key: this.#keys.shard(shard).leader });
    const [kv] = kvs;
    if (kv === undefined) return null;
    const { node, generation } = decodeLeader(kv.value);
    return { node, epoch: makeEpoch({ generation, revision: BigInt(kv.mod_revision) }) };
  }

  /** One shard, at one revision. */
  async outcomes(shard = 0): Promise<LoggedOutcomes> {
    const keys = this.#keys.shard(shard);
    const { header, kvs } = await this.#range({ key: keys.floor });
    const revision = header.revision;
    const [floor] = kvs;
    const decisions = await this.#all(keys.decisions, revision);
    const finished = await this.#all(keys.finished, revision);
    return {
      decisions: decisions.map(({ value }) => decodeDecision(value)),
      finished: finished.map(({ key, value }) => ({
        ...decodeFinished(value),
        txid: key.toString().slice(keys.finished.key.length) as Txid,
      })),
      floor: floor === undefined ? positionZero : decodePosition(floor.value),
    };
  }

  close(): void {
    this.#clients.close();
  }

  async #all(range: KeyRange, revision: string): Promise<readonly KeyValue[]> {
    const found: KeyValue[] = [];
    for (let from = range.key; ; ) {
      const { kvs, more } = await this.#range({ ...range, key: from, limit: pageKeys, revision });
      found.push(...kvs);
      const last = kvs.at(-1);
      if (!more || last === undefined) return found;
      from = keyAfter(last.key);
    }
  }

  #range(request: Partial<KeyRange> & { limit?: number; revision?: string }) {
    return this.#clients.kv.call((client) => client.kv.range(request));
  }
}
