/** Whether a txid is of this log, for readers: few of them may read the secret that proves it. */
import { EtcdPermissionDeniedError } from 'etcd3';
import type { Txid } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { TxidSeal } from '../../system/txid-seal.ts';
import type { EtcdMeta } from './meta.ts';
import { found, get, type TxnResult } from './requests.ts';
import { secretOf } from './secret.ts';
import type { EtcdStore } from './store.ts';

export interface TxidProofOptions {
  readonly clusterId?: string | null;
  readonly operator?: boolean;
}

export class TxidProof {
  readonly #store: EtcdStore;
  readonly #meta: EtcdMeta;
  readonly #options: TxidProofOptions;
  /** Null: it may not be read. Of logs of before it is in `meta`, which every reader has. */
  #seal: Promise<TxidSeal | null> | null = null;

  constructor(store: EtcdStore, meta: EtcdMeta, options: TxidProofOptions) {
    this.#store = store;
    this.#meta = meta;
    this.#options = options;
  }

  async isIssued(txid: Txid): Promise<boolean | null> {
    this.#seal ??= this.#open().catch((error: unknown) => {
      this.#seal = null;
      throw error;
    });
    return (await this.#seal)?.isIssued(txid) ?? null;
  }

  /** No one's decision is forced, or presumed, on an id that this cluster never gave out. */
  async assertMayAsk(txid: Txid): Promise<void> {
    const { cluster } = this.#meta;
    const { clusterId = null, operator = false } = this.#options;
    const issued = await this.isIssued(txid);
    if (issued === false) {
      throw new DecisionLogError(
        `No leader of cluster ${cluster} ever gave out ${txid}. It is of another cluster or of an etcd that was made anew, or it is mistyped.`,
      );
    }
    if (issued || operator || clusterId !== null) return;
    throw new DecisionLogError(
      `Nothing shows that ${txid} is of the cluster ${cluster} in this etcd: no node has told the id of its cluster yet. Start a node, or ask again when one was reached.`,
    );
  }

  async #open(): Promise<TxidSeal | null> {
    const { txidSecret } = this.#meta;
    if (txidSecret !== null) return new TxidSeal(txidSecret);
    if (this.#options.operator !== true) return null;
    const result = await this.#readSecret();
    return result && new TxidSeal(secretOf(this.#meta, found(result.responses, 0)));
  }

  async #readSecret(): Promise<TxnResult | null> {
    const { keys } = this.#store;
    const request = { success: [get(keys.secret)] };
    try {
      return await this.#store.attempt(request);
    } catch (error) {
      if (error instanceof EtcdPermissionDeniedError) return null;
      return this.#store.insist(request);
    }
  }
}
