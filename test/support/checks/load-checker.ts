/**
 * Counts what a term has under way with each participant, from outside: no more prepares than the
 * window of a participant, no more commands than the window of a connection. And that no one waits
 * for room that is there.
 */

import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import type { TermEvent } from '../../../src/core/term/events.ts';
import type { Listing } from '../../../src/core/term/listing/listing.ts';
import type { Term } from '../../../src/core/term/term.ts';
import { check } from './tally.ts';

type Limits = Pick<CoordinatorOptions, 'participantWindow' | 'commandWindow' | 'ackTimeoutMs'>;

/** Of a long queue each step would cost a look at all. */
const maxLookedAt = 100;

export class LoadChecker {
  readonly #options: Limits;
  /** By connection: commands without an answer that could count, and when they were sent. */
  readonly #commands = new Map<number, Map<string, number>>();
  /** By connection: whose it is. */
  readonly #owners = new Map<number, string>();
  /** Branches that enlisted themselves: they wait for no place. */
  readonly #own = new Set<string>();
  /** The most that were seen at once. */
  maxCommands = 0;

  /** Commands beyond any window: an operator wants them now, or settled their branch by hand. */
  readonly #beyond = new Set<string>();
  #isRetry = false;

  constructor(options: Limits) {
    this.#options = options;
  }

  before(event: TermEvent): void {
    if (event.type === 'participant-lost') this.#commands.delete(event.connection);
    if (event.type === 'participant-connected') {
      // What is under way on the others may move to it: their windows have room for as many again.
      // Its own older connection is taken for dead, and what another instance of a shared resource
      // had in its place is sent by its own.
      for (const [connection, participant] of this.#owners) {
        if (participant === event.participant) this.#commands.delete(connection);
      }
      this.#owners.set(event.connection, event.participant);
    }
    if (event.type === 'message' && event.message.type === 'enlist') {
      const { txid, participant, branch = participant } = event.message;
      if (event.from.participant?.name === participant) this.#own.add(`${txid} ${branch}`);
    }
    this.#isRetry = event.type === 'message' && event.message.type === 'retry';
    const records = event.type === 'scanned' ? event.records : [];
    const settlements = event.type === 'settlement-written' ? [event.settlement] : [];
    for (const { txid, byHand = [] } of [...records, ...settlements]) {
      for (const { branch } of byHand) {
        this.#drop(`${txid} ${branch} commit`);
        this.#beyond.add(`${txid} ${branch} commit`);
      }
    }
    // Retired, an instance owes nothing any more; its connections were closed before.
    if (event.type === 'message' && event.message.type === 'ack') {
      const { txid, branch, decision } = event.message;
      this.#drop(`${txid} ${branch} ${decision === 'commit' ? 'commit' : 'rollback'}`);
    }
  }

  sent(connection: number, message: FromNode, nowMs: number): void {
    if (message.type === 'acknowledged') this.#drop(`${message.txid} ${message.branch} rollback`);
    if (message.type !== 'commit' && message.type !== 'rollback') return;
    const key = `${message.txid} ${message.branch} ${message.type}`;
    this.#drop(key);
    if (this.#isRetry) this.#beyond.add(key);
    if (this.#beyond.has(key)) return;
    const set = this.#commands.get(connection) ?? new Map<string, number>();
    this.#commands.set(connection, set);
    // One that was not answered in time has lost its place.
    for (const [other, sentAtMs] of set) {
      if (nowMs - sentAtMs >= this.#options.ackTimeoutMs) set.delete(other);
    }
    set.set(key, nowMs);
    this.maxCommands = Math.max(this.maxCommands, set.size);
    const commits = [...set.keys()].filter((each) => each.endsWith(' commit')).length;
    // Rollbacks of what had voted share the window of commits, those of what had not have their
    // own.
    check(
      commits <= this.#options.commandWindow && set.size <= 2 * this.#options.commandWindow,
      `${set.size} commands under way on connection ${connection}`,
    );
  }

  after(term: Term, nowMs: number): void {
    const prepares = new Map<string, string[]>();
    const { transactions } = term.list({ state: 'PREPARING', limit: 1_000 });
    // In a step that is due at once someone may be found to have room.
    const wakeAtMs = term.wakeAtMs();
    const isDue = wakeAtMs !== null && wakeAtMs <= nowMs;
    if (transactions.length <= maxLookedAt && !isDue) this.#waitsForRoom(transactions);
    for (const { txid, branches } of transactions) {
      for (const { branch, participant, state } of branches) {
        if (state !== 'preparing' && state !== 'unreachable') continue;
        if (this.#own.has(`${txid} ${branch}`)) continue;
        prepares.set(participant, [...(prepares.get(participant) ?? []), txid]);
      }
    }
    for (const [participant, txids] of prepares) {
      // One alone may need more than the window has: or it would wait forever.
      check(
        txids.length <= this.#options.participantWindow || new Set(txids).size === 1,
        `${txids.length} prepares under way with ${participant}`,
      );
    }
  }

  /** Each that waits needs a place with a participant that has too few for it or for another. */
  #waitsForRoom(transactions: Listing['transactions']): void {
    const underWay = new Map<string, number>();
    const mostNeeded = new Map<string, number>();
    const waiting: { readonly txid: string; readonly participants: ReadonlySet<string> }[] = [];
    for (const { txid, branches } of transactions) {
      const needs = new Map<string, number>();
      for (const { branch, participant, state } of branches) {
        if (state === 'preparing' || state === 'unreachable') {
          underWay.set(participant, (underWay.get(participant) ?? 0) + 1);
        } else if (state === 'enlisted' && !this.#own.has(`${txid} ${branch}`)) {
          needs.set(participant, (needs.get(participant) ?? 0) + 1);
        }
      }
      if (needs.size === 0) continue;
      waiting.push({ txid, participants: new Set(needs.keys()) });
      for (const [participant, count] of needs) {
        mostNeeded.set(participant, Math.max(mostNeeded.get(participant) ?? 0, count));
      }
    }
    for (const { txid, participants } of waiting) {
      const isFull = [...participants].some((participant) => {
        const taken = underWay.get(participant) ?? 0;
        const wanted = mostNeeded.get(participant) ?? 0;
        return taken > 0 && taken + wanted > this.#options.participantWindow;
      });
      check(isFull, `${txid} waits for ${[...participants].join(', ')}, where there is room`);
    }
  }

  #drop(key: string): void {
    for (const set of this.#commands.values()) set.delete(key);
  }
}
