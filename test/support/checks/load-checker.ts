/**
 * Counts what a term has under way with each participant, from outside: no more prepares than the
 * window of a participant, no more commands than the window of a connection.
 */

import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import type { TermEvent } from '../../../src/core/term/events.ts';
import type { Term } from '../../../src/core/term/term.ts';
import { check } from './tally.ts';

type Limits = Pick<CoordinatorOptions, 'participantWindow' | 'commandWindow' | 'ackTimeoutMs'>;

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
    // Retired, an instance owes nothing any more; its connections were closed before.
    if (event.type === 'message' && event.message.type === 'ack') {
      const { txid, branch, decision } = event.message;
      this.#drop(`${txid} ${branch} ${decision === 'commit' ? 'commit' : 'rollback'}`);
    }
  }

  sent(connection: number, message: FromNode, nowMs: number): void {
    if (message.type !== 'commit' && message.type !== 'rollback') return;
    const key = `${message.txid} ${message.branch} ${message.type}`;
    this.#drop(key);
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

  after(term: Term): void {
    const prepares = new Map<string, string[]>();
    for (const { txid, branches } of term.list({ state: 'PREPARING', limit: 1_000 }).transactions) {
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

  #drop(key: string): void {
    for (const set of this.#commands.values()) set.delete(key);
  }
}
