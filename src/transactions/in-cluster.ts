/**
 * A cluster decides: each database is a participant of it, served by this process, and a run's
 * branches are enlisted at the instance that has their sessions. All that ends a branch elsewhere
 * or later (siblings, another start) is the participant's as ever.
 */
import { type Client, connect } from '../client/client.ts';
import type { Transaction } from '../client/transaction.ts';
import type { Txid } from '../core/txid.ts';
import { type ParticipantHandle, serveParticipant } from '../participant/serve.ts';
import { vote } from '../participant/vote.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { Logger } from '../ports/logger.ts';
import type { Resource } from '../ports/resource.ts';
import type { TlsOptions } from '../ports/tls.ts';
import type { SqlDatabase } from '../resources/sql/database.ts';
import type { OpenBranch } from '../resources/sql/open-branch.ts';
import { systemClock } from '../system/clock.ts';
import { pause } from '../system/pause.ts';
import { DatabaseBranches } from './branches.ts';
import type { CommitOrder } from './commit-order.ts';
import type { BeginRun, BegunRun, Coordination, Decided, RunReached } from './coordination.ts';
import { notSettled } from './errors.ts';
import { Runs } from './runs.ts';

const settledPollMs = 20;

export interface ClusterAccess {
  readonly urls: readonly string[];
  readonly token?: string;
  readonly jwt?: string | (() => string | Promise<string>);
  readonly tls?: TlsOptions;
}

export interface InClusterOptions {
  readonly access: ClusterAccess;
  readonly directory: string;
  readonly logger: Logger;
  readonly reached: RunReached;
  readonly databases: ReadonlyMap<string, SqlDatabase>;
}

interface Served {
  readonly branches: DatabaseBranches;
  readonly handle: ParticipantHandle;
}

export class InCluster implements Coordination {
  readonly #client: Client;
  readonly #served: ReadonlyMap<string, Served>;
  readonly #runs: Runs;

  static async open(options: InClusterOptions): Promise<InCluster> {
    const { access, directory, logger, reached, databases } = options;
    const served = new Map<string, Served>();
    const runs = new Runs();
    const client = await connect({ ...access, name: [...databases.keys()].join('+') });
    try {
      for (const [name, database] of databases) {
        const branches = new DatabaseBranches(database, reached);
        const resource = resourceOver(branches, runs);
        const dataDirectory = `${directory}/${name}`;
        const handle = await serveParticipant({ ...access, name, dataDirectory, resource, logger });
        served.set(name, { branches, handle });
      }
      return new InCluster(client, served, runs);
    } catch (error) {
      for (const { handle } of served.values()) await handle.close();
      await client.close();
      throw error;
    }
  }

  private constructor(client: Client, served: ReadonlyMap<string, Served>, runs: Runs) {
    this.#client = client;
    this.#runs = runs;
    this.#served = served;
  }

  instanceOf(database: string): string {
    return this.#of(database).handle.instance;
  }

  async begin(how: BeginRun): Promise<BegunRun> {
    const tx = await this.#client.begin(how);
    return {
      txid: tx.txid,
      decide: (prepared, order) => this.#decide(tx, prepared, order),
      leave: async () => {
        await tx.rollback().catch(() => undefined);
      },
    };
  }

  async #decide(
    tx: Transaction,
    prepared: ReadonlyMap<string, OpenBranch>,
    order: CommitOrder,
  ): Promise<Decided> {
    const { txid } = tx;
    const each = [...prepared].map(([name, branch]) => ({ ...this.#of(name), branch }));
    for (const { branches, branch } of each) branches.expect(txid, branch, order);
    const { applied } = this.#runs.begin(
      txid,
      each.map(({ branches }) => branches),
    );
    try {
      await Promise.all(each.map(({ handle }) => handle.enlist(txid)));
    } catch (error) {
      this.#runs.end(txid);
      // Never to be committed, and maybe unknown to whoever leads now: no rollback need come (!).
      for (const { branches } of each) branches.drop(txid);
      await Promise.all(each.map(({ branch }) => branch.giveUp()));
      const ended = await tx.rollback().catch(() => null);
      if (ended?.outcome === 'aborted' && ended.reason.retryable) return ended;
      throw error;
    }
    try {
      const outcome = await tx.commit();
      if (outcome.outcome === 'committed') return { outcome: 'committed', applied };
      this.#runs.end(txid);
      return outcome;
    } catch (error) {
      this.#runs.end(txid);
      if (isVerdictError(error) && error.acted === 'nothing')
        await tx.rollback().catch(() => undefined);
      throw error;
    }
  }

  async whenSettled(txid: Txid, { timeoutMs }: { readonly timeoutMs?: number }): Promise<void> {
    const untilMs = systemClock.monotonicMs() + (timeoutMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const { state } = await this.#client.status(txid);
      if (state === 'COMMITTED' || state === 'ABORTED') return;
      if (systemClock.monotonicMs() >= untilMs) throw notSettled(txid, state);
      await pause(systemClock, settledPollMs);
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
    await Promise.all([...this.#served.values()].map(({ handle }) => handle.close()));
  }

  #of(database: string): Served {
    const served = this.#served.get(database);
    if (served === undefined) throw new Error(`There is no database ${database}.`);
    return served;
  }
}

function resourceOver(branches: DatabaseBranches, runs: Runs): Resource {
  const { resource } = branches.database;
  return {
    ...resource,
    prepare: async ({ txid, signal }) => {
      const refused = await branches.prepare(txid, signal);
      return refused === null ? vote.commit() : { vote: 'abort', reason: refused };
    },
    commit: async (call) => {
      await branches.commit({ ...call, payload: undefined });
      runs.committed(call.txid, branches.database.name);
    },
    rollback: (call) => branches.rollback({ ...call, payload: undefined }),
  };
}
