/**
 * One etcd as this process sees it, with each answer held against the witness, until it is closed
 * or halted because etcd was set back.
 */
import { backoffMs } from '../../core/backoff.ts';
import { LogFigures, type LogOperation } from '../../core/log-figures.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { Clock } from '../../ports/clock.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { type Logger, silentLogger } from '../../ports/logger.ts';
import type { DurableFiles } from '../../store/durable-file.ts';
import { pause } from '../../system/pause.ts';
import { closedError } from '../log-errors.ts';
import { accountRefusal } from './account.ts';
import type { EtcdAccess } from './client.ts';
import { connectEtcd, type EtcdClients } from './clients.ts';
import { DecisionReads } from './decision-reads.ts';
import { etcdErrorText, inWords } from './error-text.ts';
import { EtcdKeys } from './keys.ts';
import type { SeenMeta } from './meta.ts';
import type { WantedPart } from './part.ts';
import { assertNotSetBack, quarantine } from './quarantine.ts';
import { hasWritten, type Txn, type TxnResult } from './requests.ts';
import { LogSetBackError, WitnessKeeper } from './witness.ts';

/** How long a question is asked again before it is given up. */
export const patienceMs = 5_000;
/** How long a process that halts tries to mark the log; its supervisor may be waiting. */
const haltMs = 3_000;
const delays = { retryDelayMs: 20, maxRetryDelayMs: 250 };

export interface EtcdStoreOptions extends EtcdAccess {
  readonly cluster: string;
  /** Default: the whole log is there. */
  readonly part?: WantedPart | null;
  /** Where a node keeps what etcd has shown, beyond the process. Default: it is no node. */
  readonly witnessPath?: string;
  readonly node?: string;
  readonly files?: DurableFiles;
  readonly logger?: Logger;
  /** What several stores of one log count in together. Default: its own. */
  readonly figures?: LogFigures;
  /** Called once, when etcd was set back. */
  readonly onFatal?: (error: DecisionLogError) => void;
}

export interface InsistedResult extends TxnResult {
  /** 1: the first reply was the answer. Above: an earlier attempt may have been applied. */
  readonly attempts: number;
}

export class EtcdStore {
  readonly keys: EtcdKeys;
  readonly clients: EtcdClients;
  readonly witness: WitnessKeeper;
  readonly reads: DecisionReads = new DecisionReads(this);
  readonly clock: Clock;
  readonly logger: Logger;
  readonly figures: LogFigures;
  readonly part: WantedPart | null;
  readonly #options: EtcdStoreOptions;
  readonly #ended = new AbortController();
  #halting: Promise<void> = Promise.resolve();
  #refusal: string | null = null;

  constructor(options: EtcdStoreOptions) {
    const { cluster, clock, logger = silentLogger, witnessPath: path = null } = options;
    this.#options = options;
    this.clock = clock;
    this.logger = logger;
    this.figures = options.figures ?? new LogFigures();
    this.part = options.part ?? null;
    this.keys = new EtcdKeys(cluster);
    this.clients = connectEtcd(options);
    const failed = (error: Error): void =>
      logger.error({ error: thrownLine(error) }, error.message);
    this.witness = new WitnessKeeper({ ...options, path, failed });
  }

  /**
   * From now on every answer is held against what the first one has shown. Rejects where that one
   * shows less than the process before has seen, and where the log is marked as set back. The mark
   * does not stop who keeps no file: an operator's command is one, and takes the mark away.
   */
  async begin({ meta, header: { cluster_id: clusterId, revision } }: SeenMeta): Promise<void> {
    const { generation, clusterId: log } = meta;
    try {
      // Its own evidence comes first: it may know more than the one who marked the log.
      this.witness.begin({ clusterId, generation, revision, log });
      if (this.#options.witnessPath !== undefined) assertNotSetBack(meta);
    } catch (error) {
      if (error instanceof LogSetBackError) await this.#halt(error);
      throw error;
    }
  }

  /** Aborts once, with a DecisionLogError, when this store answers no one any more. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Why etcd refuses this process, as it said last; null: it does not. */
  get refusal(): string | null {
    return this.#refusal;
  }

  async close(): Promise<void> {
    if (!this.ended.aborted) this.#ended.abort(closedError());
    await this.#halting.catch(() => undefined);
    await this.witness.close();
    this.clients.close();
  }

  /**
   * One attempt. Only a transaction's own response says what became of it: whatever it rejects
   * with, "no space" included, which etcd may say after it has applied, the fate is unknown.
   */
  async attempt(request: Txn, operation: LogOperation = 'other'): Promise<TxnResult> {
    this.ended.throwIfAborted();
    const known = this.witness.revision;
    const result = await this.#timed(request, operation);
    this.ended.throwIfAborted();
    this.#refusal = null;
    const { cluster_id: clusterId, revision } = result.header;
    const wrote = hasWritten(result.responses);
    this.guard(() => this.witness.observe({ clusterId, revision }, { known, wrote }));
    return result;
  }

  async #timed(request: Txn, operation: LogOperation): Promise<TxnResult> {
    const figures = this.figures.operations[operation];
    const startMs = this.clock.monotonicMs();
    try {
      const result = await this.clients.kv.call((client) => client.kv.txn(request));
      figures.latency.record(this.clock.monotonicMs() - startMs);
      return result;
    } catch (error) {
      figures.failures += 1;
      throw error;
    }
  }

  /**
   * The identical transaction again and again until etcd answers: for reads, and for writes that
   * may happen twice. A read may be made anew for each attempt, the first being 1. Rejects with
   * DecisionLogError after `forMs`, or with the reason of `signal`.
   */
  async insist(
    request: Txn | ((attempt: number) => Txn),
    options: {
      readonly signal?: AbortSignal;
      readonly forMs?: number;
      readonly operation?: LogOperation;
    } = {},
  ): Promise<InsistedResult> {
    const { operation, ...limits } = options;
    return this.ask(async (attempts) => {
      const txn = typeof request === 'function' ? request(attempts) : request;
      return { ...(await this.attempt(txn, operation)), attempts };
    }, limits);
  }

  /** The same of anything that may be asked twice. `body`: one attempt, the first being 1. */
  async ask<T>(
    body: (attempt: number) => Promise<T>,
    limits: { readonly signal?: AbortSignal; readonly forMs?: number } = {},
  ): Promise<T> {
    const { signal, forMs = patienceMs } = limits;
    const giveUpAtMs = this.clock.monotonicMs() + forMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await body(attempt);
      } catch (error) {
        this.ended.throwIfAborted();
        signal?.throwIfAborted();
        if (error instanceof DecisionLogError) throw error;
        if (this.clock.monotonicMs() >= giveUpAtMs) throw this.unreachable(error);
      }
      await this.pauseAfter(attempt, ...(signal === undefined ? [] : [signal]));
    }
  }

  pauseAfter(attempts: number, ...signals: readonly AbortSignal[]): Promise<void> {
    return this.pause(backoffMs(attempts, delays), ...signals);
  }

  /** Ends early, by a throw, with the store or one of the signals. */
  pause(delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    return pause(this.clock, delayMs, this.ended, ...signals);
  }

  unreachable(cause: unknown): DecisionLogError {
    const refused = accountRefusal(cause, this.#options);
    if (refused !== null) {
      const { username } = this.#options.auth ?? {};
      if (this.#refusal === null) {
        this.logger.error({ event: 'etcd-account', user: username }, refused.message);
      }
      this.#refusal = refused.message;
      return refused;
    }
    const last = etcdErrorText(cause);
    return new DecisionLogError(
      `Etcd at ${this.#options.endpoints.join(', ')} gave no answer within ${patienceMs / 1_000} s; the last error: ${last}. Check that it runs, that a majority of its members is up, and that it is not full.`,
      { cause: inWords(cause) },
    );
  }

  /** Runs a check against the witness. Where etcd was set back, nothing is answered any more. */
  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof LogSetBackError && !this.ended.aborted) {
        this.#ended.abort(error);
        this.#halting = this.#halt(error).then(() => this.#options.onFatal?.(error));
      }
      throw error;
    }
  }

  /** What the processes to come must know is written, if etcd and the disk can be reached. */
  async #halt({ evidence }: LogSetBackError): Promise<void> {
    const { witnessPath, node = 'unknown' } = this.#options;
    if (evidence.kind === 'other' || witnessPath === undefined) return;
    const { clients, keys, clock, witness } = this;
    const over = new AbortController();
    const { signal } = over;
    const late = pause(clock, haltMs, signal).then(() => {
      throw new DecisionLogError(`there was no answer within ${haltMs} ms`);
    });
    const within = (work: Promise<unknown>): Promise<unknown> => Promise.race([work, late]);
    try {
      if (evidence.kind === 'mark') {
        await within(witness.distrust(evidence));
      } else {
        const marked = quarantine({ clients, keys, clock, node, signal }, evidence);
        await within(Promise.all([marked, witness.close()]));
      }
    } catch (error) {
      this.logger.error({ error: thrownLine(error) }, unnoted[evidence.kind]);
    } finally {
      over.abort();
    }
  }
}

const unnoted = {
  lower:
    'Etcd was set back, and could not be marked as such: once it has grown, no node may notice. Stop all nodes, and see docs/OPERATING.md.',
  mark: 'The file that guards against a restored etcd could not be renewed: this node may refuse the newest data when that is back. Remove the file then.',
} as const;
