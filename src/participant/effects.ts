/** What the branches' machines ask for, done: effects become calls, writes, messages and timers. */
import type { BranchStep, ConnectionId, LocalEffect, LocalEvent } from '../core/branch/branch.ts';
import type { Ack, DecisionMessage, VoteMessage, VoteReason, Witness } from '../core/messages.ts';
import { shardOf, type Txid } from '../core/txid.ts';
import type { Journal } from '../ports/journal.ts';
import type { Logger } from '../ports/logger.ts';
import type { Application, EndOf, Failure, PrepareEvents } from './application.ts';
import type { BranchRunner } from './branch-runner.ts';
import type { ParticipantReached } from './crash-points.ts';
import type { Doubt } from './doubt.ts';
import type { Epochs } from './epochs.ts';
import { eventOfOutcome, eventOfVote, tombstoneOf, voteEntry } from './journal-entries.ts';
import type { ParticipantAlarm } from './options.ts';

export interface EffectsOptions {
  readonly journal: Journal;
  readonly application: Application;
  readonly doubt: Doubt<BranchRunner>;
  readonly epochs: Epochs;
  readonly logger: Logger;
  readonly wallMs: () => number;
  readonly reached: ParticipantReached;
  readonly alarm: (alarm: ParticipantAlarm) => void;
  readonly fatal: (error: unknown) => void;
  readonly send: (to: ConnectionId, message: VoteMessage | Ack | Working) => void;
}
type Working = { readonly type: 'working'; readonly txid: Txid; readonly branch: string };

export class Effects {
  readonly #with: EffectsOptions;
  readonly #answered: (answer: Pick<DecisionMessage, 'txid' | 'decision'>) => void;
  /** Told to be forgotten in this turn: one write for all of them. */
  #forgetting: Set<Txid> | null = null;
  /** Told to be forgotten and not yet so in the journal, which takes its time about it. */
  readonly #forgets = new Map<Txid, Promise<void>>();
  /** Calls of the application and writes to the journal under way. */
  #underWay = 0;
  #quiet: (() => void) | null = null;
  #dead = false;

  /** `answered`: a node told the decision of a transaction in doubt. */
  constructor(
    options: EffectsOptions,
    answered: (answer: Pick<DecisionMessage, 'txid' | 'decision'>) => void,
  ) {
    this.#with = options;
    this.#answered = answered;
  }

  /** Resolves when nothing is under way. */
  quiet(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#quiet = resolve;
    });
  }

  /** Nothing is stepped, sent or written any more. */
  stop(): void {
    this.#dead = true;
    this.#with.doubt.close();
    this.#with.application.close();
  }

  failed(error: unknown): void {
    if (!this.#dead) this.#with.fatal(error);
  }

  carryOut(runner: BranchRunner, step: BranchStep): void {
    for (const effect of step.effects) {
      if (this.#dead) return;
      this.#carryOut(runner, effect);
    }
  }

  // The cases with callbacks are methods of their own: in one function, all of them would pay for each other's closures.
  #carryOut(runner: BranchRunner, effect: LocalEffect): void {
    const { application, doubt, send, logger } = this.#with;
    switch (effect.type) {
      case 'send':
        logger.debug(summary(effect.message), effect.message.type);
        return send(effect.to, effect.message);
      case 'call-prepare':
        this.#underWay += 1;
        runner.prepareRun = application.prepare(
          runner.identity,
          effect.prepare,
          this.#prepareEvents(runner),
        );
        return;
      case 'interrupt-prepare':
        return runner.prepareRun?.interrupt(effect.why);
      case 'call-commit':
        return this.#callCommit(runner, effect);
      case 'call-rollback':
        return this.#callRollback(runner, effect);
      case 'write-vote':
        return this.#writeVote(runner, effect);
      case 'write-committed':
        return this.#writeCommitted(runner);
      case 'write-tombstone':
        return this.#writeTombstone(runner, effect.reason);
      case 'write-forget':
        application.forgotten(runner.identity);
        return this.forgetLater(runner.identity.txid);
      case 'start-timer':
        return this.#startTimer(runner, effect);
      case 'stop-timer':
        return doubt.stop(effect.timer, runner);
      case 'query':
        return this.#query(runner, effect.witness);
      case 'enlist-settled':
        return runner.settleEnlisting(effect.refusal);
      case 'alarm': {
        const { alarm, message } = effect;
        return this.#with.alarm({ ...runner.identity, alarm, message });
      }
    }
  }

  #prepareEvents(runner: BranchRunner): PrepareEvents {
    return {
      working: () => this.#working(runner),
      timeout: () => this.#stepLater(runner, { type: 'prepare-timeout' }),
      prepared: (prepared) =>
        this.#ended(() => {
          runner.prepareRun = null;
          runner.step({ type: 'application-prepared', prepared });
        }),
    };
  }

  #callCommit(runner: BranchRunner, { payload, takenOver }: EndOf): void {
    const { application, reached } = this.#with;
    this.#underWay += 1;
    application.commit(runner.identity, { payload, takenOver }, (failure) =>
      this.#ended(() => {
        if (failure === null) reached('after-commit-applied');
        runner.step(endOf('application-committed', failure));
      }),
    );
  }

  #callRollback(runner: BranchRunner, { payload, takenOver }: EndOf): void {
    const { application, reached } = this.#with;
    this.#underWay += 1;
    application.rollback(runner.identity, { payload, takenOver }, (failure) =>
      this.#ended(() => {
        if (failure === null) reached('after-rollback-applied');
        runner.step(endOf('application-rolled-back', failure));
      }),
    );
  }

  #writeVote(runner: BranchRunner, effect: Extract<LocalEffect, { type: 'write-vote' }>): void {
    const { journal, wallMs, reached, epochs } = this.#with;
    const { identity } = runner;
    if (effect.state !== 'started') reached('before-vote-durable');
    this.#await(journal.vote(voteEntry(identity, effect, wallMs())), (result) => {
      if (result.kind === 'written') {
        if (effect.state !== 'started') reached('after-vote-durable');
        epochs.learned(shardOf(identity.txid), effect.epoch);
      }
      runner.step(eventOfVote(result));
    });
  }

  #writeCommitted(runner: BranchRunner): void {
    this.#await(this.#with.journal.committed(runner.identity), (result) => {
      this.#with.reached('after-outcome-durable');
      runner.step(eventOfOutcome(result));
    });
  }

  #writeTombstone(runner: BranchRunner, reason: VoteReason | null): void {
    const { identity } = runner;
    this.#await(this.#with.journal.tombstone(identity, tombstoneOf(identity, reason)), (result) =>
      runner.step(eventOfOutcome(result)),
    );
  }

  #startTimer(runner: BranchRunner, effect: Extract<LocalEffect, { type: 'start-timer' }>): void {
    const { doubt } = this.#with;
    switch (effect.timer) {
      case 'retry':
        return doubt.startRetry(runner, effect.attempt, () =>
          this.#stepLater(runner, { type: 'retry-due' }),
        );
      case 'limit':
        return doubt.start('limit', runner, () => this.#stepLater(runner, { type: 'limit-over' }));
      case 'patience':
        return doubt.start('patience', runner, () => this.#patienceOver(runner));
    }
  }

  #query(runner: BranchRunner, witness: Witness | null): void {
    const { doubt, logger } = this.#with;
    const { txid, branch } = runner.identity;
    logger.info({ txid, branch }, 'in doubt for longer than the patience: asking for the outcome');
    doubt.query(runner, { txid, witness }, (decision) => this.#answered({ txid, decision }));
  }

  /** Another process of a shared resource may have learned the outcome meanwhile: the journal is asked first. */
  #patienceOver(runner: BranchRunner): void {
    if (!this.#dead) runner.receive({ type: 'patience-over' });
  }

  #stepLater(runner: BranchRunner, event: LocalEvent): void {
    if (!this.#dead) runner.step(event);
  }

  #working(runner: BranchRunner): void {
    const { state, identity } = runner;
    if (this.#dead || state.state !== 'preparing' || state.voter === null) return;
    this.#with.send(state.voter, { type: 'working', ...identity });
  }

  forgetLater(txid: Txid): void {
    if (this.#forgetting !== null) {
      this.#forgetting.add(txid);
      return;
    }
    this.#forgetting = new Set([txid]);
    queueMicrotask(() => {
      const txids = [...(this.#forgetting ?? [])];
      this.#forgetting = null;
      if (this.#dead) return;
      const written = this.#with.journal.forget(txids);
      const forgotten = written.catch(() => undefined);
      for (const each of txids) this.#forgets.set(each, forgotten);
      this.#await(written, () => {
        for (const each of txids) {
          if (this.#forgets.get(each) === forgotten) this.#forgets.delete(each);
        }
      });
    });
  }

  /** Resolves when what was told to be forgotten is so in the journal. */
  async forgotten(txid: Txid): Promise<void> {
    if (this.#forgetting?.has(txid) === true) await Promise.resolve();
    await this.#forgets.get(txid);
  }

  #await<T>(work: Promise<T>, then: (result: T) => void): void {
    this.#underWay += 1;
    work.then(
      (result) => this.#ended(() => then(result)),
      (error: unknown) =>
        this.#ended(() => {
          throw error;
        }),
    );
  }

  /** Of a call or a write that was under way. */
  #ended(then: () => void): void {
    try {
      if (!this.#dead) then();
    } catch (error) {
      this.failed(error);
    }
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#quiet?.();
  }
}

function endOf(
  done: 'application-committed' | 'application-rolled-back',
  failure: Failure | null,
): LocalEvent {
  return failure === null ? { type: done } : { type: 'application-failed', ...failure };
}

/** What may be logged of a message: no result, no detail. */
function summary(message: VoteMessage | Ack): object {
  const { txid, branch } = message;
  if (message.type === 'vote') return { txid, branch, vote: message.vote };
  return { txid, branch, decision: message.decision, ok: message.ok };
}
