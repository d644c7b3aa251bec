/** A client on its machine: runs its calls as they come due, and notes how each ended. */
import { type Client, connect } from '../../../src/client/client.ts';
import type { TransactionOutcome } from '../../../src/client/types.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { isVerdictError } from '../../../src/peer/verdict-error.ts';
import { clientNameOf, type Job } from '../workload.ts';
import type { Network } from '../world/network.ts';
import type { SimProcess } from '../world/process.ts';
import { Machine, type MachineOptions } from './machine.ts';

export interface CallRecord {
  readonly job: Job;
  readonly client: string;
  txid: Txid | null;
  /**
   * `ok`: committed. `fail`: aborted. `info`: no one can say. `refused`: it certainly did nothing.
   * `died`: its process did, before the answer. Null: under way.
   */
  ended: 'ok' | 'fail' | 'info' | 'refused' | 'died' | null;
  code: string | null;
  /** Under which a request with an id was settled. */
  attempt: number | null;
  readonly: boolean;
}

export interface ClientMachineOptions extends MachineOptions {
  readonly network: Network;
  readonly urls: readonly string[];
  /**
   * By a call of the participant's own, not by a node. Rejects where it did not agree, or no one
   * can say.
   */
  readonly askToWork: (txid: Txid, branch: Job['branches'][number]) => Promise<void>;
  readonly ended: (call: CallRecord) => void;
}

/** Far longer than a change of leaders takes. */
const findTimeoutMs = 10_000;

/** Some round trips: prepares, votes or the decision are under way. */
const changesItsMindMs = 4;

const losing: ReadonlySet<string> = new Set(['UNKNOWN_TRANSACTION', 'DEADLOCK', 'LOCK_TIMEOUT']);

export class ClientMachine extends Machine<ClientMachineOptions> {
  readonly calls: CallRecord[] = [];
  /** Called once, with its next call. */
  atNextCall: (() => void) | null = null;
  #client: Client | null = null;
  /** Calls that wait for the client to be connected. */
  #waiting: (() => void)[] = [];
  #underWay = new Set<CallRecord>();
  #found: 'no' | 'asking' | 'yes' = 'no';

  /**
   * Whether it has found a leader since this was first asked; asks one where it has not. A client
   * that does not run, or whose process has not reached any node yet, need not.
   */
  findsLeader(): boolean {
    const client = this.#client;
    if (client === null || !this.runs) return true;
    if (this.#found === 'no') {
      this.#found = 'asking';
      void this.#findLeader(client).then((found) => {
        this.#found = found ? 'yes' : 'no';
      });
    }
    return this.#found === 'yes';
  }

  async #findLeader(client: Client): Promise<boolean> {
    try {
      const transaction = await client.begin({}, { timeoutMs: findTimeoutMs });
      await transaction.rollback('asked for a leader', { timeoutMs: findTimeoutMs });
      return true;
    } catch (error) {
      // A leader that refuses is one that was found.
      return isVerdictError(error) && error.code !== 'TIMEOUT';
    }
  }

  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  /** A call is of this process: it dies with it. One that comes while none runs is not made. */
  call(job: Job): void {
    const { process } = this;
    if (process === null || !process.alive) return;
    const record: CallRecord = {
      job,
      client: this.name,
      txid: null,
      ended: null,
      code: null,
      attempt: null,
      readonly: false,
    };
    this.calls.push(record);
    this.#underWay.add(record);
    this.atNextCall?.();
    this.atNextCall = null;
    process.io(0, () => {
      if (this.#client === null) this.#waiting.push(() => void this.#make(process, record));
      else void this.#make(process, record);
    });
  }

  async #make(process: SimProcess, record: CallRecord): Promise<void> {
    const client = this.#client;
    if (client === null || !process.alive) return;
    try {
      const outcome = await this.#run(process, client, record);
      if (!process.alive) return;
      record.txid = outcome.txid;
      record.ended = outcome.outcome === 'committed' ? 'ok' : 'fail';
      if (outcome.outcome === 'committed') record.readonly = outcome.readonly;
      else record.code = outcome.reason.code;
    } catch (error) {
      if (!process.alive) return;
      if (!isVerdictError(error)) {
        this.world.broken(error as Error);
        return;
      }
      record.txid ??= error.txid ?? null;
      record.code = error.code;
      const nothing = error.acted === 'nothing' && error.code !== 'EXPIRED';
      record.ended = nothing ? 'refused' : 'info';
    }
    this.#end(record);
  }

  async #run(process: SimProcess, client: Client, record: CallRecord): Promise<TransactionOutcome> {
    const { job } = record;
    const call = { timeoutMs: job.callTimeoutMs };
    const { lockGroup, locks = [], lockWaitMs } = job.locking ?? {};
    const settings = { timeoutMs: job.timeoutMs, lockGroup };
    const locking = lockWaitMs === undefined ? {} : { locks, lockWaitMs };
    if (job.kind === 'interactive') {
      const transaction = await client.begin(settings, call);
      record.txid = transaction.txid;
      try {
        const owed = [...locks];
        for (const branch of job.branches) {
          const next = owed.shift();
          if (next !== undefined) {
            await transaction.lock(next.keys, { mode: next.mode, waitMs: lockWaitMs, ...call });
          }
          const asked = job.selfEnlisting && branch === job.branches.at(-1);
          if (asked) await this.options.askToWork(transaction.txid, branch);
          else await transaction.enlist(branch, call);
        }
      } catch (error) {
        // Lost: with its leader, or by a lock that it could not have.
        const lost = isVerdictError(error) && losing.has(error.code);
        if (isVerdictError(error) && !lost) throw error;
        return transaction.rollback('lost', call);
      }
      if (job.rollback) return transaction.rollback('as planned', call);
      const outcome = transaction.commit(call);
      const [first] = job.branches;
      if (job.afterthought && first !== undefined) {
        transaction.enlist({ ...first, branch: 'afterthought' }, call).catch(() => undefined);
      }
      outcome.catch(() => undefined);
      // Whichever comes first: both are told the same, and what they are told is checked as it is
      // said.
      if (job.changesItsMind) {
        await new Promise<void>((resolve) => process.clock.setTimer(changesItsMindMs, resolve));
        transaction.rollback('changed its mind', call).catch(() => undefined);
      }
      return outcome;
    }
    if (job.kind === 'once') {
      return client.transact({ ...settings, ...locking, branches: job.branches }, call);
    }
    const requestAgeMs = Math.ceil(this.world.nowMs - job.firstAtMs) * 1.02;
    let outcome = await client.transact(
      {
        ...settings,
        ...locking,
        branches: job.branches,
        requestId: job.requestId,
        requestAgeMs,
      },
      call,
    );
    record.attempt = outcome.attempt;
    if (outcome.outcome === 'aborted' && job.triesAgain) {
      outcome = await client.transact(
        {
          ...settings,
          ...locking,
          branches: job.branches,
          requestId: job.requestId,
          requestAgeMs: Math.ceil((this.world.nowMs - job.firstAtMs) * 1.02),
          attempt: outcome.attempt + 1,
        },
        call,
      );
      record.attempt = outcome.attempt;
    }
    return outcome;
  }

  #end(record: CallRecord): void {
    this.#underWay.delete(record);
    const { ended, code, txid } = record;
    this.world.note(this.name, `call ${record.job.tag} ended ${ended} ${code ?? ''} ${txid ?? ''}`);
    this.options.ended(record);
  }

  protected override async run(process: SimProcess): Promise<void> {
    const { network, urls } = this.options;
    const client = await connect({
      urls,
      name: clientNameOf(this.name),
      dialer: network.dialer(process),
      clock: process.clock,
      random: process.chance,
      // Until there is a node: it may take long.
      timeoutMs: 3_600_000,
    });
    if (!process.alive) return;
    this.#client = client;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const make of waiting) make();
  }

  protected override fell(process: SimProcess, options: { readonly tells: boolean }): void {
    this.#client = null;
    this.#found = 'no';
    this.#waiting = [];
    for (const record of this.#underWay) {
      record.ended = 'died';
      this.#end(record);
    }
    this.options.network.died(process, options);
  }
}
