import type { LogMeta } from '../../ports/decision-log.ts';
import { GroupCommit } from '../../store/group-commit.ts';
import type { ReadableKeys } from '../../store/key-value.ts';
import { MemoryKeys } from '../../store/memory-keys.ts';
import { metaKey } from '../../store/store-format.ts';
import { systemRandom } from '../../system/random.ts';
import { newTxidSecret } from '../../system/txid-seal.ts';
import { LeaderBoard } from '../leader-board.ts';
import { asLogError, type LogStore, maxLogOperations } from '../local-log.ts';
import { NodeBoard } from '../node-board.ts';
import { RetiredBoard } from '../retired-board.ts';
import { LogTransaction, newMeta } from '../state.ts';

/**
 * A store of decisions in memory, which several nodes of one process may share: what etcd is to a
 * cluster. It outlives the logs opened on it, so a node's crash is simulated by dropping its log
 * and `expire`.
 */
export class MemoryLogStore implements LogStore {
  readonly meta: LogMeta;
  readonly board: LeaderBoard;
  /** A simulated crash takes its node off it by `leave`. */
  readonly nodes: NodeBoard = new NodeBoard();
  readonly retired: RetiredBoard = new RetiredBoard();
  readonly #keys = new MemoryKeys();
  readonly #group: GroupCommit<LogTransaction>;

  constructor(
    options: {
      readonly cluster?: string;
      readonly shards?: number;
      readonly requestWindowMs?: number;
      readonly generation?: number;
      readonly txidSecret?: string;
    } = {},
  ) {
    const { txidSecret = newTxidSecret(systemRandom) } = options;
    const meta = newMeta({ ...options, txidSecret });
    this.meta = meta;
    this.board = new LeaderBoard(meta.shards);
    this.#keys.put(metaKey, meta);
    this.#group = new GroupCommit({
      maxWaiting: maxLogOperations,
      asError: asLogError,
      transact: async (body) => this.#transact(body),
    });
  }

  run<T>(operation: (transaction: LogTransaction) => T): Promise<T> {
    return this.#group.run(operation);
  }

  snapshot<T>(body: (keys: ReadableKeys) => T): T {
    return body(this.#keys);
  }

  async close(): Promise<void> {
    await this.#group.idle();
  }

  /** Ends the shard's leadership as if its lease had run out: the leader is not asked. */
  expire(shard: number): void {
    this.#transact((transaction) => transaction.change(shard, { leader: null }));
    this.board.publish(shard, null);
  }

  #transact(body: (transaction: LogTransaction) => void): void {
    const transaction = new LogTransaction(this.#keys);
    body(transaction);
    transaction.finish();
  }
}
