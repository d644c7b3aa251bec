/** One leadership over etcd: the fence, the batches of decisions, and what is known under it. */
import type { Witness } from '../../core/messages.ts';
import { type Epoch, epochOf, epochParts, type Txid } from '../../core/txid.ts';
import {
  type Collected,
  type CollectOptions,
  type DecideResult,
  DecisionLogError,
  type DecisionRecord,
  type DecisionWrite,
  type Leadership,
  type LogReading,
  type PendingPage,
  type RequestEntry,
  type Settlement,
} from '../../ports/decision-log.ts';
import { leadershipLost } from '../log-errors.ts';
import { assertDecidable } from '../rules.ts';
import { DecisionBatches } from './batches.ts';
import { collect } from './collect.ts';
import { decisionResult, type PreparedDecision, prepareDecision, writeBatch } from './decide.ts';
import { Fenced } from './fenced.ts';
import { type Finish, finish, KnownRecords } from './finish.ts';
import { keyAfter, type ShardKeys } from './keys.ts';
import { type Beginning, beginningFound, beginningOps, type ObservedLeader } from './leader-key.ts';
import { PageSize } from './page-size.ts';
import { decodeDecision, decodeRequest, decodeTick, encodeTick } from './records.ts';
import { absent, allFound, found, get, getRange, put, valueIs } from './requests.ts';
import { settle } from './settle.ts';
import type { EtcdStore } from './store.ts';
import { UnreadableRecords } from './unreadable.ts';

export interface EtcdLeadershipOptions {
  readonly store: EtcdStore;
  readonly held: ObservedLeader;
  readonly leaseIsValid: () => boolean;
  readonly resolve: (txid: Txid) => Promise<LogReading>;
  /** Told once, when it ends; deletes the leader key as well as it can. */
  readonly ended: () => Promise<void>;
}

export class EtcdLeadership implements Leadership {
  readonly shard: number;
  readonly epoch: Epoch;
  /** Of who campaigned. */
  tickMs = 0;
  /** Up to where others have retired participants before it began: it counts on these. */
  retirements: string | null = null;
  readonly #options: EtcdLeadershipOptions;
  readonly #keys: ShardKeys;
  readonly #lost = new AbortController();
  readonly #fenced: Fenced;
  readonly #batches: DecisionBatches;
  readonly #known = new KnownRecords();
  readonly #finish: Finish;
  #released: Promise<void> | null = null;
  #requests = 0;
  /** Null: the shard's clock has never ticked. */
  #tick: number | null = null;
  #ticking: Promise<unknown> = Promise.resolve();
  /** What one page has shown counts for the next, of this scan or another. */
  readonly #pageSize = new PageSize();
  readonly #unreadable: UnreadableRecords;

  constructor(options: EtcdLeadershipOptions) {
    const { store, held } = options;
    this.#options = options;
    this.shard = held.info.shard;
    this.epoch = held.info.epoch;
    const end = (reason: string): void => this.end(reason);
    this.#fenced = new Fenced({ store, held, lost: this.#lost.signal, end });
    this.#keys = this.#fenced.keys;
    this.#batches = new DecisionBatches((batch) => this.#decideBatch(batch));
    const tick = (): number => this.#finishedTick();
    this.#finish = { fenced: this.#fenced, known: this.#known, tick };
    const { logger, figures } = store;
    this.#unreadable = new UnreadableRecords({ shard: this.shard, logger, figures });
    const over = (): void => end('the log was closed or has halted');
    store.ended.addEventListener('abort', over);
    this.#lost.signal.addEventListener('abort', () => {
      store.ended.removeEventListener('abort', over);
    });
  }

  /** `shown`: by the transaction that took the leader key; null where its reply was lost. */
  async begin(shown: Beginning | null): Promise<void> {
    const { store } = this.#options;
    const beginning =
      shown ?? beginningFound(await this.#fenced.read(beginningOps(store, this.#keys)));
    const { clock, requests, retirements } = beginning;
    this.#tick = clock === null ? null : decodeTick(clock.value);
    this.#requests = requests;
    this.retirements = retirements;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  isCertain(): boolean {
    return !this.#lost.signal.aborted && this.#options.leaseIsValid();
  }

  witness(): Witness {
    const { generation } = epochParts(this.epoch);
    return { generation, revision: String(this.#options.store.witness.revision) };
  }

  /** What an operator has to mend. */
  get problem(): string | null {
    return this.#unreadable.problem;
  }

  requestCount(): number {
    return this.#requests;
  }

  async decide(write: DecisionWrite): Promise<DecideResult> {
    this.#fenced.assertHeld();
    assertDecidable(this, write);
    return this.#batches.add(prepareDecision(this.#keys, write, this.#finishedTick()));
  }

  async #decideBatch(batch: readonly PreparedDecision[]): Promise<readonly DecideResult[]> {
    const { answers, attempts, revision } = await writeBatch(this.#fenced, batch);
    this.#options.store.figures.batch.record(batch.length);
    const results: DecideResult[] = [];
    for (const [index, decision] of batch.entries()) {
      const answer = answers[index];
      if (answer === undefined) throw new Error('The batch has fewer answers than decisions.');
      let result = decisionResult(decision, answer);
      const { record, finished } = decision.write;
      if (answer.succeeded && !finished) this.#known.saw(record, revision);
      if (result.type === 'duplicate' && attempts > 1) {
        result = await this.#settleDuplicate(decision.write.record.txid, result);
      }
      // Where our own record was met at the first attempt, the call that wrote it has counted it.
      const wrote = answer.succeeded || (result.type === 'written' && attempts > 1);
      if (wrote && decision.write.record.requestId !== undefined) this.#requests += 1;
      results.push(result);
    }
    return results;
  }

  /**
   * A duplicate that was found by a second attempt, while the first may still be under way: once
   * the other transaction's request key is collected, the first could land after all and commit
   * what was called aborted. A forced abort shuts that door before anything is said.
   */
  async #settleDuplicate(txid: Txid, duplicate: DecideResult): Promise<DecideResult> {
    try {
      const { record } = await this.#options.resolve(txid);
      return record?.outcome === 'commit' ? { type: 'written' } : duplicate;
    } catch (error) {
      this.end('etcd did not say what became of a write');
      this.#fenced.assertHeld();
      throw error;
    }
  }

  async finish(txids: readonly Txid[]): Promise<void> {
    await finish(this.#finish, txids);
  }

  settle(settlement: Settlement): Promise<boolean> {
    return settle(this.#finish, settlement);
  }

  async readRequest(requestId: string): Promise<RequestEntry | null> {
    const { responses } = await this.#fenced.read([get(this.#keys.request(requestId))]);
    const kv = found(responses, 0);
    return kv === null ? null : decodeRequest(kv.value);
  }

  async pending({ after, limit }: PendingPage): Promise<readonly DecisionRecord[]> {
    const { decisions } = this.#keys;
    const size = this.#pageSize;
    const records: DecisionRecord[] = [];
    for (let last = after; ; last = records.at(-1)?.txid ?? null) {
      const key = last === null ? decisions.key : keyAfter(this.#keys.decision(last));
      let asked = 0;
      const { responses } = await this.#fenced.read((attempt) => {
        if (attempt > 1) size.tooMany();
        asked = size.next(limit - records.length);
        return [getRange({ ...decisions, key }, asked)];
      });
      const kvs = allFound(responses, 0);
      for (const { value, mod_revision } of kvs) {
        const record = decodeDecision(value);
        records.push(record);
        // Those of its own epoch it wrote itself; they may have moved while this page came.
        if (epochOf(record.txid) !== this.epoch) this.#known.saw(record, mod_revision);
      }
      const values = kvs.map(({ value }) => value);
      if (values.length < asked || records.length === limit) return records;
      size.came(values);
    }
  }

  /** What is finished now counts as finished at the next tick. */
  #finishedTick(): number {
    return (this.#tick ?? 0) + this.tickMs;
  }

  /** One after the other: each begins where the one before has ended. */
  tick(byMs: number): Promise<number> {
    const next = this.#ticking.then(() => this.#tickOnce(byMs));
    this.#ticking = next.catch(() => undefined);
    return next;
  }

  /** Compares the tick before it: a duplicate that was delayed must not set the clock back. */
  async #tickOnce(byMs: number): Promise<number> {
    const { clock } = this.#keys;
    const before = this.#tick;
    const next = (before ?? 0) + byMs;
    const { succeeded, responses } = await this.#fenced.write({
      compare: [before === null ? absent(clock) : valueIs(clock, encodeTick(before))],
      success: [put(clock, encodeTick(next))],
      failure: [get(clock)],
    });
    if (!succeeded) {
      const there = found(responses, 1);
      // An earlier attempt of this one landed, and its reply was lost; no one else ticks.
      if (there === null || decodeTick(there.value) !== next) {
        throw new DecisionLogError(
          `The clock of shard ${this.shard} was changed by another than its leader. Look at who else writes below /verdict/.`,
        );
      }
    }
    this.#tick = next;
    return next;
  }

  async collect(options: CollectOptions): Promise<Collected> {
    const done = await collect(this.#fenced, options, this.#tick ?? 0, this.#unreadable.from);
    this.#fenced.assertHeld();
    this.#unreadable.came(done);
    this.#requests = Math.max(0, this.#requests - done.requestsRemoved);
    return { collected: done.collected, floor: done.floor, more: done.more };
  }

  async resign(): Promise<void> {
    this.#options.store.ended.throwIfAborted();
    this.end('it was given up');
    await this.#released;
  }

  /** Marks the right as over. Harmless when repeated. */
  end(reason: string): void {
    if (this.#lost.signal.aborted) return;
    this.#lost.abort(leadershipLost(this, reason));
    this.#unreadable.end();
    this.#released = this.#options.ended();
  }
}
