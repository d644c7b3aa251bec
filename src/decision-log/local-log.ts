/** The DecisionLog port over a store in this process, in memory or embedded. */
import type { Claim } from '../core/claims.ts';
import type { LogFigures } from '../core/log-figures.ts';
import type { LeaderInfo, Witness } from '../core/messages.ts';
import type { Member, Retired } from '../core/retired.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  CampaignOptions,
  DecisionLog,
  Leadership,
  LogMeta,
  LogReading,
} from '../ports/decision-log.ts';
import { assertKeyFits, prefixRange, type ReadableKeys } from '../store/key-value.ts';
import * as bindings from './bindings.ts';
import { LogOnBoards } from './boards.ts';
import { LocalLeadership } from './local-leadership.ts';
import type { LocalStore } from './local-store.ts';
import { asLogError, assertShard, closedError } from './log-errors.ts';
import * as rules from './rules.ts';
import {
  assertMayRetire,
  type LogTransaction,
  maxRetired,
  plainRetired,
  readState,
  retiredKey,
  retiredPrefix,
} from './state.ts';

export interface LocalLogOptions {
  readonly store: LocalStore;
  readonly node: string;
  readonly url: string;
  /** Take the shard from another node that leads it, instead of waiting until it is free. */
  readonly takeover: boolean;
  readonly clock: Clock;
}

export class LocalLog extends LogOnBoards implements DecisionLog {
  readonly meta: LogMeta;
  readonly #options: LocalLogOptions;
  readonly #store: LocalStore;
  readonly #closing = new AbortController();
  readonly #leaderships = new Set<LocalLeadership>();
  #closed: Promise<void> | null = null;

  constructor(options: LocalLogOptions) {
    const { store, node, url } = options;
    super(store);
    this.#options = options;
    this.#store = store;
    this.meta = store.meta;
    this.nodeBoard.join({ node, url });
  }

  get figures(): LogFigures {
    return this.#store.figures;
  }

  async campaign(shard: number, options: CampaignOptions): Promise<Leadership> {
    assertShard(this.meta, shard);
    for (;;) {
      this.#closing.signal.throwIfAborted();
      options.signal.throwIfAborted();
      // Listening begins before the look, so that a change in between is not missed.
      const change = this.#nextChange(shard, options.signal);
      try {
        const leadership = await this.#tryLead(shard, options.tickMs ?? 0);
        if (leadership === null) {
          await change.happened;
          continue;
        }
        if (options.signal.aborted) {
          await leadership.resign();
          options.signal.throwIfAborted();
        }
        return leadership;
      } finally {
        change.forget();
      }
    }
  }

  async read(txid: Txid, asker?: Member): Promise<LogReading> {
    assertShard(this.meta, shardOf(txid));
    return this.snapshot((keys) => rules.read(keys, txid, asker));
  }

  async resolve(txid: Txid, asker?: Member, shown?: Witness): Promise<LogReading> {
    assertShard(this.meta, shardOf(txid));
    const atMs = this.#options.clock.wallMs();
    return this.run((transaction) => rules.resolve(transaction, { txid, asker, shown, atMs }));
  }

  async retire(retired: Retired): Promise<void> {
    const key = assertKeyFits(retiredKey(retired));
    assertMayRetire(this.retiredBoard.known, retired);
    await this.run((transaction) => {
      transaction.put(key, plainRetired(retired));
      bindings.free(transaction, retired);
    });
    this.retiredBoard.publish([retired]);
  }

  async retired(): Promise<readonly Retired[]> {
    const all = await this.snapshot((keys) =>
      keys
        .range({ ...prefixRange(retiredPrefix), limit: maxRetired })
        .map(([, value]) => value as Retired),
    );
    this.retiredBoard.publish(all);
    return all;
  }

  async bind(claim: Claim, identity: string, max?: number): Promise<string> {
    return (await this.bindAll([claim], identity, max))[0] ?? identity;
  }

  /** Always a transaction: what a snapshot shows may not be durable yet. */
  async bindAll(
    claims: readonly Claim[],
    identity: string,
    max: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly (string | null)[]> {
    for (const claim of claims) bindings.assertNamed(claim);
    return this.run((transaction) => bindings.bindAll(transaction, claims, { identity, max }));
  }

  async holderOf(claim: Claim): Promise<string | null> {
    bindings.assertNamed(claim);
    return this.run((transaction) => bindings.holderOf(transaction, claim));
  }

  async rebind(claim: Claim, identity: string): Promise<void> {
    bindings.assertNamed(claim);
    if (!this.reboundBoard.has({ claim })) bindings.assertMayRebind(this.reboundBoard.size);
    await this.run((transaction) => bindings.rebind(transaction, claim, identity));
    this.reboundBoard.publish([{ claim, identity }]);
  }

  run<T>(operation: (transaction: LogTransaction) => T): Promise<T> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    return this.#store.run(operation);
  }

  async snapshot<T>(body: (keys: ReadableKeys) => T): Promise<T> {
    this.#closing.signal.throwIfAborted();
    try {
      return this.#store.snapshot(body);
    } catch (error) {
      throw asLogError(error);
    }
  }

  publishLeader(shard: number): void {
    const leader = this.#store.snapshot((keys) => readState(keys, shard).leader);
    this.leaderBoard.publish(shard, leader);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // A store that failed cannot take the release; the next start takes the leadership over.
    const resigned = [...this.#leaderships].map((leadership) => leadership.resign());
    this.#closing.abort(closedError());
    await Promise.allSettled(resigned);
    this.nodeBoard.leave(this.#options.node);
    await this.#store.close();
  }

  async #tryLead(shard: number, tickMs: number): Promise<LocalLeadership | null> {
    const { node, url, takeover } = this.#options;
    const overtakes = (leader: LeaderInfo) => takeover || this.evidence.against(leader);
    const won = await this.run((transaction) => {
      const leader = rules.takeLeadership(transaction, { shard, node, url, overtakes });
      const { requests } = transaction.state(shard);
      return leader === null ? null : { leader, requests, witness: transaction.witness() };
    });
    if (won === null) return null;
    // Published first: it ends the leadership that was there before.
    this.publishLeader(shard);
    const leadership = new LocalLeadership(this, { ...won, tickMs });
    this.#leaderships.add(leadership);
    leadership.lost.addEventListener('abort', () => this.#leaderships.delete(leadership));
    return leadership;
  }

  /** Resolves when the shard's leader changes or is known to be gone; rejects at the end. */
  #nextChange(shard: number, signal: AbortSignal): { happened: Promise<void>; forget(): void } {
    const before = this.leaders()[shard]?.epoch;
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // No one may be waiting for it when it rejects.
    promise.catch(() => undefined);
    const onEnd = (): void => reject(ended.reason);
    ended.addEventListener('abort', onEnd);
    const unwatch = this.watchLeaders((leaders) => {
      if (leaders[shard]?.epoch !== before) resolve();
    });
    const ignore = this.evidence.watch((about) => {
      if (about === shard) resolve();
    });
    return {
      happened: promise,
      forget(): void {
        unwatch();
        ignore();
        ended.removeEventListener('abort', onEnd);
      },
    };
  }
}
