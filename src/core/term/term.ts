/**
 * The coordinator of one shard during one epoch: events in, effects out.
 *
 * A term is made when a leadership begins and dropped when it ends, so that no state outlives the
 * right to use it. It does no I/O, knows no clock and draws no lots: `step(event, nowMs)` changes
 * what it remembers and appends to an outbox, whose order is part of the contract (see Effect).
 */
import type { Figures } from '../figures.ts';
import type { List, Locks, Owners, QueueInfo, ShardInfo } from '../messages.ts';
import { outcomeOf } from '../transaction.ts';
import { makePosition, type Position, positionOf, type Txid } from '../txid.ts';
import type { Effect, LogAnswer, RequestAnswer, Sender, TermEvent, TermRequest } from './events.ts';
import { factsOf, type TermFacts } from './facts.ts';
import {
  admitWaiting,
  beginLooks,
  flowOf,
  flowQueues,
  forgetIdle,
  hasFreed,
  isOwedLooks,
  type ParticipantFlow,
} from './flow/flow.ts';
import {
  attemptRead,
  begin,
  commit,
  enlist,
  expiredRead,
  lock,
  rollback,
  transact,
  transactionTimedOut,
} from './intake/intake.ts';
import {
  counts,
  type Listing,
  list,
  type OwedAcknowledgement,
  owed,
  recent,
} from './listing/listing.ts';
import { hasGranted, type LockListing, listLocks, lockTable, serveGrants } from './locks/locks.ts';
import {
  acknowledgeByHand,
  failAsked,
  retryCommands,
  settlementWritten,
} from './operator/operator.ts';
import { ownersOf, participantConnected, participantLost, retire } from './participants.ts';
import {
  decided,
  freeze,
  lockHeldTooLong,
  lockTimedOut,
  prepareTimedOut,
  startPrepares,
  vote,
  working,
} from './phase-one/phase-one.ts';
import {
  acknowledge,
  commandAllByHand,
  finished,
  finishing,
  isKeptByHand,
  retry,
  sendWaiting,
} from './phase-two/phase-two.ts';
import type { RequestQuestion } from './questions.ts';
import {
  answerLateVote,
  answerWaiting,
  ask,
  askerLost,
  decisionRead,
  hasWaiting,
  inDoubtRead,
  keptRead,
  lose,
  lostRead,
  report,
  reportWitnessesRead,
  resumedByScan,
  scanEnded,
  scanned,
  scanStarted,
  status,
  statusRead,
  waitingDoubts,
  witnessRead,
} from './recovery/recovery.ts';
import { abortedRead, forgetRequests, requestTable } from './requests/requests.ts';
import { type TermConfig, TermState, type TimerTarget } from './state.ts';

export class Term {
  readonly #state: TermState;

  constructor(config: TermConfig) {
    this.#state = new TermState(config);
  }

  /**
   * Feeds one event. Take the effects with `drain`; several steps may share one drain.
   *
   * `timesOut` false: nothing times out in this step. What would end a wait for others may lie
   * unread, for this process stood still.
   */
  step(event: TermEvent, nowMs: number, { timesOut = true }: { timesOut?: boolean } = {}): void {
    const state = this.#state;
    // A clock that goes back would make timers fire late, never early.
    state.nowMs = Math.max(state.nowMs, nowMs);
    if (state.lost && event.type !== 'read') return;
    beginLooks(state, event.type);
    this.#handle(event);
    if (state.lost) return;
    this.#serve();
    if (!timesOut) return;
    state.timers.advance(state.nowMs, (target) => this.#fire(target));
    this.#serve();
  }

  /**
   * What the event made possible for those who wait: for a lock, for a place with a participant,
   * for the turn of a command. One leads to another: who got its lock wants a place, is refused
   * one, and lets the lock go.
   */
  #serve(): void {
    const state = this.#state;
    do {
      serveGrants(state, freeze);
      admitWaiting(state, startPrepares);
      sendWaiting(state);
    } while (hasGranted(state) || hasFreed(state));
  }

  /** The effects since the last call, in order. */
  drain(): Effect[] {
    const effects = this.#state.outbox;
    this.#state.outbox = [];
    return effects;
  }

  /** Whether notes of level debug are wanted from now on. */
  wantDebug(debug: boolean): void {
    this.#state.config.debug = debug;
  }

  /** All that it remembers, for printing and comparing: data without a function in it. */
  get memory(): object {
    const { config: _config, ...memory } = this.#state;
    return memory;
  }

  /** When to send `wake` next, or null. */
  wakeAtMs(): number | null {
    const state = this.#state;
    if (state.lost) return null;
    return this.owesLooks ? state.nowMs : state.timers.nextAtMs();
  }

  /** A `wake` is due for those who wait for a place, whatever times out. */
  get owesLooks(): boolean {
    return isOwedLooks(this.#state);
  }

  /** Below this everything is decided: the floor may not reach it (I9). */
  undecidedFrom(): Position {
    const { transactions, config, nextSequence } = this.#state;
    for (const transaction of transactions.values()) {
      if (outcomeOf(transaction.state) === null) return positionOf(transaction.txid);
    }
    return makePosition(config.epoch, nextSequence);
  }

  /** Of the next transaction that begins. */
  nextPosition(): Position {
    const { config, nextSequence } = this.#state;
    return makePosition(config.epoch, nextSequence);
  }

  /** Whether a transaction of this request id is in memory: its key must not be collected. */
  keepsRequest(requestId: string): boolean {
    return requestTable(this.#state).isLive(requestId);
  }

  /** Transactions that some client may still be waiting for. */
  undecided(): number {
    let count = 0;
    for (const transaction of this.#state.transactions.values()) {
      if (outcomeOf(transaction.state) === null) count += 1;
    }
    return count;
  }

  /** Whether it is, or was lately, a transaction of this leadership. */
  remembers(txid: Txid): boolean {
    const state = this.#state;
    return (
      state.transactions.has(txid) ||
      finishing(state).has(txid) ||
      recent(state).get(txid) !== null ||
      isKeptByHand(state, txid)
    );
  }

  get figures(): Figures {
    return this.#state.figures;
  }

  get size(): number {
    return this.#state.transactions.size;
  }

  /** Transactions that are over and whose record is on its way to finished/. */
  get moving(): number {
    return finishing(this.#state).size;
  }

  /** Doubts that waited for a scan: `doubts-due` answers some more of them. */
  get hasWaitingDoubts(): boolean {
    return hasWaiting(this.#state);
  }

  get resumedByScan(): number {
    return resumedByScan(this.#state);
  }

  list(filter: Omit<List, 'type' | 'id'>): Listing {
    return list(this.#state, filter);
  }

  locks(filter: Omit<Locks, 'type' | 'id'>): LockListing {
    return listLocks(this.#state, filter);
  }

  /** What it knows of one transaction, for an explanation. */
  facts(txid: Txid): TermFacts {
    return factsOf(this.#state, txid);
  }

  /** What participants have not acknowledged yet. */
  owed(): OwedAcknowledgement[] {
    return owed(this.#state);
  }

  /** What may become long in this term. */
  queues(): QueueInfo[] {
    const state = this.#state;
    const { shard, options } = state.config;
    const { maxTransactions, maxRequests, maxLockWaiters } = options;
    const entries = this.size + this.moving;
    const queues: QueueInfo[] = [
      { queue: 'transactions', entries, maxEntries: maxTransactions },
      { queue: 'request-ids', entries: requestTable(state).size, maxEntries: maxRequests },
      ...flowQueues(state),
      { queue: 'lock-waiters', entries: lockTable(state).waiting, maxEntries: maxLockWaiters },
    ];
    return queues.map((queue) => ({ ...queue, shard }));
  }

  /** How it stands with each participant. */
  participants(): ParticipantFlow[] {
    return flowOf(this.#state);
  }

  /** Doubts that wait for the end of a scan. */
  get waitingDoubts(): number {
    return waitingDoubts(this.#state);
  }

  info(): Pick<ShardInfo, 'states' | 'attention'> {
    return counts(this.#state);
  }

  owners(participant: string): Owners {
    return ownersOf(this.#state, participant);
  }

  #handle(event: TermEvent): void {
    const state = this.#state;
    switch (event.type) {
      case 'message':
        return this.#message(event.from, event.message, event.requestHash);
      case 'participant-connected':
        return participantConnected(state, event);
      case 'participant-leaves':
        return state.connected.leaves(event.connection);
      case 'participant-lost':
        askerLost(state, event.connection);
        return participantLost(state, event.connection);
      case 'decided':
        state.sawWitness(event.witness);
        return decided(state, event.txid, event.result);
      case 'finished':
        return finished(state, event.txids);
      case 'settlement-written':
        return settlementWritten(state, event.settlement, event.written);
      case 'request-read':
        return requestAnswered(state, event.token, event.entry, event.certain);
      case 'read':
        return answered(state, event.token, event.readings);
      case 'scan-started':
        return scanStarted(state);
      case 'scanned':
        return scanned(state, event.records);
      case 'scan-ended':
        return scanEnded(state, event.failed === true);
      case 'doubts-due':
        return answerWaiting(state);
      case 'tick':
        forgetIdle(state);
        commandAllByHand(state);
        state.sawWitness(event.witness);
        return forgetRequests(state, event.requestCount);
      case 'retired':
        return retire(state, event.retired);
      case 'drain':
        state.accepting = false;
        return;
      case 'lost':
        state.lost = true;
        failRequestReads(state);
        failAsked(state);
        return lose(state);
      case 'wake':
        return;
    }
  }

  #message(from: Sender, message: TermRequest, requestHash: string | null): void {
    const state = this.#state;
    switch (message.type) {
      case 'begin':
        return begin(state, from, message);
      case 'transact':
        return transact(state, from, message, requestHash);
      case 'enlist':
        return enlist(state, from, message);
      case 'lock':
        return lock(state, from, message);
      case 'commit':
        return commit(state, from, message);
      case 'rollback':
        return rollback(state, from, message);
      case 'status':
        return status(state, from, message);
      case 'query':
      case 'resolve':
        return ask(state, from, message);
      case 'report':
        return report(state, from, message);
      case 'vote':
        if (vote(state, from, message)) answerLateVote(state, from, message.txid);
        return;
      case 'working':
        return working(state, from, message);
      case 'ack':
        return acknowledge(state, from, message);
      case 'retry':
        return retryCommands(state, from, message);
      case 'acknowledge':
        return acknowledgeByHand(state, from, message);
    }
  }

  #fire(target: TimerTarget): void {
    const state = this.#state;
    switch (target.type) {
      case 'transaction':
        return transactionTimedOut(state, target.transaction);
      case 'lock':
        return lockTimedOut(state, target.request);
      case 'lock-hold':
        return lockHeldTooLong(state, target.transaction);
      case 'branch': {
        const { branch } = target;
        if (branch.state === 'committing' || branch.state === 'rolling-back') retry(state, branch);
        else if (branch.state === 'preparing' || branch.state === 'unreachable') {
          prepareTimedOut(state, branch);
        }
      }
    }
  }
}

/** `readings` is null where the log could not be read. */
function answered(state: TermState, token: number, readings: readonly LogAnswer[] | null): void {
  const question = state.reads.get(token);
  state.reads.delete(token);
  for (const { witness } of readings ?? []) state.sawWitness(witness);
  switch (question?.type) {
    case 'witness':
      return witnessRead(state, question, readings);
    case 'decision':
      return decisionRead(state, question, readings);
    case 'status':
      return statusRead(state, question, readings);
    case 'in-doubt':
      return inDoubtRead(state, question, readings);
    case 'report-witnesses':
      return reportWitnessesRead(state, question, readings);
    case 'report-kept':
      return keptRead(state, question, readings);
    case 'lost':
      return lostRead(state, question, readings);
    case undefined:
      return;
  }
}

/** What `requests/R` holds. `certain`: the leadership stood when this was handed over. */
function requestAnswered(
  state: TermState,
  token: number,
  entry: RequestAnswer,
  certain: boolean,
): void {
  const question = state.requestReads.get(token);
  state.requestReads.delete(token);
  if (question !== undefined) answerRequest(state, question, entry, certain);
}

function answerRequest(
  state: TermState,
  question: RequestQuestion,
  entry: RequestAnswer,
  certain: boolean,
): void {
  switch (question.type) {
    case 'attempt':
      return attemptRead(state, question.transaction, entry);
    case 'expired':
      return expiredRead(state, question, entry);
    case 'aborted':
      return abortedRead(state, question.transaction, certain ? entry : 'failed');
  }
}

/** The leadership is over: aborts under a request id may not be said any more. */
function failRequestReads(state: TermState): void {
  const unread = [...state.requestReads.values()];
  state.requestReads.clear();
  for (const question of unread) answerRequest(state, question, 'failed', false);
}
