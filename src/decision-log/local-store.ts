import { LogFigures } from '../core/log-figures.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogMeta } from '../ports/decision-log.ts';
import { GroupCommit } from '../store/group-commit.ts';
import type { ReadableKeys } from '../store/key-value.ts';
import type { LmdbStore } from '../store/lmdb.ts';
import { LeaderBoard, NodeBoard, ReboundBoard, RetiredBoard } from './boards.ts';
import { asLogError } from './log-errors.ts';
import { inTransaction, type LogTransaction } from './state.ts';

/**
 * A store of decisions in this process. Decisions that wait for it have no bound here:
 * `maxTransactions` of the leader bounds them, and one that was refused here would cost it the
 * leadership. All else comes one at a time, or has its own bound (`LogReads`).
 */
export class LocalStore {
  readonly meta: LogMeta;
  readonly board: LeaderBoard;
  readonly nodes: NodeBoard = new NodeBoard();
  readonly retired: RetiredBoard = new RetiredBoard();
  readonly rebound: ReboundBoard = new ReboundBoard();
  readonly figures: LogFigures = new LogFigures();
  readonly #store: LmdbStore;
  readonly #group: GroupCommit<LogTransaction>;

  /** `clock`: its transactions are timed; null: they take no time. */
  constructor(meta: LogMeta, store: LmdbStore, clock: Clock | null = null) {
    this.meta = meta;
    this.board = new LeaderBoard(meta.shards);
    this.#store = store;
    this.#group = new GroupCommit({
      maxWaiting: Number.POSITIVE_INFINITY,
      asError: asLogError,
      committed: (operations) => this.figures.batch.record(operations),
      transact: (body) =>
        this.#timed(
          clock,
          store.transact((keys) => inTransaction(keys, body)),
        ),
    });
  }

  /** In one transaction; durable when it resolves. Rejects as `asLogError` has it. */
  run<T>(operation: (transaction: LogTransaction) => T): Promise<T> {
    return this.#group.run(operation);
  }

  async #timed(clock: Clock | null, transaction: Promise<void>): Promise<void> {
    const { flush } = this.figures.operations;
    const startMs = clock?.monotonicMs() ?? 0;
    try {
      await transaction;
    } catch (error) {
      flush.failures += 1;
      throw error;
    }
    flush.latency.record((clock?.monotonicMs() ?? 0) - startMs);
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return this.#store.snapshot(body);
  }

  async close(): Promise<void> {
    await this.#group.idle();
    await this.#store.close();
  }
}
