/** Clients that do their work, whatever else goes on, and how long each of their commits took. */
import type { Client } from '../../src/client.ts';
import { percentile } from '../bench/load.ts';
import type { History, Plan, RecordedCall } from '../support/clients/history.ts';
import { pause } from '../support/process/child.ts';

export interface Latencies {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface GoodWorkOptions {
  readonly clients: readonly Client[];
  readonly participants: readonly string[];
  readonly history: History;
}

const loopsPerClient = 2;
const pauseMs = 5;
const callTimeoutMs = 20_000;
const slowMs = 200;

/**
 * Anybody who may be an operator, or knows a txid, may end a transaction: no fault of the node's.
 */
const endedByOthers: ReadonlySet<string | null> = new Set([
  'ROLLED_BACK',
  'FORCED',
  'TRANSACTION_TIMEOUT',
]);

export class GoodWork {
  readonly faults: string[] = [];
  readonly #options: GoodWorkOptions;
  readonly #loops: readonly Promise<void>[];
  readonly #plan: Plan;
  #latenciesMs: number[] = [];
  #over = false;

  constructor(options: GoodWorkOptions) {
    this.#options = options;
    this.#plan = Object.fromEntries(options.participants.map((name) => [name, {}]));
    this.#loops = options.clients.flatMap((client) =>
      Array.from({ length: loopsPerClient }, (_each, index) => this.#loop(client, index)),
    );
  }

  /** Of the commits since the last call. */
  measure(): Latencies {
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    this.#latenciesMs = [];
    return {
      count: sorted.length,
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
    };
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  summary(): string {
    const counts = new Map<string, number>();
    for (const { ended, code } of this.#options.history.calls) {
      const kind = code === null ? ended : `${ended} ${code}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
  }

  async #loop(client: Client, index: number): Promise<void> {
    for (let turn = index; !this.#over; turn += 1) {
      const startedMs = performance.now();
      const call = await this.#one(client, turn);
      const oneShot = turn % 4 !== 3;
      if (call.ended === 'ok' && oneShot) this.#latenciesMs.push(performance.now() - startedMs);
      const excused =
        (call.ended === 'fail' && endedByOthers.has(call.code)) ||
        // The same, between its beginning and its last branch. A one-shot has no such moment.
        (!oneShot && call.ended === 'refused' && call.code === 'WRONG_STATE');
      if (call.ended !== 'ok' && !excused && this.faults.length < 20) {
        this.faults.push(`a good client's call came to ${call.ended} ${call.code ?? ''}`);
      }
      await pause(pauseMs);
    }
  }

  /**
   * One in four lives long enough to be meddled with: its last participant takes its time to vote.
   */
  #one(client: Client, turn: number): Promise<RecordedCall> {
    const { history, participants } = this.#options;
    if (turn % 4 === 3) {
      const last = participants.at(-1) ?? '';
      return history.interactive(client, { ...this.#plan, [last]: { delayMs: slowMs } });
    }
    return history.transact(client, this.#plan, { callTimeoutMs });
  }
}
