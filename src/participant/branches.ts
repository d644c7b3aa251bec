/**
 * All branches in memory: what comes in for them, and their machine, fed one event at a time.
 *
 * Events from outside pass through an inbox: before the first (in a shared resource before each)
 * the journal is asked what it knows of the branch. The application's and the journal's results,
 * and timers, are stepped at once.
 */
import {
  type BranchContext,
  type BranchIdentity,
  type ConnectionId,
  type LocalBranch,
  type LocalEvent,
  settledStates,
  stepBranch,
  unknownBranch,
} from '../core/branch/branch.ts';
import type {
  Ack,
  CommitBranch,
  DecisionMessage,
  Described,
  Prepare,
  RollbackBranch,
  VoteMessage,
  Working,
} from '../core/messages.ts';
import { type TraceContext, traceOf } from '../core/trace-context.ts';
import { type Epoch, epochOf, epochZero, shardOf, type Txid } from '../core/txid.ts';
import type { JournalEntry } from '../ports/journal.ts';
import type { Application, PrepareRun } from './application.ts';
import type { BranchTimers } from './branch-timers.ts';
import type { ParticipantContext } from './context.ts';
import type { Doubt } from './doubt.ts';
import { carryOut } from './effects.ts';
import { closedText, settleEnlisting } from './enlist.ts';
import type { Epochs } from './epochs.ts';
import { Forgets } from './forgets.ts';
import type { ParticipantAlarm } from './options.ts';
import { UnderWay } from './under-way.ts';

export interface Branch {
  readonly identity: BranchIdentity;
  readonly shard: number;
  /** Of its machine. */
  local: LocalBranch;
  /** What the journal knows of it was read. */
  looked: boolean;
  /** Events from outside, while the journal is read for them. */
  readonly inbox: LocalEvent[];
  draining: boolean;
  /** Of the latest message about it, for the calls of the application. */
  trace: TraceContext | null;
  /** The application's prepare, while it runs. */
  prepareRun: PrepareRun | null;
  /** By itself, and its application may work. */
  enlisted: boolean;
  /** Calls of enlist that wait for their answer. */
  enlisting: ((refusal: string | null) => void)[];
}

/** What branches work with, all made before them. */
export interface BranchPorts extends ParticipantContext, Omit<BranchContext, 'knownEpoch'> {
  readonly application: Application;
  readonly timers: BranchTimers<Branch>;
  readonly doubt: Doubt<Branch>;
  readonly epochs: Epochs;
  readonly alarm: (alarm: ParticipantAlarm) => void;
  readonly send: (to: ConnectionId, message: VoteMessage | Ack | Working | Described) => void;
  readonly isOpen: (connection: ConnectionId) => boolean;
  /** A command for a branch in doubt, before it is carried out. */
  readonly commanded: (connection: ConnectionId, txid: Txid) => void;
  /** The connection to the shard's leader; null: there is none. */
  readonly leader: (shard: number) => ConnectionId | null;
  /** A readonly vote is only in the journal from now on. */
  readonly votedReadonly: (branch: BranchIdentity) => void;
}

/** Votes given without asking the application. */
const refusals = {
  full: 'The participant is at its limit of prepares. Try the transaction again.',
  stopping: 'The participant is stopping. Try the transaction again.',
  otherEpoch: 'The prepare is of another leadership than its transaction.',
} as const;

export class Branches {
  readonly ports: BranchPorts;
  /** Calls of the application and writes to the journal. */
  readonly underWay: UnderWay;
  readonly forgets: Forgets;
  readonly #branches = new Map<Txid, Branch[]>();
  /** For one step: the epoch is that of its branch's shard. */
  readonly #context: { -readonly [Name in keyof BranchContext]: BranchContext[Name] };
  #leaving = false;
  #stopping = false;
  #dead = false;

  constructor(ports: BranchPorts) {
    this.ports = ports;
    const { shared, siblings, recordsStart, keepsVotes } = ports;
    this.#context = { knownEpoch: epochZero, shared, siblings, recordsStart, keepsVotes };
    this.underWay = new UnderWay(ports.fatal);
    this.forgets = new Forgets(ports.journal, this.underWay);
  }

  *all(): IterableIterator<Branch> {
    for (const branches of this.#branches.values()) yield* branches;
  }

  of(txid: Txid): readonly Branch[] {
    return this.#branches.get(txid) ?? [];
  }

  /** Made where there is none. */
  at({ txid, branch: name }: BranchIdentity): Branch {
    const known = this.#get(txid, name);
    if (known !== undefined) return known;
    const identity = { txid, branch: name };
    const branch: Branch = {
      identity,
      shard: shardOf(txid),
      local: unknownBranch(identity),
      looked: false,
      inbox: [],
      draining: false,
      trace: null,
      prepareRun: null,
      enlisted: false,
      enlisting: [],
    };
    const others = this.#branches.get(txid);
    if (others === undefined) this.#branches.set(txid, [branch]);
    else others.push(branch);
    return branch;
  }

  prepare(connection: ConnectionId, message: Prepare): void {
    if (this.#dead) return;
    const { txid, branch, epoch } = message;
    // No later leader prepares a transaction of an earlier one.
    if (epoch !== epochOf(txid)) return this.#refuse(connection, message, 'otherEpoch');
    if (this.#get(txid, branch) === undefined) {
      // Nothing is written down for these: a repeat, on this connection or another, may fare
      // better, and votes count in order and only from the latest.
      if (this.#stopping) return this.#refuse(connection, message, 'stopping');
      if (this.ports.application.full) return this.#refuse(connection, message, 'full');
    }
    const known = this.at(message);
    known.trace = traceOf(message);
    this.receive(known, { type: 'prepare', connection, prepare: message });
  }

  command(connection: ConnectionId, message: CommitBranch | RollbackBranch): void {
    if (this.#dead) return;
    const { type, txid, epoch } = message;
    const branch = this.at(message);
    branch.trace = traceOf(message) ?? branch.trace;
    if (branch.local.state === 'prepared') this.ports.commanded(connection, txid);
    this.receive(branch, { type, connection, epoch });
  }

  forget(txids: readonly Txid[]): void {
    if (this.#dead) return;
    for (const txid of txids) {
      // Those that only the journal knows (readonly votes) are forgotten there.
      this.forgets.add(txid);
      for (const branch of this.#branches.get(txid) ?? []) this.receive(branch, { type: 'forget' });
    }
  }

  answer({ txid, decision }: Pick<DecisionMessage, 'txid' | 'decision'>): void {
    if (this.#dead) return;
    for (const branch of [...(this.#branches.get(txid) ?? [])]) {
      this.receive(branch, { type: 'answer', decision });
    }
  }

  /** What the journal held on start: known without asking. */
  load(entry: JournalEntry): void {
    const branch = this.at(entry);
    branch.looked = true;
    this.step(branch, { type: 'journal', found: entry });
  }

  connectionLost(connection: ConnectionId): void {
    if (this.#dead) return;
    for (const branch of this.all()) this.step(branch, { type: 'connection-lost', connection });
  }

  /** What works for an older epoch is never prepared (I7, no stale prepare): it rolls back here. */
  epochAdopted(shard: number, epoch: Epoch): void {
    for (const branch of this.all()) {
      const { txid, state } = branch.local;
      if (state !== 'working' || branch.shard !== shard || epochOf(txid) >= epoch) continue;
      this.ports.timers.stop('limit', branch);
      this.step(branch, { type: 'limit-over' });
    }
  }

  /** Nothing is enlisted here any more. */
  get closed(): boolean {
    return this.#dead || this.#leaving;
  }

  /** Null when the application may work, else why not. */
  enlist(identity: BranchIdentity): Promise<string | null> {
    if (this.closed) return Promise.resolve(closedText);
    return new Promise((resolve) => {
      const branch = this.at(identity);
      branch.enlisting.push(resolve);
      this.receive(branch, { type: 'enlisted' });
    });
  }

  /** Nothing is begun here any more but what nodes have sent. */
  leave(): void {
    this.#leaving = true;
  }

  /** No prepare of a new branch is taken from now on. Resolves when nothing is under way. */
  drain(): Promise<void> {
    this.#stopping = true;
    return this.underWay.none();
  }

  /** Nothing is stepped, sent or written any more. */
  stop(): void {
    this.#dead = true;
    this.underWay.stopped = true;
    this.ports.timers.close();
    this.ports.doubt.close();
    this.ports.application.close();
    for (const branch of this.all()) {
      branch.prepareRun?.interrupt('closed');
      settleEnlisting(branch, closedText);
    }
  }

  /** An event from outside. */
  receive(branch: Branch, event: LocalEvent): void {
    if (this.#dead) return;
    const { journal, shared } = this.ports;
    if (!branch.draining && !shared) {
      // Nothing known is what the machine begins with.
      branch.looked ||= journal.isUnwritten(branch.identity);
      if (branch.looked) {
        this.step(branch, event);
        return;
      }
    }
    branch.inbox.push(event);
    if (!branch.draining) void this.#drain(branch);
  }

  /** An event of this process itself: a result, or a timer. */
  step(branch: Branch, event: LocalEvent): void {
    if (this.#dead) return;
    this.#context.knownEpoch = this.ports.epochs.known(branch.shard);
    const step = stepBranch(branch.local, event, this.#context);
    branch.local = step.branch;
    for (const effect of step.effects) {
      if (this.#dead) return;
      carryOut(this, branch, effect);
    }
    this.#dropSettled(branch);
  }

  /**
   * Where several processes have the journal, another may have ended these meanwhile (!): who slept
   * for long, and asked without looking, would ask about commits that are collected long since.
   */
  async refresh(txids: readonly Txid[]): Promise<void> {
    if (!this.ports.shared) return;
    for (const txid of txids) {
      for (const branch of this.#branches.get(txid) ?? []) {
        if (branch.local.state === 'prepared' && !this.#dead) await this.#look(branch);
        this.#dropSettled(branch);
      }
    }
  }

  async #look(branch: Branch): Promise<void> {
    const { identity } = branch;
    for (;;) {
      const before = branch.local;
      // A late prepare right behind the `forget` would bring its commit back for good.
      await this.forgets.written(identity.txid);
      const found = await this.ports.journal.find(identity);
      // A result came in between: what was read may be older than it.
      if (branch.local !== before) continue;
      branch.looked = true;
      this.step(branch, { type: 'journal', found });
      return;
    }
  }

  async #drain(branch: Branch): Promise<void> {
    const { inbox } = branch;
    const { shared } = this.ports;
    branch.draining = true;
    try {
      for (let event = inbox[0]; event !== undefined; event = inbox[0]) {
        if (!branch.looked || shared) await this.#look(branch);
        inbox.shift();
        if (this.#stillCounts(event)) this.step(branch, event);
      }
    } catch (error) {
      inbox.length = 0;
      if (!this.#dead) this.ports.fatal(error);
    } finally {
      branch.draining = false;
    }
    this.#dropSettled(branch);
  }

  /** False for an event of a connection that closed while it waited: it is dropped (8.4). */
  #stillCounts(event: LocalEvent): boolean {
    const told = event.type === 'prepare' || event.type === 'commit' || event.type === 'rollback';
    return !told || this.ports.isOpen(event.connection);
  }

  /** The journal says the same, and is asked when the branch is mentioned again. */
  #dropSettled(branch: Branch): void {
    const { identity, local } = branch;
    if (branch.draining || !settledStates.includes(local.state)) return;
    const branches = this.#branches.get(identity.txid);
    if (branches?.includes(branch) !== true) return;
    if (local.state === 'readonly') this.ports.votedReadonly(identity);
    if (branches.length === 1) {
      this.#branches.delete(identity.txid);
      return;
    }
    // A new list: someone may be going through the old one.
    this.#branches.set(
      identity.txid,
      branches.filter((other) => other !== branch),
    );
  }

  #get(txid: Txid, name: string): Branch | undefined {
    return this.#branches.get(txid)?.find(({ identity }) => identity.branch === name);
  }

  #refuse(to: ConnectionId, { txid, branch }: Prepare, why: keyof typeof refusals): void {
    const message = refusals[why];
    const reason = { code: 'VOTED_ABORT', message, retryable: true } as const;
    this.ports.logger.warn({ txid, branch }, message);
    this.ports.send(to, { type: 'vote', txid, branch, vote: 'abort', reason });
  }
}
