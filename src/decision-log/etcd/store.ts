/**
 * One etcd as this process sees it: transactions with their time-outs, each answer held against the
 * witness, and an end: closed, or halted because etcd was set back.
 */
import { backoffMs } from '../../core/backoff.ts';
import { thrownText } from '../../core/thrown.ts';
import type { Clock } from '../../ports/clock.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { pause } from '../../system/pause.ts';
import type { EtcdClients } from './clients.ts';
import { hasWritten, type Txn, type TxnResult } from './requests.ts';
import { LogSetBackError, type WitnessKeeper } from './witness.ts';

/** How long a question is asked again before it is given up. */
export const patienceMs = 5_000;
const delays = { retryDelayMs: 20, maxRetryDelayMs: 500 };

export interface EtcdStoreOptions {
  readonly clients: EtcdClients;
  readonly witness: WitnessKeeper;
  readonly clock: Clock;
  readonly endpoints: readonly string[];
  readonly onFatal: (error: DecisionLogError) => void;
}

export class EtcdStore {
  readonly clients: EtcdClients;
  readonly witness: WitnessKeeper;
  readonly clock: Clock;
  readonly #endpoints: readonly string[];
  readonly #onFatal: (error: DecisionLogError) => void;
  readonly #ended = new AbortController();

  constructor(options: EtcdStoreOptions) {
    this.clients = options.clients;
    this.witness = options.witness;
    this.clock = options.clock;
    this.#endpoints = options.endpoints;
    this.#onFatal = options.onFatal;
  }

  /** Aborts once, with a DecisionLogError, when this store answers no one any more. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  end(reason: DecisionLogError): void {
    if (!this.#ended.signal.aborted) this.#ended.abort(reason);
  }

  /**
   * One attempt. Only a transaction's own response says what became of it: whatever it rejects
   * with, "no space" included, which etcd may say after it has applied, the fate is unknown.
   */
  async attempt(request: Txn): Promise<TxnResult> {
    this.#ended.signal.throwIfAborted();
    const known = this.witness.revision;
    const result = await this.clients.kv.call((client) => client.kv.txn(request));
    this.#ended.signal.throwIfAborted();
    const { cluster_id: clusterId, revision } = result.header;
    const wrote = hasWritten(result.responses);
    this.guard(() => this.witness.observe({ clusterId, revision }, { known, wrote }));
    return result;
  }

  /**
   * The identical transaction again and again until etcd answers: for reads, and for writes that
   * may happen twice. A read may be made anew for each attempt, the first being 1. Rejects with
   * DecisionLogError after `patienceMs`, or with the reason of `signal`.
   */
  async insist(
    request: Txn | ((attempt: number) => Txn),
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<TxnResult> {
    const giveUpAtMs = this.clock.monotonicMs() + patienceMs;
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await this.attempt(typeof request === 'function' ? request(attempts) : request);
      } catch (error) {
        this.#ended.signal.throwIfAborted();
        options.signal?.throwIfAborted();
        if (error instanceof DecisionLogError) throw error;
        if (this.clock.monotonicMs() >= giveUpAtMs) throw this.unreachable(error);
      }
      const pauseMs = backoffMs(attempts, delays);
      await this.pause(pauseMs, ...(options.signal ? [options.signal] : []));
    }
  }

  /** Ends early, by a throw, with the store or one of the signals. */
  pause(delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    return pause(this.clock, delayMs, this.#ended.signal, ...signals);
  }

  unreachable(cause: unknown): DecisionLogError {
    const last = thrownText(cause);
    return new DecisionLogError(
      `Etcd at ${this.#endpoints.join(', ')} gave no answer within ${patienceMs / 1_000} s; the last error: ${last}. Check that it runs, that a majority of its members is up, and that it is not full.`,
      { cause },
    );
  }

  /** Runs a check against the witness. Where etcd was set back, nothing is answered any more. */
  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof LogSetBackError && !this.#ended.signal.aborted) {
        this.#ended.abort(error);
        this.#onFatal(error);
      }
      throw error;
    }
  }
}
