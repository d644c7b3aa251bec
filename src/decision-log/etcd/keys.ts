/** Where everything is in etcd: docs/PROTOCOL.md, section 4. */
import type { Claim } from '../../core/claims.ts';
import type { Retired } from '../../core/retired.ts';
import type { Txid } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { assertKeyFits, keyPart } from '../../store/key-value.ts';
import { retiredPart } from '../state.ts';

export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

const clustersPrefix = '/verdict/';
const clusterPattern = /^[A-Za-z0-9._-]{1,64}$/;

export class EtcdKeys {
  readonly meta: Buffer;
  /** The key of txids, which nodes alone may read. */
  readonly secret: Buffer;
  readonly nodes: KeyRange;
  readonly retired: KeyRange;
  readonly rebound: KeyRange;
  /** Says nothing but when something was retired or rebound last. */
  readonly retirements: Buffer;
  readonly everything: KeyRange;
  readonly #prefix: string;

  constructor(cluster: string) {
    if (!clusterPattern.test(cluster)) {
      throw new DecisionLogError(
        `The cluster name ${JSON.stringify(cluster)} cannot be used: take 1 to 64 letters, digits, dots, dashes and underscores.`,
      );
    }
    this.#prefix = `${clustersPrefix}${cluster}/`;
    this.meta = this.#key('meta');
    this.secret = this.#key('issuing-secret');
    this.nodes = prefixKeys(`${this.#prefix}nodes/`);
    this.retired = prefixKeys(`${this.#prefix}retired/`);
    this.rebound = prefixKeys(`${this.#prefix}rebound/`);
    this.retirements = this.#key('retirements');
    this.everything = prefixKeys(this.#prefix);
  }

  node(node: string): Buffer {
    return this.#key(`nodes/${node}`);
  }

  retiredOne(retired: Retired): Buffer {
    return this.#key(`retired/${retiredPart(retired)}`);
  }

  boundOne(claim: Claim): Buffer {
    return this.#key(`bound/${retiredPart(claim)}`);
  }

  /** All of its participant's. */
  boundOf({ participant }: Claim): KeyRange {
    return prefixKeys(`${this.#prefix}bound/${keyPart(participant)}/`);
  }

  /** Counted alone: what of the participant's an identity holds. */
  heldOne(claim: Claim, identity: string): Buffer {
    return this.#key(`held/${keyPart(identity)}/${retiredPart(claim)}`);
  }

  heldBy({ participant }: Claim, identity: string): KeyRange {
    return prefixKeys(`${this.#prefix}held/${keyPart(identity)}/${keyPart(participant)}/`);
  }

  reboundOne(claim: Claim): Buffer {
    return this.#key(`rebound/${retiredPart(claim)}`);
  }

  shard(shard: number): ShardKeys {
    return new ShardKeys(`${this.#prefix}shards/${shard.toString(36)}/`);
  }

  #key(rest: string): Buffer {
    return Buffer.from(assertKeyFits(this.#prefix + rest));
  }
}

export class ShardKeys {
  readonly leader: Buffer;
  readonly floor: Buffer;
  readonly clock: Buffer;
  /** Says nothing and is read by no one: see `writeBatch`. */
  readonly quota: Buffer;
  readonly decisions: KeyRange;
  readonly finished: KeyRange;
  readonly requests: KeyRange;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.leader = Buffer.from(`${prefix}leader`);
    this.floor = Buffer.from(`${prefix}floor`);
    this.clock = Buffer.from(`${prefix}clock`);
    this.quota = Buffer.from(`${prefix}quota`);
    this.decisions = prefixKeys(`${prefix}decisions/`);
    this.finished = prefixKeys(`${prefix}finished/`);
    this.requests = prefixKeys(`${prefix}requests/`);
  }

  decision(txid: Txid): Buffer {
    return Buffer.from(`${this.#prefix}decisions/${txid}`);
  }

  finishedRecord(txid: Txid): Buffer {
    return Buffer.from(`${this.#prefix}finished/${txid}`);
  }

  request(requestId: string): Buffer {
    return Buffer.from(assertKeyFits(`${this.#prefix}requests/${keyPart(requestId)}`));
  }
}

/** All keys that begin with `prefix`, which ends in a slash. */
function prefixKeys(prefix: string): KeyRange {
  return { key: Buffer.from(prefix), range_end: Buffer.from(`${prefix.slice(0, -1)}0`) };
}

/** Of every cluster. */
export const clustersKeys: KeyRange = prefixKeys(clustersPrefix);

export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}
