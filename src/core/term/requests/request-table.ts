/**
 * The leader's memory of request ids (docs/PROTOCOL.md, section 4, request window).
 *
 * It serves two rules that the log cannot: a duplicate in flight joins the first, and an attempt
 * not above one that was answered "aborted" gets the same answer again and is never run. What
 * committed is remembered here only to save a read; the log's `requests/R` is what counts.
 */
import { type AbortReason, withoutDetail } from '../../catalogue.ts';
import type { Origin, Shares } from '../../shares.ts';
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { weightOf } from '../../weight.ts';
import { busy, type Refusal } from '../events.ts';

export type RequestState =
  /** An attempt runs, or its answer is being made certain. */
  | { readonly state: 'running' }
  | { readonly state: 'committed'; readonly readonly: boolean }
  | { readonly state: 'aborted'; readonly reason: AbortReason };

export interface RefusedAttempt {
  readonly attempt: number;
  readonly txid: Txid;
  readonly reason: AbortReason;
}

export interface RequestMemory {
  readonly requestId: string;
  /** Whose share it counts to. */
  readonly origin: Origin | null;
  hash: string;
  txid: Txid;
  /** The attempt that runs, for duplicates to join; null once it ended. */
  transaction: Transaction | null;
  /** The highest attempt that was run or joined. */
  attempt: number;
  state: RequestState;
  /**
   * The highest attempt that was answered "aborted", and its answer: final for it and for all below
   * it, whatever becomes of later attempts (I8).
   */
  refused: RefusedAttempt | null;
  endedAtMs: number;
  /** Of a commit, while it is affordable to keep them. */
  results: Readonly<Record<string, unknown>> | null;
}

/** Ended requests with results or an abort's detail; older ones are answered without. */
const maxResults = 1_000;

export class RequestTable {
  private readonly live = new Map<string, RequestMemory>();
  /** In order of ending, for forgetting. */
  private readonly ended = new Map<string, RequestMemory>();
  private readonly heavy: { readonly memory: RequestMemory; readonly bytes: number }[] = [];
  private readonly shares: Shares;
  private readonly maxEndedBytes: number;
  private bytes = 0;
  /** Keys that the log holds, as last told, and what was written since. */
  logged = 0;

  constructor(given: { readonly shares: Shares; readonly maxEndedBytes: number }) {
    this.shares = given.shares;
    this.maxEndedBytes = given.maxEndedBytes;
  }

  /** Why no more of its sender's are remembered; null where there is room. */
  problem(origin: Origin | undefined): Refusal | null {
    const max = this.shares.total;
    if (this.size >= max) {
      return busy(`The node remembers its limit of ${max} request ids.`, 1_000);
    }
    if (origin === undefined || this.shares.admits(origin, 1)) return null;
    const quota = this.shares.exceeded(origin, 1);
    const message =
      quota === null
        ? `This peer has its share of the ${max} request ids that the node remembers.`
        : `This identity has its quota of ${quota} request ids that the node remembers. Wait until some are forgotten, or raise "quotas.requestIds" in the access file.`;
    return busy(message, 1_000);
  }

  /** How many request ids are remembered, here or by the log. */
  get size(): number {
    return Math.max(this.logged, this.live.size + this.ended.size);
  }

  get(requestId: string): RequestMemory | null {
    return this.live.get(requestId) ?? this.ended.get(requestId) ?? null;
  }

  run(memory: RequestMemory): void {
    const before = this.get(memory.requestId);
    if (before !== null) this.count(before, -1);
    this.count(memory, 1);
    this.ended.delete(memory.requestId);
    this.live.set(memory.requestId, memory);
  }

  end(
    memory: RequestMemory,
    state: RequestState,
    nowMs: number,
    results: RequestMemory['results'] = null,
  ): void {
    memory.state = state;
    if (state.state === 'aborted') {
      memory.refused = { attempt: memory.attempt, txid: memory.txid, reason: state.reason };
    }
    memory.transaction = null;
    memory.endedAtMs = nowMs;
    memory.results = results;
    this.live.delete(memory.requestId);
    this.ended.set(memory.requestId, memory);
    this.weigh(memory);
  }

  private weigh(memory: RequestMemory): void {
    const detail = memory.refused?.reason.detail;
    if (memory.results === null && detail === undefined) return;
    const bytes = weightOf(memory.results) + weightOf(detail);
    this.heavy.push({ memory, bytes });
    this.bytes += bytes;
    while (this.bytes > this.maxEndedBytes || this.heavy.length > maxResults) {
      const oldest = this.heavy.shift();
      if (oldest === undefined) return;
      this.bytes -= oldest.bytes;
      lighten(oldest.memory);
    }
  }

  private count({ origin }: RequestMemory, amount: 1 | -1): void {
    if (origin !== null) this.shares.take(origin, amount);
  }

  /**
   * The attempt that ran ended and no one was told how: it may be run again. One before it that was
   * answered "aborted" may not: forgotten here, a late copy of that one would run and could commit.
   */
  drop(memory: RequestMemory, nowMs: number): void {
    const { refused } = memory;
    if (refused === null) {
      if (this.live.delete(memory.requestId)) this.count(memory, -1);
      return;
    }
    memory.txid = refused.txid;
    memory.attempt = refused.attempt;
    this.end(memory, { state: 'aborted', reason: refused.reason }, nowMs);
  }

  isLive(requestId: string): boolean {
    return this.live.has(requestId);
  }

  /** Forgets what ended before `beforeMs`: any copy still under way is past the window by then. */
  forgetBefore(beforeMs: number): void {
    for (const [requestId, memory] of this.ended) {
      if (memory.endedAtMs >= beforeMs) return;
      this.ended.delete(requestId);
      this.count(memory, -1);
    }
  }
}

function lighten(memory: RequestMemory): void {
  const { state, refused } = memory;
  memory.results = null;
  if (refused !== null) memory.refused = { ...refused, reason: withoutDetail(refused.reason) };
  if (state.state === 'aborted') memory.state = { ...state, reason: withoutDetail(state.reason) };
}
