/** All branches in memory, and what comes in for them. */
import {
  type BranchContext,
  type BranchIdentity,
  type BranchStep,
  type ConnectionId,
  type LocalEvent,
  settledStates,
} from '../core/branch/branch.ts';
import type { DecisionMessage, Prepare, VoteReason } from '../core/messages.ts';
import { type Epoch, epochOf, shardOf, type Txid } from '../core/txid.ts';
import { BranchRunner, type RunnerWorld } from './branch-runner.ts';
import { Effects, type EffectsOptions } from './effects.ts';
import { foundOf } from './journal-entries.ts';
import { refusals } from './refusals.ts';

export interface BranchesOptions extends EffectsOptions {
  readonly shared: boolean;
  readonly siblings: boolean;
  readonly recordsStart: boolean;
  readonly isOpen: (connection: ConnectionId) => boolean;
  /** A readonly vote is only in the journal from now on. */
  readonly votedReadonly: (branch: BranchIdentity) => void;
}

export class Branches implements RunnerWorld {
  readonly #with: BranchesOptions;
  readonly #runners = new Map<Txid, BranchRunner[]>();
  readonly #effects: Effects;
  #leaving = false;
  #stopping = false;
  #dead = false;

  constructor(options: BranchesOptions) {
    this.#with = options;
    this.#effects = new Effects(options, (decision) => this.answer(decision));
  }

  *all(): IterableIterator<BranchRunner> {
    for (const runners of this.#runners.values()) yield* runners;
  }

  get(identity: BranchIdentity): BranchRunner | null {
    const runners = this.#runners.get(identity.txid);
    return runners?.find((runner) => runner.identity.branch === identity.branch) ?? null;
  }

  /** The branch's runner, made where there is none. */
  at({ txid, branch }: BranchIdentity): BranchRunner {
    const known = this.get({ txid, branch });
    if (known !== null) return known;
    const runner = new BranchRunner({ txid, branch }, this);
    const runners = this.#runners.get(txid);
    if (runners === undefined) this.#runners.set(txid, [runner]);
    else runners.push(runner);
    return runner;
  }

  prepare(connection: ConnectionId, message: Prepare): void {
    if (this.#dead) return;
    const { txid, branch, epoch, witness, timeoutMs, payload, traceparent } = message;
    if (epoch !== epochOf(txid)) {
      // No later leader prepares a transaction of an earlier one.
      this.#refuse(connection, message, refusals.otherEpoch);
      return;
    }
    if (this.get(message) === null) {
      // Nothing is written down for these: a repeat, on this connection or another, may fare better,
      // and votes count in order and only from the latest.
      if (this.#stopping) return this.#refuse(connection, message, refusals.stopping);
      if (this.#with.application.full) return this.#refuse(connection, message, refusals.full);
    }
    const prepare = {
      epoch,
      witness,
      timeoutMs,
      payload,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    this.at({ txid, branch }).receive({ type: 'prepare', connection, prepare });
  }

  command(
    connection: ConnectionId,
    message: BranchIdentity & { type: 'commit' | 'rollback'; epoch: Epoch },
  ): void {
    if (this.#dead) return;
    const { type, epoch } = message;
    this.at(message).receive({ type, connection, epoch });
  }

  forget(txids: readonly Txid[]): void {
    if (this.#dead) return;
    for (const txid of txids) {
      // Those that only the journal knows (readonly votes) are forgotten there.
      this.#effects.forgetLater(txid);
      for (const runner of this.#runners.get(txid) ?? []) runner.receive({ type: 'forget' });
    }
  }

  answer(message: Pick<DecisionMessage, 'txid' | 'decision'>): void {
    if (this.#dead) return;
    for (const runner of [...(this.#runners.get(message.txid) ?? [])]) {
      runner.receive({ type: 'answer', decision: message.decision });
    }
  }

  connectionLost(connection: ConnectionId): void {
    if (this.#dead) return;
    for (const runner of this.all()) runner.step({ type: 'connection-lost', connection });
  }

  /** What works for an older epoch can never be prepared (I7), and nobody is left to roll it back. */
  epochAdopted(shard: number, epoch: Epoch): void {
    for (const runner of this.all()) {
      const { txid } = runner.identity;
      if (runner.state.state !== 'working' || shardOf(txid) !== shard || epochOf(txid) >= epoch)
        continue;
      this.#with.doubt.stop('limit', runner);
      runner.step({ type: 'limit-over' });
    }
  }

  /** Null when the application may work, else why not. */
  enlist(identity: BranchIdentity): Promise<string | null> {
    if (this.#dead || this.#leaving) return Promise.resolve('the participant is closed');
    return new Promise((resolve) => {
      const runner = this.at(identity);
      runner.enlisting.push(resolve);
      runner.receive({ type: 'enlisted' });
    });
  }

  /** Nothing is begun here any more but what nodes have sent. */
  leave(): void {
    this.#leaving = true;
  }

  /** No prepare of a new branch is taken from now on. Resolves when nothing is under way. */
  drain(): Promise<void> {
    this.#stopping = true;
    return this.#effects.quiet();
  }

  /** Nothing is stepped, sent or written any more. */
  stop(): void {
    this.#dead = true;
    this.#effects.stop();
    for (const runner of this.all()) {
      runner.prepareRun?.interrupt('closed');
      runner.settleEnlisting('the participant is closed');
    }
  }

  // ---- what a runner asks for ----

  get shared(): boolean {
    return this.#with.shared;
  }

  context(runner: BranchRunner): BranchContext {
    const { epochs, shared, siblings, recordsStart } = this.#with;
    const knownEpoch = epochs.known(shardOf(runner.identity.txid));
    return { knownEpoch, shared, siblings, recordsStart };
  }

  isUnwritten(identity: BranchIdentity): boolean {
    return this.#with.journal.isUnwritten(identity);
  }

  async find(identity: BranchIdentity): Promise<ReturnType<typeof foundOf>> {
    // A late prepare right behind the `forget` would find the commit still, and bring it back to memory for good.
    await this.#effects.forgotten(identity.txid);
    return foundOf(await this.#with.journal.find(identity));
  }

  stillCounts(event: LocalEvent): boolean {
    if (this.#dead) return false;
    const told = event.type === 'prepare' || event.type === 'commit' || event.type === 'rollback';
    return !told || this.#with.isOpen(event.connection);
  }

  idle(runner: BranchRunner): void {
    if (runner.busy || !settledStates.includes(runner.state.state)) return;
    const { txid } = runner.identity;
    const runners = this.#runners.get(txid);
    if (runners === undefined || !runners.includes(runner)) return;
    if (runner.state.state === 'readonly') this.#with.votedReadonly(runner.identity);
    if (runners.length === 1) this.#runners.delete(txid);
    else
      this.#runners.set(
        txid,
        runners.filter((other) => other !== runner),
      );
  }

  failed(error: unknown): void {
    this.#effects.failed(error);
  }

  carryOut(runner: BranchRunner, step: BranchStep): void {
    this.#effects.carryOut(runner, step);
  }

  #refuse(connection: ConnectionId, { txid, branch }: BranchIdentity, reason: VoteReason): void {
    this.#with.logger.warn({ txid, branch }, reason.message);
    this.#with.send(connection, { type: 'vote', txid, branch, vote: 'abort', reason });
  }
}
