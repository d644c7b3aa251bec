import type { LeaderInfo, Witness } from '../core/messages.ts';
import type { Epoch, Txid } from '../core/txid.ts';
import {
  type Collected,
  type CollectOptions,
  type DecideResult,
  DecisionLogError,
  type DecisionRecord,
  type DecisionWrite,
  type Leadership,
  LeadershipLostError,
  type PendingPage,
  type RequestEntry,
  type Settlement,
} from '../ports/decision-log.ts';
import type { ReadableKeys } from '../store/key-value.ts';
import { StoreFailedError } from '../store/store-failed.ts';
import { KnownDecisions } from './known-decisions.ts';
import type { LocalLog } from './local-log.ts';
import * as rules from './rules.ts';
import type { LogTransaction } from './state.ts';

const deposed = 'the leader key is no longer its own';

/** A leadership over a store in this process. Only the compare in the store ends it. */
export class LocalLeadership implements Leadership {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly tickMs: number;
  readonly #log: LocalLog;
  readonly #lost = new AbortController();
  readonly #unwatch: () => void;
  readonly #known = new KnownDecisions();
  #witness: Witness;
  #requests: number;

  constructor(
    log: LocalLog,
    won: {
      readonly leader: LeaderInfo;
      readonly witness: Witness;
      readonly requests: number;
      readonly tickMs: number;
    },
  ) {
    this.shard = won.leader.shard;
    this.epoch = won.leader.epoch;
    this.tickMs = won.tickMs;
    this.#log = log;
    this.#witness = won.witness;
    this.#requests = won.requests;
    this.#unwatch = log.watchLeaders((leaders) => {
      if (leaders[this.shard]?.epoch !== this.epoch) this.end(deposed);
    });
    // Another may have begun between the write that won and this.
    if (log.leaders()[this.shard]?.epoch !== this.epoch) this.end(deposed);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  isCertain(): boolean {
    return !this.#lost.signal.aborted && this.#log.leaders()[this.shard]?.epoch === this.epoch;
  }

  witness(): Witness {
    return this.#witness;
  }

  requestCount(): number {
    return this.#requests;
  }

  decide(write: DecisionWrite): Promise<DecideResult> {
    return this.#run((transaction) => rules.decide(transaction, this, write));
  }

  async finish(txids: readonly Txid[]): Promise<void> {
    try {
      await this.#run((transaction) => rules.finish(transaction, this, txids, this.#known));
    } finally {
      this.#known.moved(txids);
    }
  }

  async settle(settlement: Settlement): Promise<boolean> {
    try {
      return await this.#run((transaction) => rules.settle(transaction, this, settlement));
    } finally {
      this.#known.changed(settlement.txid);
    }
  }

  tick(byMs: number): Promise<number> {
    return this.#run((transaction) => rules.tick(transaction, this, byMs));
  }

  collect(options: CollectOptions): Promise<Collected> {
    return this.#run((transaction) => rules.collect(transaction, this, options));
  }

  readRequest(requestId: string): Promise<RequestEntry | null> {
    return this.#look((keys) => rules.readRequest(keys, this, requestId));
  }

  pending(page: PendingPage): Promise<readonly DecisionRecord[]> {
    return this.#look((keys) => {
      const records = rules.pending(keys, this, page);
      this.#known.saw(records);
      return records;
    });
  }

  async resign(): Promise<void> {
    // The right ends here, not when the key is gone: nothing is answered on its strength meanwhile.
    this.end('it was given up');
    await this.#log.run((transaction) => rules.releaseLeadership(transaction, this));
    this.#log.publishLeader(this.shard);
  }

  /** Marks the right as over. Harmless when repeated. */
  end(reason: string): void {
    if (this.#lost.signal.aborted) return;
    this.#unwatch();
    this.#lost.abort(
      new LeadershipLostError(
        `The leadership of shard ${this.shard} under epoch ${this.epoch} is over: ${reason}.`,
      ),
    );
  }

  async #run<T>(operation: (transaction: LogTransaction) => T): Promise<T> {
    try {
      const done = await this.#log.run((transaction) => {
        const value = operation(transaction);
        const { requests } = transaction.state(this.shard);
        return { value, requests, witness: transaction.witness() };
      });
      this.#requests = done.requests;
      this.#witness = done.witness;
      return done.value;
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  async #look<T>(body: (keys: ReadableKeys) => T): Promise<T> {
    try {
      return await this.#log.snapshot(body);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #failed(error: unknown): void {
    if (error instanceof LeadershipLostError || isStoreFailure(error)) {
      this.end('a write was refused, or the store failed');
    }
  }
}

function isStoreFailure(error: unknown): boolean {
  return error instanceof DecisionLogError && error.cause instanceof StoreFailedError;
}
