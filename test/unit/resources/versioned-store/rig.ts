/**
 * A versioned store on disk, on a clock that stands still, with transactions that are a few words
 * long.
 */
import type { Txid } from '../../../../src/core/txid.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';
import type { PrepareResult, Resource } from '../../../../src/ports/resource.ts';
import { VersionedStore } from '../../../../src/resources/versioned-store/store.ts';
import type { StoreTransaction } from '../../../../src/resources/versioned-store/work.ts';
import { temporaryDirectory, txidAt } from '../../../support/logs/stores.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';

const epoch = makeEpoch({ generation: 0, revision: 1n });

export class StoreRig {
  readonly clock: ManualClock = new ManualClock();
  readonly directory: ReturnType<typeof temporaryDirectory> = temporaryDirectory();
  store: VersionedStore;
  #sequence = 0;

  static async open(): Promise<StoreRig> {
    const rig = new StoreRig();
    await rig.reopen();
    return rig;
  }

  private constructor() {
    this.store = undefined as never;
  }

  async reopen(): Promise<void> {
    await (this.store as VersionedStore | undefined)?.close();
    this.store = await VersionedStore.open({
      dataDirectory: this.directory.path,
      clock: this.clock,
      lockWaitMs: 100,
      onFatal: (error) => {
        throw error;
      },
      initial: [
        { key: 'x', value: 10 },
        { key: 'y', value: 20 },
      ],
    });
  }

  async dispose(): Promise<void> {
    await this.store.close();
    this.directory.remove();
  }

  newTxid(): Txid {
    this.#sequence += 1;
    return txidAt(epoch, this.#sequence);
  }

  /** A branch whose payload is data. */
  data(payload: unknown): Branch {
    return new Branch(this.newTxid(), () => this.store.resource() as Resource, payload);
  }

  /** A branch that does this when it is prepared. */
  rules(work: (tx: StoreTransaction) => Promise<PrepareResult<unknown>>): Branch {
    return this.rulesOf(this.newTxid(), work);
  }

  rulesOf(txid: Txid, work: (tx: StoreTransaction) => Promise<PrepareResult<unknown>>): Branch {
    return new Branch(txid, () => this.store.resource((tx) => work(tx)) as Resource, null);
  }

  /** A branch that was enlisted, and its work. */
  async enlisted(readLocksUntil?: 'decision' | 'vote'): Promise<[Branch, StoreTransaction]> {
    const branch = this.data({ enlisted: true });
    const how = readLocksUntil === undefined ? {} : { readLocksUntil };
    const participant = { enlist: async () => ({ txid: branch.txid, branch: 'store' }) };
    return [branch, await this.store.enlist(participant, branch.txid, how)];
  }

  value(key: string): unknown {
    return this.store.read(key)?.value ?? null;
  }
}

export class Branch {
  readonly txid: Txid;
  /** Of the store that is open now. */
  readonly #resource: () => Resource;
  readonly #payload: unknown;
  readonly #controller = new AbortController();

  constructor(txid: Txid, resource: () => Resource, payload: unknown) {
    this.txid = txid;
    this.#resource = resource;
    this.#payload = payload;
  }

  async prepare(): Promise<PrepareResult<unknown>> {
    const { signal } = this.#controller;
    const working = (): void => undefined;
    return this.#resource().prepare({ ...this.#call(), signal, timeoutMs: 10_000, working });
  }

  async commit(): Promise<void> {
    await this.#resource().commit(this.#call());
  }

  async rollback(): Promise<void> {
    await this.#resource().rollback(this.#call());
  }

  #call() {
    return { txid: this.txid, branch: 'store', payload: this.#payload };
  }
}
