/**
 * Transactions under I6, the fence: each compares the leader key's mod revision and value outside,
 * so that it does nothing once another leads.
 *
 * - A write whose reply is lost is sent again, identical, until etcd says what became of it: the
 *   interleaving to fear is a reply lost *after* the write was applied, where giving up would
 *   answer "aborted" to a commit that stands.
 * - One that stays unknown for `patienceMs` ends the leadership. READY has no other end: the
 *   transaction waits for the log alone, and another node must be able to lead.
 */
import type { LogOperation } from '../../core/log-figures.ts';
import type { ShardKeys } from './keys.ts';
import { fence, type ObservedLeader } from './leader-key.ts';
import { type Compare, found, get, type Op, type Txn } from './requests.ts';
import { type EtcdStore, type InsistedResult, patienceMs } from './store.ts';

export interface FencedRequest {
  /** Beside the fence. */
  readonly compare?: readonly Compare[];
  readonly success: readonly Op[];
  /** After the leader key, which is always read first. */
  readonly failure?: readonly Op[];
  /** As what it is timed and counted. Default: `other`. */
  readonly operation?: LogOperation;
}

export class Fenced {
  readonly keys: ShardKeys;
  readonly store: EtcdStore;
  readonly #held: ObservedLeader;
  readonly #fence: readonly Compare[];
  readonly #lost: AbortSignal;
  readonly #end: (reason: string) => void;

  constructor(options: {
    readonly store: EtcdStore;
    readonly held: ObservedLeader;
    readonly lost: AbortSignal;
    readonly end: (reason: string) => void;
  }) {
    const { store, held } = options;
    this.store = store;
    this.keys = store.keys.shard(held.info.shard);
    this.#held = held;
    this.#fence = fence(this.keys, held);
    this.#lost = options.lost;
    this.#end = options.end;
  }

  /**
   * Resolves with etcd's answer, which may be that a compare of the request's own failed. Rejects
   * with LeadershipLostError: what was sent then has an unknown fate.
   */
  async write(request: FencedRequest): Promise<InsistedResult> {
    const giveUp = this.store.clock.setTimer(patienceMs, () =>
      this.#end(`etcd did not say within ${patienceMs / 1_000} s what became of a write`),
    );
    try {
      const { operation = 'other' } = request;
      return await this.#insist(this.#txn(request), {
        forMs: Number.POSITIVE_INFINITY,
        operation,
      });
    } finally {
      giveUp.cancel();
    }
  }

  /** Linearizable, only while the leadership stands. `success` may be made for each attempt. */
  read(success: readonly Op[] | ((attempt: number) => readonly Op[])): Promise<InsistedResult> {
    const txn = (attempt: number): Txn =>
      this.#txn({ success: typeof success === 'function' ? success(attempt) : success });
    return this.#insist(txn, { forMs: patienceMs, operation: 'read' });
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
  async #insist(
    txn: Parameters<EtcdStore['insist']>[0],
    options: { readonly forMs: number; readonly operation: LogOperation },
  ): Promise<InsistedResult> {
    this.assertHeld();
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(this.#lost.reason);
    this.#lost.addEventListener('abort', stop);
    try {
      const answer = this.store.insist(txn, { signal: this.#lost, ...options });
      return this.#stillHeld(await Promise.race([answer, promise]));
    } catch (error) {
      this.assertHeld();
      throw error;
    } finally {
      this.#lost.removeEventListener('abort', stop);
    }
  }

  #stillHeld(result: InsistedResult): InsistedResult {
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
