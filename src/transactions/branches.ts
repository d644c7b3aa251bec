/**
 * One database's branches that a decision ends: prepared on the session that did the work, ended
 * there where that still can, else by the resource, as after a crash.
 */
import type { VoteReason } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import { PrepareFailure } from '../participant/prepare-failure.ts';
import type { EndCall, HeldBranch } from '../ports/resource.ts';
import type { SqlDatabase } from '../resources/sql/database.ts';
import type { OpenBranch } from '../resources/sql/open-branch.ts';
import type { CommitOrder } from './commit-order.ts';
import type { RunReached } from './coordination.ts';

type End = EndCall<undefined>;

export class DatabaseBranches {
  readonly database: SqlDatabase;
  readonly #reached: RunReached;
  readonly #open = new Map<Txid, OpenBranch>();
  /** Until it has ended: a commit that fails is tried again. */
  readonly #orders = new Map<Txid, CommitOrder>();

  constructor(database: SqlDatabase, reached: RunReached) {
    this.database = database;
    this.#reached = reached;
  }

  /** Its prepare will be asked for. */
  expect(txid: Txid, branch: OpenBranch, order: CommitOrder): void {
    this.#open.set(txid, branch);
    this.#orders.set(txid, order);
  }

  drop(txid: Txid): void {
    this.#open.delete(txid);
    this.#orders.delete(txid);
  }

  /**
   * Null: prepared. Else why not; nothing is held then. Throws where it may be prepared. The
   * branch is no longer this process's where it died in between: its work went with its session.
   */
  async prepare(txid: Txid, signal: AbortSignal): Promise<VoteReason | null> {
    const branch = this.#open.get(txid);
    if (branch === undefined)
      return { message: 'The work of this branch was lost with the process that did it.' };
    const stop = (): void => void branch.giveUp();
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) throw signal.reason;
      await branch.prepare();
      // Given up meanwhile, it is being rolled back (!): a vote to commit would be a lie.
      if (signal.aborted) throw signal.reason;
      this.#reached('prepared', this.database.name);
      return null;
    } catch (error) {
      this.drop(txid);
      const refusal = branch.refusalOf(error);
      await branch.giveUp();
      // It may be prepared all the same (!): no vote, which would say that nothing is held.
      signal.throwIfAborted();
      if (refusal === null) throw error;
      if (refusal.lost === true) throw new PrepareFailure(refusal.reason, { cause: error });
      return refusal.reason;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async commit(end: End): Promise<void> {
    const order = this.#orders.get(end.txid);
    await order?.turnOf(this.database.name);
    const branch = this.#open.get(end.txid);
    this.#open.delete(end.txid);
    const here = end.takenOver !== true && branch !== undefined;
    if (!(here && (await branch.endPrepared('commit')))) await this.database.resource.commit(end);
    this.#orders.delete(end.txid);
    order?.committed(this.database.name);
    this.#reached('committed', this.database.name);
  }

  async rollback(end: End): Promise<void> {
    const branch = this.#open.get(end.txid);
    this.drop(end.txid);
    // Before it has prepared, its session is to be given up.
    if (branch !== undefined && !(await branch.endPrepared('abort'))) await branch.giveUp();
    // Also where it was rolled back: a rollback is not always on disk when it is answered.
    await this.database.resource.rollback(end);
  }

  /** Under this instance. */
  async held(instance: string): Promise<{
    readonly mine: readonly HeldBranch[];
    readonly others: readonly HeldBranch[];
  }> {
    const all = [...((await this.database.resource.inDoubt?.({ instance })) ?? [])];
    return {
      mine: all.filter(({ mine }) => mine !== false),
      others: all.filter(({ mine }) => mine === false),
    };
  }
}
