/**
 * Transactions under a leadership's fence (I6): each compares the leader key's mod revision and
 * value outside, so that it does nothing once another leads.
 *
 * - A write whose reply is lost is sent again, identical, until etcd says what became of it: the
 *   interleaving to fear is a reply lost *after* the write was applied, where giving up would
 *   answer "aborted" to a commit that stands.
 * - One that stays unknown for `patienceMs` ends the leadership. READY has no other end: the
 *   transaction waits for the log alone, and a node that cannot reach the log must let another one
 *   lead.
 */
import { backoffMs } from '../../core/backoff.ts';
import { DecisionLogError, LeadershipLostError } from '../../ports/decision-log.ts';
import type { ShardKeys } from './keys.ts';
import { fence, type ObservedLeader } from './leader-key.ts';
import { type Compare, found, get, type Op, type Txn, type TxnResult } from './requests.ts';
import { type EtcdStore, patienceMs } from './store.ts';

const delays = { retryDelayMs: 20, maxRetryDelayMs: 250 };

export interface FencedRequest {
  /** Beside the fence. */
  readonly compare?: readonly Compare[];
  readonly success: readonly Op[];
  /** After the leader key, which is always read first. */
  readonly failure?: readonly Op[];
}

export interface FencedResult extends TxnResult {
  /** 1: the first reply was the answer. Above: an earlier attempt may have been applied. */
  readonly attempts: number;
}

export class Fenced {
  readonly keys: ShardKeys;
  readonly store: EtcdStore;
  readonly #held: ObservedLeader;
  readonly #fence: readonly Compare[];
  readonly #lost: AbortSignal;
  /** Ends the leadership. */
  readonly #end: (reason: string) => void;

  constructor(options: {
    readonly store: EtcdStore;
    readonly keys: ShardKeys;
    readonly held: ObservedLeader;
    readonly lost: AbortSignal;
    readonly end: (reason: string) => void;
  }) {
    this.store = options.store;
    this.keys = options.keys;
    this.#held = options.held;
    this.#fence = fence(options.keys, options.held);
    this.#lost = options.lost;
    this.#end = options.end;
  }

  /**
   * Resolves with etcd's answer, which may be that a compare of the request's own failed. Rejects
   * with LeadershipLostError: what was sent then has an unknown fate.
   */
  async write(request: FencedRequest): Promise<FencedResult> {
    const { store } = this;
    const txn = this.#txn(request);
    const giveUp = store.clock.setTimer(patienceMs, () =>
      this.#end(`etcd did not say within ${patienceMs / 1_000} s what became of a write`),
    );
    try {
      for (let attempts = 1; ; attempts += 1) {
        this.assertHeld();
        try {
          return { ...this.#stillHeld(await this.#unlessLost(store.attempt(txn))), attempts };
        } catch (error) {
          this.assertHeld();
          if (error instanceof DecisionLogError || error instanceof LeadershipLostError)
            throw error;
        }
        await store.pause(backoffMs(attempts, delays), this.#lost);
      }
    } finally {
      giveUp.cancel();
    }
  }

  /** Linearizable, only while the leadership stands. `success` may be made for each attempt. */
  async read(success: readonly Op[] | ((attempt: number) => readonly Op[])): Promise<TxnResult> {
    this.assertHeld();
    const txn = (attempt: number): Txn =>
      this.#txn({ success: typeof success === 'function' ? success(attempt) : success });
    return this.#stillHeld(await this.#unlessLost(this.store.insist(txn, { signal: this.#lost })));
  }

  /** A closed log says so before it says that its leaderships are over. */
  assertHeld(): void {
    this.store.ended.throwIfAborted();
    this.#lost.throwIfAborted();
  }

  #txn(request: FencedRequest): Txn {
    return {
      compare: [...this.#fence, ...(request.compare ?? [])],
      success: [...request.success],
      failure: [get(this.keys.leader), ...(request.failure ?? [])],
    };
  }

  /** Rejects as soon as the leadership ends. A reply that comes later is dropped. */
  async #unlessLost<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(this.#lost.reason);
    this.#lost.addEventListener('abort', stop);
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.#lost.removeEventListener('abort', stop);
    }
  }

  #stillHeld(result: TxnResult): TxnResult {
    if (result.succeeded) return result;
    const leader = found(result.responses, 0);
    const ours =
      leader?.mod_revision === this.#held.modRevision && leader.value.equals(this.#held.value);
    if (!ours) {
      this.#end('the leader key is no longer its own');
      this.#lost.throwIfAborted();
    }
    return result;
  }
}
