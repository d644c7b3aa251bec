/**
 * The DecisionLog port over a store in this process: shared by the memory log and the embedded one,
 * which bring a store each.
 */

import { isAhead } from '../core/judge.ts';
import type { LeaderInfo, NodeInfo, Witness } from '../core/messages.ts';
import { type Member, type Retired, retirementsOf } from '../core/retired.ts';
import { thrownText } from '../core/thrown.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import {
  type DecisionLog,
  DecisionLogError,
  type Leadership,
  LeadershipLostError,
  type LogMeta,
  type LogReading,
} from '../ports/decision-log.ts';
import { assertKeyFits, prefixRange, type ReadableKeys } from '../store/key-value.ts';
import { forOperator, isForOperator } from '../store/operator-error.ts';
import { Evidence } from './evidence.ts';
import type { LeaderBoard } from './leader-board.ts';
import { type LeadershipHost, LocalLeadership } from './local-leadership.ts';
import type { NodeBoard } from './node-board.ts';
import type { RetiredBoard } from './retired-board.ts';
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

/**
 * How many may wait for the store: no bound of its own. Decisions are bounded by the transactions
 * that a leader may have in memory (`maxTransactions`), and one that was refused here would cost it
 * the leadership. All else comes one at a time, or has its own bound (`LogReads`).
 */
export const maxLogOperations: number = Number.POSITIVE_INFINITY;

/** Where a local log keeps its keys. */
export interface LogStore {
  /**
   * In one transaction; durable when it resolves. Rejects with what the operation threw, or with
   * the store's failure, as `asLogError` has it.
   */
  run<T>(operation: (transaction: LogTransaction) => T): Promise<T>;
  /** On the newest durable state. */
  snapshot<T>(body: (keys: ReadableKeys) => T): T;
  /** After everything under way is done. */
  close(): Promise<void>;
}

export interface LocalLogOptions {
  readonly store: LogStore;
  readonly board: LeaderBoard;
  readonly nodes: NodeBoard;
  readonly retired: RetiredBoard;
  readonly meta: LogMeta;
  readonly node: string;
  readonly url: string;
  /** Take the shard from another node that leads it, instead of waiting until it is free. */
  readonly takeover: boolean;
  readonly clock: Clock;
}

export class LocalLog implements DecisionLog, LeadershipHost {
  readonly meta: LogMeta;
  readonly board: LeaderBoard;
  readonly #options: LocalLogOptions;
  readonly #closing = new AbortController();
  readonly #leaderships = new Set<LocalLeadership>();
  readonly #evidence = new Evidence();
  #closed: Promise<void> | null = null;

  constructor(options: LocalLogOptions) {
    this.#options = options;
    this.meta = options.meta;
    this.board = options.board;
    options.nodes.join({ node: options.node, url: options.url });
  }

  async campaign(
    shard: number,
    options: { readonly signal: AbortSignal; readonly tickMs?: number },
  ): Promise<Leadership> {
    this.#assertShard(shard);
    for (;;) {
      this.#assertOpen();
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
    this.#assertShard(shardOf(txid));
    return this.snapshot((keys) => ({ ...rules.read(keys, txid), ...refused(keys, asker) }));
  }

  async resolve(txid: Txid, asker?: Member, shown?: Witness): Promise<LogReading> {
    this.#assertShard(shardOf(txid));
    const atMs = this.#options.clock.wallMs();
    return this.run((transaction) => {
      const who = refused(transaction, asker);
      const now = rules.read(transaction, txid);
      const ahead = shown !== undefined && isAhead(shown, now.witness);
      if (who.retired === true || ahead) return { ...now, ...who };
      return { ...rules.resolve(transaction, { txid, atMs }), ...who };
    });
  }

  leaders(): readonly (LeaderInfo | null)[] {
    return this.board.leaders();
  }

  watchLeaders(listener: (leaders: readonly (LeaderInfo | null)[]) => void): () => void {
    return this.board.watch(listener);
  }

  leaderGone(leader: Pick<LeaderInfo, 'shard' | 'epoch'>): void {
    this.#evidence.add(leader);
  }

  nodes(): readonly NodeInfo[] {
    return this.#options.nodes.nodes();
  }

  watchNodes(listener: (nodes: readonly NodeInfo[]) => void): () => void {
    return this.#options.nodes.watch(listener);
  }

  async retire(retired: Retired): Promise<void> {
    const key = assertKeyFits(retiredKey(retired));
    assertMayRetire(this.#options.retired.known, retired);
    await this.run((transaction) => transaction.put(key, plainRetired(retired)));
    this.#options.retired.publish([retired]);
  }

  async retired(): Promise<readonly Retired[]> {
    const all = await this.snapshot((keys) =>
      keys
        .range({ ...prefixRange(retiredPrefix), limit: maxRetired })
        .map(([, value]) => value as Retired),
    );
    this.#options.retired.publish(all);
    return all;
  }

  watchRetired(listener: (retired: Retired) => void): () => void {
    return this.#options.retired.watch(listener);
  }

  run<T>(operation: (transaction: LogTransaction) => T): Promise<T> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    return this.#options.store.run(operation);
  }

  async snapshot<T>(body: (keys: ReadableKeys) => T): Promise<T> {
    this.#assertOpen();
    try {
      return this.#options.store.snapshot(body);
    } catch (error) {
      throw asLogError(error);
    }
  }

  publishLeader(shard: number): void {
    const leader = this.#options.store.snapshot((keys) => readState(keys, shard).leader);
    this.board.publish(shard, leader);
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
    this.#options.nodes.leave(this.#options.node);
    await this.#options.store.close();
  }

  async #tryLead(shard: number, tickMs: number): Promise<LocalLeadership | null> {
    const { node, url, takeover } = this.#options;
    const overtakes = (leader: LeaderInfo) => takeover || this.#evidence.against(leader);
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
    const before = this.board.leaders()[shard]?.epoch;
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // No one may be waiting for it when it rejects.
    promise.catch(() => undefined);
    const onEnd = (): void => reject(ended.reason);
    ended.addEventListener('abort', onEnd);
    const unwatch = this.board.watch((leaders) => {
      if (leaders[shard]?.epoch !== before) resolve();
    });
    const ignore = this.#evidence.watch((about) => {
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

  #assertShard(shard: number): void {
    if (Number.isInteger(shard) && shard >= 0 && shard < this.meta.shards) return;
    throw new DecisionLogError(
      `There is no shard ${shard}: cluster ${this.meta.cluster} has ${this.meta.shards}. The txid is of another cluster, or wrong.`,
    );
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }
}

function refused(keys: ReadableKeys, asker: Member | undefined): { readonly retired?: boolean } {
  if (asker === undefined) return {};
  return { retired: retirementsOf(asker).some((one) => keys.get(retiredKey(one)) !== undefined) };
}

function closedError(): DecisionLogError {
  return new DecisionLogError('The decision log is closed. Open it again to use it.');
}

/** An error of a store's operation as the port's callers know them. */
export function asLogError(error: unknown): unknown {
  if (error instanceof LeadershipLostError || error instanceof DecisionLogError) return error;
  if (error instanceof RangeError) return error;
  const text = thrownText(error);
  if (isForOperator(error)) return forOperator(new DecisionLogError(text));
  return new DecisionLogError(text, { cause: error });
}
