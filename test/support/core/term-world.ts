/**
 * A term among clients, participants, a log and a clock, all of which do what the numbers say:
 * answer late, twice, in any order, wrongly, or not at all. Every step is watched by a TermChecker.
 * Then `heal` lets everybody behave, and everything must come to its end.
 */

import {
  type CoordinatorOptions,
  coordinatorOptions,
} from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import type {
  DecideResult,
  DecisionWrite,
  RecordedLocks,
  Settlement,
} from '../../../src/core/records.ts';
import { concerns, type Retired } from '../../../src/core/retired.ts';
import type { Effect, Note, TermEvent, TermRequest } from '../../../src/core/term/events.ts';
import { Term } from '../../../src/core/term/term.ts';
import { type Epoch, makeEpoch, randomDigits, type Txid } from '../../../src/core/txid.ts';
import { LoadChecker } from '../checks/load-checker.ts';
import { TermChecker } from '../checks/term-checker.ts';
import { type Instance, LogModel } from '../logs/log-model.ts';
import { makeTxid } from './txids.ts';

export const requestWindowMs = 120_000;
export const worldEpoch: Epoch = makeEpoch({ generation: 0, revision: 50n });
const oldEpoch: Epoch = makeEpoch({ generation: 0, revision: 40n });

export const instances: readonly Instance[] = [
  { participant: 'a', instance: 'a1', sharedResource: null },
  { participant: 'a', instance: 'a2', sharedResource: null },
  { participant: 'b', instance: 'b1', sharedResource: 'db' },
  { participant: 'b', instance: 'b2', sharedResource: 'db' },
  { participant: 'c', instance: 'c1', sharedResource: null },
];

interface Delivery {
  readonly connection: number;
  readonly message: FromNode & { type: 'prepare' | 'commit' | 'rollback' };
}

type LogWork =
  | { readonly kind: 'decide'; readonly write: DecisionWrite; result: DecideResult | null }
  | { readonly kind: 'finish'; readonly txid: Txid; done: boolean }
  | { readonly kind: 'settle'; readonly settlement: Settlement; written: boolean | null }
  | { readonly kind: 'read-request'; readonly token: number; readonly requestId: string }
  | { readonly kind: 'read'; readonly token: number; readonly txids: readonly Txid[] }
  | { readonly kind: 'page'; readonly event: TermEvent };

export class TermWorld {
  readonly log: LogModel = new LogModel(worldEpoch);
  readonly checker: TermChecker = new TermChecker(this.log, requestWindowMs);
  readonly load: LoadChecker;
  readonly term: Term;
  readonly txids: Txid[] = [];
  readonly retired: Retired[] = [];
  nowMs = 1_000;
  lost = false;
  /** All that was sent, and all that was noted. */
  readonly sent: { readonly connection: number; readonly message: FromNode }[] = [];
  readonly notes: Note[] = [];
  inbox: Delivery[] = [];
  work: LogWork[] = [];
  open: { readonly connection: number; readonly instance: Instance }[] = [];
  readonly #votes = new Map<string, 'commit' | 'abort' | 'readonly'>();
  readonly #firstSentAtMs = new Map<string, number>();
  #nextConnection = 100;
  #nextId = 1;
  #nextRandom = 0;
  #scanning = false;

  constructor(given: Partial<CoordinatorOptions> = {}) {
    const options = coordinatorOptions(given);
    this.load = new LoadChecker(options);
    this.term = new Term({
      shard: 0,
      shards: 1,
      epoch: worldEpoch,
      leader: { shard: 0, epoch: worldEpoch, node: 'n1', url: 'ws://n1' },
      witness: this.log.witness,
      requestWindowMs,
      options,
      fraction: () => 0.5,
      shareOf: () => 'share-1',
      randomPart: () => (this.#nextRandom++).toString(36).padStart(randomDigits, '0'),
      wallMs: () => 0,
      debug: true,
      nowMs: this.nowMs,
    });
  }

  /** A commit of the last leadership that is not acknowledged yet, or is finished. */
  inherit(
    sequence: number,
    more: { requestId: string | null; finished: boolean; locks?: RecordedLocks },
  ): Txid {
    const random = 'z'.repeat(13);
    const txid = makeTxid({ shard: 0, epoch: oldEpoch, sequence, random });
    const owners = instances.filter((_, index) => (sequence >> index) % 2 === 1);
    const branches = owners.map((owner) => ({
      branch: `x-${owner.instance}`,
      participant: owner.participant,
      instance: owner.instance,
      ...(owner.sharedResource === null ? {} : { sharedResource: owner.sharedResource }),
    }));
    const request =
      more.requestId === null ? {} : { requestId: more.requestId, requestHash: 'hash-0' };
    const locks = more.locks === undefined ? {} : { locks: more.locks };
    const record = { txid, outcome: 'commit', branches, ...request, ...locks, atMs: 0 } as const;
    this.log.records.set(txid, { record, finished: more.finished, finishedAtMs: this.nowMs });
    if (more.requestId !== null) {
      this.log.requests.set(more.requestId, { txid, requestHash: 'hash-0' });
      this.#firstSentAtMs.set(more.requestId, this.nowMs);
    }
    this.txids.push(txid);
    return txid;
  }

  step(event: TermEvent): void {
    if (this.lost && event.type !== 'read') return;
    if (event.type === 'lost') {
      this.lost = true;
      // The fence: nothing of this epoch is written from here on.
      this.log.leader = makeEpoch({ generation: 0, revision: 60n });
    }
    this.checker.before(event);
    this.load.before(event);
    this.term.step(event, this.nowMs);
    for (const effect of this.term.drain()) this.#effect(effect);
    if (this.lost) return;
    this.checker.after(() => this.term.locks({ limit: 1_000 }).locks);
    this.load.after(this.term, this.nowMs);
  }

  #effect(effect: Effect): void {
    this.checker.effect(effect);
    if (effect.type === 'send') {
      this.sent.push(effect);
      this.load.sent(effect.connection, effect.message, this.nowMs);
    }
    if (effect.type === 'note') this.notes.push(effect.note);
    if (effect.type === 'decide') {
      this.work.push({ kind: 'decide', write: effect.write, result: null });
    } else if (effect.type === 'finish') {
      this.work.push({ kind: 'finish', txid: effect.txid, done: false });
    } else if (effect.type === 'settle') {
      this.work.push({ kind: 'settle', settlement: effect.settlement, written: null });
    } else if (effect.type === 'read-request') {
      this.work.push({ kind: 'read-request', token: effect.token, requestId: effect.requestId });
    } else if (effect.type === 'read') {
      this.work.push({ kind: 'read', token: effect.token, txids: effect.txids });
    } else if (effect.type === 'send') {
      const { connection, message } = effect;
      if (message.type === 'begun' && !this.txids.includes(message.txid)) {
        this.txids.push(message.txid);
      }
      // A client's connection is not open to participants' commands; `commit` there is a request.
      if (message.type === 'prepare' || message.type === 'rollback' || message.type === 'commit') {
        this.inbox.push({ connection, message });
      }
    }
  }

  // ---- participants ----

  connect(instance: Instance): number {
    if (this.retired.some((retired) => concerns(retired, instance))) return 0;
    const connection = this.#nextConnection++;
    this.open.push({ connection, instance });
    this.step({ type: 'participant-connected', connection, process: null, ...instance });
    return connection;
  }

  disconnect(index: number): void {
    const [gone] = this.open.splice(index, 1);
    if (gone === undefined) return;
    this.step({ type: 'participant-lost', connection: gone.connection });
  }

  retire({ participant, instance }: Instance): void {
    this.#retire({ participant, instance });
  }

  retireResource({ participant, sharedResource }: Instance): void {
    if (sharedResource !== null) this.#retire({ participant, sharedResource });
  }

  #retire(retired: Retired): void {
    this.retired.push(retired);
    for (let index = this.open.length - 1; index >= 0; index -= 1) {
      const peer = this.open[index];
      if (peer !== undefined && concerns(retired, peer.instance)) this.disconnect(index);
    }
    this.step({ type: 'retired', retired });
  }

  /** Answers one delivery; `honest` as the protocol asks, else as `wish` says. */
  respond(
    { connection, message }: Delivery,
    wish: { vote: number; honest: boolean; from: number | null },
  ): void {
    const peer = this.open.find((other) => other.connection === connection);
    // What a closed connection carried is dropped by the participant (8.4).
    if (peer === undefined) return;
    const { txid, branch } = message;
    const by = wish.from === null ? peer : (this.open[wish.from % this.open.length] ?? peer);
    if (message.type === 'prepare') {
      const key = `${peer.instance.sharedResource ?? peer.instance.instance} ${txid} ${branch}`;
      const wanted = (['commit', 'commit', 'commit', 'readonly', 'abort'] as const)[wish.vote % 5];
      const first = this.#votes.get(key) ?? wanted ?? 'commit';
      this.#votes.set(key, first);
      const vote = wish.honest ? first : (wanted ?? 'commit');
      this.from(by, {
        type: 'vote',
        txid,
        branch,
        vote,
        ...(vote === 'commit' ? { result: 1 } : {}),
      });
      return;
    }
    const right = message.type === 'commit' ? 'commit' : 'abort';
    const wrong = right === 'commit' ? 'abort' : 'commit';
    const decision = wish.honest || wish.vote % 3 !== 0 ? right : wrong;
    const ok = wish.honest || wish.vote % 3 !== 1;
    const error = { code: 'UNKNOWN_BRANCH', message: 'No such branch.' } as const;
    this.from(by, { type: 'ack', txid, branch, decision, ok, ...(ok ? {} : { error }) });
  }

  working(connectionIndex: number, txid: Txid, branch: string): void {
    const peer = this.open[connectionIndex];
    if (peer !== undefined) this.from(peer, { type: 'working', txid, branch });
  }

  from(peer: { connection: number; instance: Instance }, message: TermRequest): void {
    const { participant, instance } = peer.instance;
    this.step({
      type: 'message',
      from: { connection: peer.connection, participant: { name: participant, instance } },
      message,
      requestHash: null,
    });
  }

  // ---- those who ask ----

  /** As a client, or as the participant of an open connection. */
  ask(
    make: (id: number) => TermRequest & { readonly id: number },
    more: { hash?: string; as?: number } = {},
  ): number {
    const id = this.#nextId++;
    if (this.lost) return id;
    const message = make(id);
    const peer = more.as === undefined ? undefined : this.open[more.as];
    if (peer !== undefined) {
      this.from(peer, message);
    } else {
      this.step({
        type: 'message',
        from: { connection: 1, participant: null },
        message,
        requestHash: more.hash ?? null,
      });
    }
    return id;
  }

  /** How old a request is by its client's clock; the first one with an id is sent now. */
  requestAgeMs(requestId: string): number {
    const sentAtMs = this.#firstSentAtMs.get(requestId) ?? this.nowMs;
    this.#firstSentAtMs.set(requestId, sentAtMs);
    return this.nowMs - sentAtMs;
  }

  // ---- the log ----

  /** As early as the rules allow: the request window and a minute after a record was finished. */
  collect(): void {
    if (this.lost) return;
    this.log.collect({
      below: this.term.undecidedFrom(),
      finishedBeforeMs: this.nowMs - requestWindowMs - 60_000,
      keepsRequest: (requestId) => this.term.keepsRequest(requestId),
    });
  }

  /**
   * Does one piece of the log's work; a decision takes two turns, so that its reply can be late.
   */
  answer(chosen: number, how: { fail?: boolean; certain?: boolean } = {}): void {
    // What belongs to one scan keeps its order.
    const isPage = this.work[chosen]?.kind === 'page';
    const index = isPage ? this.work.findIndex(({ kind }) => kind === 'page') : chosen;
    const work = this.work[index];
    if (work === undefined) return;
    if (work.kind === 'decide' && work.result === null) {
      const result = this.log.decide(work.write, this.nowMs);
      if (result === null) this.work.splice(index, 1);
      else work.result = result;
      return;
    }
    if (work.kind === 'finish' && !work.done) {
      if (!this.lost) this.log.finish(work.txid, this.nowMs);
      work.done = true;
      return;
    }
    if (work.kind === 'settle' && work.written === null) {
      work.written = !this.lost && this.log.settle(work.settlement);
      return;
    }
    this.work.splice(index, 1);
    const { witness } = this.log;
    if (work.kind === 'decide') {
      if (work.result === null) return;
      this.step({ type: 'decided', txid: work.write.record.txid, result: work.result, witness });
    } else if (work.kind === 'finish') {
      this.step({ type: 'finished', txids: [work.txid] });
    } else if (work.kind === 'settle') {
      const { settlement, written } = work;
      this.step({ type: 'settlement-written', settlement, written: written ?? false });
    } else if (work.kind === 'page') {
      this.step(work.event);
      if (work.event.type === 'scan-ended') this.#scanning = false;
    } else if (work.kind === 'read') {
      const { token, txids } = work;
      if (how.fail === true) this.step({ type: 'read', token, readings: null });
      else this.step({ type: 'read', token, readings: txids.map((txid) => this.log.read(txid)) });
    } else {
      const { token } = work;
      const entry = this.log.requests.get(work.requestId) ?? null;
      if (how.fail === true)
        this.step({ type: 'request-read', token, entry: 'failed', certain: false });
      else this.step({ type: 'request-read', token, entry, certain: how.certain ?? true });
    }
  }

  /** Reads the page now; it arrives when its work is answered. */
  scan(): void {
    if (this.#scanning || this.lost) return;
    this.#scanning = true;
    this.step({ type: 'scan-started' });
    this.work.push({ kind: 'page', event: { type: 'scanned', records: this.log.pending() } });
    this.work.push({ kind: 'page', event: { type: 'scan-ended' } });
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    this.step({ type: 'wake' });
  }

  tick(): void {
    this.step({
      type: 'tick',
      requestCount: this.log.requests.size,
      witness: this.log.witness,
    });
  }

  // ---- the end ----

  /**
   * Everybody is there and behaves from now on. Throws where something does not come to its end.
   */
  heal(): void {
    this.#settle();
    if (!this.lost) {
      this.scan();
      this.#settle();
      this.tick();
      this.#settle();
      // Who said wrongly that it knows nothing of a branch is not told again, unless someone asks.
      for (const { txid, byHand } of this.log.pending()) {
        if (byHand !== undefined) this.ask((id) => ({ type: 'retry', id, txid }));
      }
      this.#settle();
      if (this.term.size > 0) throw new Error(`${this.term.size} transactions never ended`);
      if (this.term.wakeAtMs() !== null) throw new Error('a timer was left behind');
      if (this.log.pending().length > 0) throw new Error('a record was left in decisions/');
    }
    this.checker.end();
  }

  #settle(): void {
    for (let round = 0; round < 400; round += 1) {
      while (this.work.length > 0) this.answer(0);
      for (const instance of this.lost ? [] : instances) {
        if (!this.open.some((peer) => peer.instance === instance)) this.connect(instance);
      }
      for (const delivery of this.inbox.splice(0)) {
        this.respond(delivery, { vote: 0, honest: true, from: null });
      }
      if (this.work.length > 0 || this.inbox.length > 0) continue;
      const wakeAtMs = this.term.wakeAtMs();
      if (wakeAtMs === null) return;
      this.advance(Math.max(1, wakeAtMs - this.nowMs));
    }
    throw new Error(`no quiet after 400 rounds: ${JSON.stringify(this.term.info())}`);
  }
}
