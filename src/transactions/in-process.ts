/**
 * The coordinator in this process, on a log of its own in LMDB: `TransactionCoordinator` with each
 * database as a participant. What is prepared bears the log's id, so that only the owner of this
 * log takes it for its own (docs/adr/0010-two-databases.md).
 */
import { abortReason } from '../core/catalogue.ts';
import type { VoteReason } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import { TransactionCoordinator } from '../embedded/coordinator.ts';
import type { EmbeddedParticipant, PrepareContext } from '../embedded/participant.ts';
import type { Logger } from '../ports/logger.ts';
import type { SqlDatabase } from '../resources/sql/database.ts';
import type { OpenBranch } from '../resources/sql/open-branch.ts';
import { DatabaseBranches } from './branches.ts';
import type { CommitOrder } from './commit-order.ts';
import type { BeginRun, BegunRun, Coordination, Decided, RunReached } from './coordination.ts';
import { Runs } from './runs.ts';

export interface InProcessOptions {
  readonly directory: string;
  readonly logger: Logger;
  readonly onFatal?: ((error: unknown) => void) | undefined;
  readonly reached: RunReached;
  readonly recoverMs: number;
  /** Opened once the log is this process's: the sessions of another must not be ended. */
  readonly databases: () => Promise<ReadonlyMap<string, SqlDatabase>>;
}

export class InProcess implements Coordination {
  readonly #coordinator: TransactionCoordinator;
  readonly #instance: string;
  readonly #participants: ReadonlyMap<string, Participant>;
  readonly #runs: Runs;

  static async open(options: InProcessOptions): Promise<InProcess> {
    const { directory, logger, onFatal, reached, databases, recoverMs } = options;
    const coordinator = new TransactionCoordinator({
      log: { kind: 'lmdb', directory },
      logger,
      reached,
      ...(onFatal === undefined ? {} : { onFatal }),
    });
    try {
      const instance = await coordinator.logId();
      const runs = new Runs((txid, { database }) =>
        database.resource.forgotten?.({ txid, branch: database.name }),
      );
      const participants = new Map<string, Participant>();
      for (const [name, database] of await databases()) {
        await database.resource.begin?.({ instance });
        const branches = new DatabaseBranches(database, reached);
        participants.set(name, new Participant({ name, branches, instance, runs, logger }));
      }
      const all = [...participants.values()];
      const { unfinished, unjudged } = await coordinator.recover(all, { waitMs: recoverMs });
      for (const left of unfinished)
        logger.warn(left, 'A branch of an earlier run is not ended yet; it is tried again.');
      for (const left of unjudged)
        logger.error(
          left,
          'A branch is prepared of which the log in this directory knows nothing.',
        );
      return new InProcess(coordinator, instance, participants, runs);
    } catch (error) {
      await coordinator.close();
      throw error;
    }
  }

  private constructor(
    coordinator: TransactionCoordinator,
    instance: string,
    participants: ReadonlyMap<string, Participant>,
    runs: Runs,
  ) {
    this.#coordinator = coordinator;
    this.#instance = instance;
    this.#participants = participants;
    this.#runs = runs;
  }

  instanceOf(): string {
    return this.#instance;
  }

  async begin({ timeoutMs, labels }: BeginRun): Promise<BegunRun> {
    const how = labels === undefined ? { timeoutMs } : { timeoutMs, labels };
    const txid = await this.#coordinator.beginTransaction(how);
    return {
      txid,
      decide: (prepared, order) => this.#decide(txid, prepared, order),
      leave: async () => {
        // Nothing is written for a transaction without participants.
        await this.#coordinator.rollbackTransaction(txid).catch(() => undefined);
      },
    };
  }

  async #decide(
    txid: Txid,
    prepared: ReadonlyMap<string, OpenBranch>,
    order: CommitOrder,
  ): Promise<Decided> {
    const participants = [...prepared.keys()].map((name) => {
      const participant = this.#participants.get(name);
      if (participant === undefined) throw new Error(`There is no database ${name}.`);
      return participant;
    });
    const run = this.#runs.begin(
      txid,
      participants.map(({ branches }) => branches),
    );
    for (const participant of participants) {
      const branch = prepared.get(participant.name);
      if (branch !== undefined) participant.branches.expect(txid, branch, order);
    }
    try {
      for (const participant of participants)
        await this.#coordinator.registerParticipant(txid, participant);
    } catch (error) {
      this.#runs.end(txid);
      // It had ended before, for its time say: no one rolls back what it never had.
      for (const { branches } of participants) branches.drop(txid);
      await Promise.all([...prepared.values()].map((branch) => branch.giveUp()));
      await this.#coordinator.rollbackTransaction(txid).catch(() => undefined);
      const ended = await this.#coordinator.getTransactionResult(txid).catch(() => null);
      if (ended?.reason == null) throw error;
      return { outcome: 'aborted', reason: ended.reason };
    }
    try {
      if (await this.#coordinator.commitTransaction(txid))
        return { outcome: 'committed', applied: run.applied };
      const { reason } = await this.#coordinator.getTransactionResult(txid);
      this.#runs.end(txid);
      return { outcome: 'aborted', reason: run.refused ?? reason ?? abortReason('ROLLED_BACK') };
    } catch (error) {
      this.#runs.end(txid);
      throw error;
    }
  }

  async whenSettled(txid: Txid, how: { readonly timeoutMs?: number }): Promise<void> {
    await this.#coordinator.whenSettled(txid, how);
  }

  close(): Promise<void> {
    return this.#coordinator.close();
  }
}

class Participant implements EmbeddedParticipant {
  readonly name: string;
  readonly branches: DatabaseBranches;
  readonly #instance: string;
  readonly #runs: Runs;
  readonly #logger: Logger;

  constructor(given: {
    readonly name: string;
    readonly branches: DatabaseBranches;
    readonly instance: string;
    readonly runs: Runs;
    readonly logger: Logger;
  }) {
    this.name = given.name;
    this.branches = given.branches;
    this.#instance = given.instance;
    this.#runs = given.runs;
    this.#logger = given.logger;
  }

  async prepare(txid: Txid, { signal }: PrepareContext): Promise<boolean> {
    try {
      const refused = await this.branches.prepare(txid, signal);
      if (refused !== null) this.#runs.refused(txid, this.name, refused);
      return refused === null;
    } catch (error) {
      const { reason } = error as { readonly reason?: VoteReason };
      if (reason !== undefined) this.#runs.refused(txid, this.name, reason);
      throw error;
    }
  }

  async commit(txid: Txid): Promise<boolean> {
    await this.branches.commit(this.#end(txid));
    this.#runs.committed(txid, this.name);
    return true;
  }

  async rollback(txid: Txid): Promise<boolean> {
    await this.branches.rollback(this.#end(txid));
    return true;
  }

  async inDoubt(): Promise<string[]> {
    const { mine, others } = await this.branches.held(this.#instance);
    if (others.length > 0) {
      this.#logger.warn(
        { database: this.name, branches: others.length },
        'Branches of another directory are prepared in this database, and are left alone. The process that owns it ends them.',
      );
    }
    return mine.map(({ txid }) => txid);
  }

  #end(txid: Txid) {
    return { txid, branch: this.name, payload: undefined, instance: this.#instance };
  }
}
