/**
 * Watches what goes into a term and what comes out of it, and holds the invariants against that
 * stream. It shares no code with the term: votes, owners, acknowledgements and attempts are counted
 * here a second time.
 */

import type { FromNode, LockInfo, Transact } from '../../../src/core/messages.ts';
import type { DecisionWrite } from '../../../src/core/records.ts';
import type { Effect, TermEvent, TermRequest } from '../../../src/core/term/events.ts';
import type { Txid } from '../../../src/core/txid.ts';
import type { Instance, LogModel } from '../logs/log-model.ts';
import { LockChecker } from './lock-checker.ts';
import {
  type Asked,
  type BranchTally,
  check,
  emptyBranch,
  emptyTally,
  owns,
  recordedTally,
  type Tally,
} from './tally.ts';

/** What may wait for the end of a scan. */
const doubts: ReadonlySet<string> = new Set(['query', 'resolve', 'report']);

export class TermChecker {
  readonly asked: Map<number, Asked> = new Map();
  readonly #log: LogModel;
  readonly #transactions = new Map<Txid, Tally>();
  readonly #connections = new Map<number, Instance>();
  #uncertain = false;
  /** `participant/instance`, or `participant//resource`. */
  readonly #retired = new Set<string>();
  /** By request id: the highest attempt that was answered "aborted". */
  readonly #refused = new Map<string, number>();

  readonly #windowMs: number;
  readonly #locks: LockChecker;

  constructor(log: LogModel, windowMs: number) {
    this.#windowMs = windowMs;
    this.#log = log;
    this.#locks = new LockChecker(log.leader);
  }

  before(event: TermEvent): void {
    this.#uncertain = event.type === 'request-read' && !event.certain;
    switch (event.type) {
      case 'participant-connected':
        this.#connections.set(event.connection, event);
        break;
      case 'participant-lost':
        this.#connections.delete(event.connection);
        for (const { branches } of this.#transactions.values()) {
          for (const branch of branches.values()) {
            if (branch.prepareConnection === event.connection) branch.prepareConnection = null;
          }
        }
        for (const asked of this.asked.values()) {
          if (asked.connection === event.connection && doubts.has(asked.message.type)) {
            asked.excused = true;
          }
        }
        break;
      case 'message':
        this.#message(event.message, event.from.connection);
        break;
      case 'decided':
        this.#tally(event.txid).decided = true;
        if (event.result.type === 'written') this.#tally(event.txid).written = true;
        break;
      case 'scanned':
        for (const record of event.records) {
          this.#locks.scanned(record);
          if (record.outcome === 'abort' || this.#transactions.has(record.txid)) continue;
          this.#transactions.set(record.txid, recordedTally(record));
        }
        break;
      case 'settlement-written':
        for (const { branch } of event.settlement.byHand) {
          const tally = this.#transactions.get(event.settlement.txid)?.branches.get(branch);
          if (tally !== undefined && event.written) tally.byHand = true;
        }
        break;
      case 'retired': {
        const { participant, ...what } = event.retired;
        const name = 'instance' in what ? what.instance : `/${what.sharedResource}`;
        this.#retired.add(`${participant}/${name}`);
        break;
      }
      default:
        break;
    }
  }

  effect(effect: Effect): void {
    if (effect.type === 'send') this.#sent(effect.connection, effect.message);
    else if (effect.type === 'decide') this.#decide(effect.write);
    else if (effect.type === 'finish') this.#finish(effect.txid);
  }

  /** After a step: who holds what. */
  after(listing: () => readonly LockInfo[]): void {
    if (!this.#locks.used) return;
    this.#locks.holds(listing(), (txid) => {
      const tally = this.#transactions.get(txid);
      if (tally?.written !== true) return false;
      return [...tally.branches.values()].some(
        ({ vote, acknowledged, byHand, owner }) =>
          vote === 'commit' && !acknowledged && !byHand && !this.#noneLeft(owner),
      );
    });
  }

  /** At the end of a run: what was said stands, and everybody who asked was answered. */
  end(): void {
    for (const [txid, tally] of this.#transactions) {
      const recorded = this.#log.outcome(txid);
      check(
        !(tally.toldAborted && recorded === 'commit'),
        `I2: ${txid} was told aborted and is recorded`,
      );
      check(
        !(tally.toldCommitted && recorded === 'abort') || tally.unrecorded,
        `I2: ${txid} was told committed and is not`,
      );
    }
    for (const [id, { message, finals, excused }] of this.asked) {
      const answered = finals === 1 || (excused && finals === 0);
      check(answered, `request ${id} (${message.type}) got ${finals} answers`);
    }
  }

  #message(message: TermRequest, connection: number): void {
    if ('id' in message) {
      const instance = this.#connections.get(connection) ?? null;
      this.asked.set(message.id, { message, instance, connection, excused: false, finals: 0 });
    }
    if (message.type === 'vote') {
      const branch = this.#transactions.get(message.txid)?.branches.get(message.branch);
      if (branch !== undefined && branch.prepareConnection === connection) {
        branch.vote ??= message.vote;
      }
    } else if (message.type === 'ack') {
      const tally = this.#transactions.get(message.txid);
      const branch = tally?.branches.get(message.branch);
      const instance = this.#connections.get(connection);
      if (tally === undefined || branch === undefined || instance === undefined) return;
      if (message.ok && message.decision === 'commit' && tally.commanded === 'commit') {
        if (owns(instance, branch)) branch.acknowledged = true;
      }
    }
  }

  #sent(connection: number, message: FromNode): void {
    if ('id' in message && message.id !== undefined) {
      this.#locks.sent(message, this.asked.get(message.id)?.message);
    }
    switch (message.type) {
      case 'begun': {
        const asked = this.#askedFor(message.id);
        if (asked.message.type === 'begin') asked.finals += 1;
        this.#begun(message.txid, asked.message);
        break;
      }
      case 'enlisted': {
        const asked = this.#askedFor(message.id);
        asked.finals += 1;
        const tally = this.#tally(message.txid);
        if (asked.message.type !== 'enlist' || tally.branches.has(message.branch)) break;
        check(!tally.prepared, `I3: ${message.txid} got a branch after its freeze`);
        const { participant } = asked.message;
        // One that enlists itself owns its branch from then on.
        const owner = asked.instance?.participant === participant ? asked.instance : null;
        tally.branches.set(message.branch, { ...emptyBranch(participant), owner });
        break;
      }
      case 'locked':
        this.#askedFor(message.id).finals += 1;
        this.#answers(message.id, ['lock']);
        break;
      case 'outcome':
        this.#outcome(message);
        break;
      case 'decision':
        if (message.id !== undefined) this.#askedFor(message.id).finals += 1;
        if (message.id !== undefined) this.#answers(message.id, ['query', 'resolve']);
        if (message.decision === 'commit') this.#committed(message.txid);
        if (message.decision === 'abort' && !this.#toldOneInDoubt(message)) {
          this.#aborted(message.txid);
        }
        break;
      case 'error':
      case 'status':
      case 'reported':
      case 'retried':
      case 'acknowledged':
        if (message.id !== undefined) this.#askedFor(message.id).finals += 1;
        if (message.type === 'status' && message.state === 'ABORTED') this.#aborted(message.txid);
        if (message.type === 'status' && message.state.startsWith('COMMIT'))
          this.#committed(message.txid);
        break;
      case 'prepare': {
        const tally = this.#tally(message.txid);
        check(tally.commanded === null, `prepare of ${message.txid} after ${tally.commanded}`);
        check(tally.decides === 0, `prepare of ${message.txid} after its decision was queued`);
        check(
          !tally.toldAborted && !tally.toldCommitted,
          `prepare of ${message.txid} after its end`,
        );
        tally.prepared = true;
        const branch = this.#branch(message.txid, message.branch);
        this.#route(connection, branch, 'prepare');
        // A sibling with a journal of its own would vote without knowing of a vote that there is.
        check(
          this.#connections.get(connection)?.instance === branch.owner?.instance,
          '8.7: a prepare went from one instance to another',
        );
        check(branch.vote === null, `prepare of ${message.txid} after the vote of its branch`);
        branch.prepareConnection = connection;
        break;
      }
      case 'commit':
      case 'rollback': {
        const tally = this.#tally(message.txid);
        check(
          tally.commanded === null || tally.commanded === message.type,
          `I1: ${message.type} of ${message.txid} after ${tally.commanded}`,
        );
        check(
          message.type === 'rollback' || tally.written,
          `commit of ${message.txid} before written`,
        );
        check(
          message.type === 'commit' || !tally.written,
          `rollback of ${message.txid}, which is written`,
        );
        check(!tally.forgotten, `${message.type} of ${message.txid} after it was to be forgotten`);
        tally.commanded = message.type;
        this.#route(connection, this.#branch(message.txid, message.branch), message.type);
        if (message.type === 'rollback') this.#aborted(message.txid);
        break;
      }
      case 'forget':
        for (const txid of message.txids) this.#forget(txid);
        break;
      default:
        throw new Error(`a term does not send ${message.type}`);
    }
  }

  #begun(txid: Txid, request: TermRequest): void {
    if (this.#transactions.has(txid)) return;
    const { requestId, attempt } = request as Transact;
    const tally = emptyTally(requestId ?? null, attempt ?? 1);
    if (requestId !== undefined) {
      check(
        ((request as Transact).requestAgeMs ?? 0) <= this.#windowMs,
        `${requestId} ran past its window`,
      );
      const refused = this.#refused.get(requestId) ?? 0;
      check(
        tally.attempt > refused,
        `I8: attempt ${tally.attempt} of ${requestId} ran after its abort was told`,
      );
    }
    if (request.type === 'transact') {
      for (const branch of request.branches) {
        tally.branches.set(branch.branch ?? branch.participant, emptyBranch(branch.participant));
      }
    }
    this.#transactions.set(txid, tally);
  }

  #outcome(message: FromNode & { type: 'outcome' }): void {
    const asked = this.#askedFor(message.id);
    asked.finals += 1;
    this.#answers(message.id, ['commit', 'rollback', 'transact']);
    if (message.outcome === 'committed') this.#committed(message.txid);
    else this.#aborted(message.txid);
    const request = asked.message;
    if (request.type !== 'transact' || request.requestId === undefined) {
      return;
    }
    const { requestId, attempt = 1, requestAgeMs = 0 } = request;
    check(requestAgeMs <= this.#windowMs, `${requestId} was answered past its window`);
    check(
      message.outcome === 'committed' || !this.#uncertain,
      `I8: ${requestId} told aborted on an uncertain reading`,
    );
    const refused = this.#refused.get(requestId) ?? 0;
    const entry = this.#log.requests.get(requestId);
    if (message.outcome === 'committed') {
      check(attempt > refused, `I8: attempt ${attempt} of ${requestId} committed after "aborted"`);
      return;
    }
    if (entry !== undefined) {
      const later = this.#transactions.get(entry.txid)?.attempt ?? 0;
      check(
        later > attempt,
        `I8: ${requestId}/${attempt} was told aborted while ${entry.txid} holds its key`,
      );
    }
    this.#refused.set(requestId, Math.max(refused, attempt));
  }

  #decide(write: DecisionWrite): void {
    const { txid, branches } = write.record;
    this.#locks.decides(write);
    const tally = this.#tally(txid);
    tally.decides += 1;
    check(tally.decides === 1, `${txid} was decided ${tally.decides} times`);
    check(!tally.toldAborted && tally.commanded === null, `I2: ${txid} decided after its abort`);
    const owed = [];
    for (const [name, branch] of tally.branches) {
      check(
        branch.vote === 'commit' || branch.vote === 'readonly',
        `I3: ${txid}/${name} voted ${branch.vote}`,
      );
      if (branch.vote === 'commit') owed.push(`${name}@${branch.owner?.instance}`);
    }
    const recorded = branches.map((branch) => `${branch.branch}@${branch.instance}`);
    check(
      recorded.join() === owed.join(),
      `I3: ${txid} records ${recorded.join()}, not ${owed.join()}`,
    );
    check(
      write.finished === (owed.length === 0),
      `${txid} goes straight to finished with ${owed.join()}`,
    );
  }

  #finish(txid: Txid): void {
    const tally = this.#transactions.get(txid);
    if (this.#log.outcome(txid) === 'abort') {
      const awaited = tally !== undefined && tally.decides > 0 && !tally.decided;
      check(!awaited, `${txid} is swept while its decision is being written`);
      return;
    }
    check(tally?.written === true, `${txid} moves to finished without a record`);
    this.#settled(txid, tally);
  }

  /** What is shared others may finish, connected or not. */
  #noneLeft(owner: Instance | null): boolean {
    if (owner === null) return false;
    const { participant, instance, sharedResource } = owner;
    return this.#retired.has(
      `${participant}/${sharedResource === null ? instance : `/${sharedResource}`}`,
    );
  }

  #settled(txid: Txid, tally: Tally): void {
    for (const [name, branch] of tally.branches) {
      if (branch.vote !== 'commit' || branch.acknowledged) continue;
      check(this.#noneLeft(branch.owner), `I9: ${txid}/${name} never acknowledged`);
    }
  }

  #forget(txid: Txid): void {
    // An abort's, or a read-only commit's without a record: no one owes anything.
    if (this.#log.outcome(txid) !== 'commit') return;
    const tally = this.#transactions.get(txid);
    const held = this.#log.records.get(txid);
    const { byHand, branches = [] } = held?.record ?? {};
    if (held?.finished === false && byHand !== undefined) {
      // It stays for those who were settled by hand; the others have acknowledged.
      for (const [name, branch] of tally?.branches ?? []) {
        const isLeft = branches.some((one) => one.branch === name);
        const isByHand = byHand.some((one) => one.branch === name);
        check(
          isLeft
            ? isByHand
            : branch.acknowledged || branch.vote !== 'commit' || this.#noneLeft(branch.owner),
          `I9: ${txid}/${name} was left out of a record that stays`,
        );
      }
      return;
    }
    if (tally !== undefined) {
      this.#settled(txid, tally);
      tally.forgotten = true;
    }
    check(
      this.#log.records.get(txid)?.finished === true || this.#log.isCollected(txid),
      `I9: forget of ${txid}, whose record has not moved`,
    );
  }

  /**
   * Below the floor, and of a read-only commit that has no record, no participant can be in doubt;
   * one that says so hears "abort", and honest ones never ask. No one else hears it.
   */
  #toldOneInDoubt({ id, txid }: Extract<FromNode, { type: 'decision' }>): boolean {
    const nothing =
      this.#log.isCollected(txid) || this.#transactions.get(txid)?.unrecorded === true;
    if (!nothing) return false;
    // A line of its report.
    if (id === undefined) return true;
    const asked = this.asked.get(id);
    if (asked === undefined || asked.instance === null) return false;
    const { message } = asked;
    return message.type === 'resolve' || (message.type === 'query' && message.inDoubt);
  }

  #committed(txid: Txid): void {
    const tally = this.#transactions.get(txid);
    if (tally !== undefined) {
      check(!tally.toldAborted, `I2: ${txid} told committed after aborted`);
      tally.toldCommitted = true;
    }
    if (this.#log.outcome(txid) === 'commit') return;
    // Without a record: then no one may have voted anything but readonly.
    check(
      tally !== undefined && tally.requestId === null,
      `I2: ${txid} committed without a record`,
    );
    for (const [name, branch] of tally.branches) {
      check(
        branch.vote === 'readonly',
        `I3: ${txid}/${name} voted ${branch.vote} and left no record`,
      );
    }
    check(tally.decides === 0, `I2: ${txid} told committed before it was written`);
    tally.unrecorded = true;
  }

  #aborted(txid: Txid): void {
    check(
      this.#log.outcome(txid) !== 'commit',
      `I2: ${txid} is told aborted and recorded as committed`,
    );
    const tally = this.#transactions.get(txid);
    if (tally === undefined) return;
    // Forced through another node, which a read-only commit never hears of: section 4 exempts it
    // from I2.
    if (tally.unrecorded && this.#log.outcome(txid) === 'abort') return;
    check(!tally.toldCommitted, `I2: ${txid} told aborted after committed`);
    check(!tally.written, `I2: ${txid} told aborted after it was written`);
    tally.toldAborted = true;
  }

  #route(connection: number, branch: BranchTally, what: string): void {
    const instance = this.#connections.get(connection);
    check(instance !== undefined, `${what} to a connection that is gone`);
    check(instance.participant === branch.participant, `${what} to another participant`);
    branch.owner ??= instance;
    check(
      owns(instance, branch),
      `8.7: ${what} to ${instance.instance}, not ${branch.owner.instance}`,
    );
  }

  #answers(id: number, types: readonly string[]): void {
    const type = this.asked.get(id)?.message.type ?? 'nothing';
    check(types.includes(type), `a ${type} got an answer that is not its own`);
  }

  #askedFor(id: number): Asked {
    const asked = this.asked.get(id);
    check(asked !== undefined, `an answer to ${id}, which no one asked`);
    check(asked.finals === 0, `a second answer to ${id} (${asked.message.type})`);
    return asked;
  }

  #tally(txid: Txid): Tally {
    const tally = this.#transactions.get(txid);
    check(tally !== undefined, `${txid} was never begun`);
    return tally;
  }

  #branch(txid: Txid, name: string): BranchTally {
    const branch = this.#tally(txid).branches.get(name);
    check(branch !== undefined, `${txid} has no branch ${name}`);
    return branch;
  }
}
