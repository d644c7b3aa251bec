/**
 * One term of the specification beside the production `Term`: the same events go in, and what it
 * then holds, sends, hands to the log and answers is compared.
 */

import { coordinatorOptions } from '../../src/core/coordinator-options.ts';
import type { FromNode } from '../../src/core/messages.ts';
import type { DecideResult } from '../../src/core/records.ts';
import type { Effect, Sender, TermEvent, TermRequest } from '../../src/core/term/events.ts';
import { Term } from '../../src/core/term/term.ts';
import type { Txid } from '../../src/core/txid.ts';
import type { SpecHeld, SpecState } from './itf.ts';
import {
  decisionRecord,
  epochFor,
  numberOf,
  participants,
  randomFor,
  readingOf,
  requestHash,
  requestId,
  txidFor,
  witnessFor,
} from './spelling.ts';

const requestWindowMs = 120_000;
const nowMs = 1_000;
const clientConnection = 9;
const otherConnection = 8;

/** What a step put out, in the specification's words. */
export interface Said {
  /** `kind participant txid` */
  readonly messages: Set<string>;
  /** `kind txid` */
  readonly writes: Set<string>;
  /** `attempt outcome`; of an interactive one `- txid outcome`. */
  readonly outcomes: Set<string>;
}

export class ReplayedTerm {
  readonly #term: Term;
  readonly #epoch: number;
  #next = 0;
  #nextId = 1;
  /** By the id of a client's open request: its attempt, 0 for an interactive one. */
  readonly #attempts = new Map<number, number>();
  readonly #requestReads = new Map<number, number>();
  #fates: { readonly token: number; readonly txids: readonly Txid[] } | null = null;
  /** The transaction that the present step is about. */
  #current = 0;
  #said: Said = nothing();

  constructor(epoch: number) {
    this.#epoch = epoch;
    this.#term = new Term({
      shard: 0,
      shards: 1,
      epoch: epochFor(epoch),
      leader: { shard: 0, epoch: epochFor(epoch), node: 'n', url: 'ws://n' },
      witness: witnessFor(epoch),
      requestWindowMs,
      // What has ended is asked of the log, as in the specification.
      options: coordinatorOptions({ maxRecent: 0 }),
      fraction: () => 0.5,
      shareOf: () => 'share',
      randomPart: () => randomFor(this.#next),
      wallMs: () => 0,
      debug: false,
      nowMs,
    });
    for (const p of participants) {
      this.#step({
        type: 'participant-connected',
        connection: connectionOf(p),
        participant: p,
        instance: p,
        sharedResource: null,
        process: null,
      });
    }
  }

  /** What was put out since the last call. */
  drain(): Said {
    const said = this.#said;
    this.#said = nothing();
    return said;
  }

  begin(x: number, attempt: number): void {
    this.#next = x;
    this.#current = x;
    const id = this.#nextId++;
    this.#attempts.set(id, attempt);
    const request =
      attempt === 0 ? {} : { requestId, requestAgeMs: 0, attempt, epoch: epochFor(this.#epoch) };
    const branches = participants.map((participant) => ({ participant }));
    this.#message(clientConnection, { type: 'transact', id, ...request, branches });
  }

  vote(s: SpecState, p: string, x: number, vote: 'commit' | 'abort'): void {
    this.#current = x;
    this.#message(connectionOf(p), { type: 'vote', txid: txidFor(s, x), branch: p, vote }, s);
  }

  ack(s: SpecState, p: string, x: number, decision: 'commit' | 'abort'): void {
    const txid = txidFor(s, x);
    this.#message(connectionOf(p), { type: 'ack', txid, branch: p, decision, ok: true }, s);
  }

  decided(s: SpecState, x: number, answer: string, more: { other: number; seen: number }): void {
    this.#current = x;
    const entry = (): DecideResult => ({
      type: 'duplicate',
      entry: { txid: txidFor(s, more.other), requestHash },
    });
    const result: DecideResult =
      answer === 'duplicate' ? entry() : { type: answer as 'written' | 'aborted' };
    this.#step({ type: 'decided', txid: txidFor(s, x), result, witness: witnessFor(more.seen) }, s);
  }

  finished(s: SpecState, x: number): void {
    this.#step({ type: 'finished', txids: [txidFor(s, x)] }, s);
  }

  /** The answer to the look at `requests/R` that was asked for last. */
  heardRequest(
    s: SpecState,
    x: number,
    more: { reading: number; certain: boolean; failed: boolean },
  ): void {
    const token = this.#requestReads.get(x);
    if (token === undefined) throw new Error(`The core did not ask for the request key of ${x}.`);
    this.#requestReads.delete(x);
    if (more.failed) {
      this.#step({ type: 'request-read', token, entry: 'failed', certain: false }, s);
      return;
    }
    const entry = more.reading === 0 ? null : { txid: txidFor(s, more.reading), requestHash };
    this.#step({ type: 'request-read', token, entry, certain: more.certain }, s);
  }

  /** Any reason to abort before the decision; here that somebody else asked for it. */
  abort(s: SpecState, x: number): void {
    this.#current = x;
    this.#message(
      otherConnection,
      { type: 'rollback', id: this.#nextId++, txid: txidFor(s, x) },
      s,
    );
  }

  takeUp(s: SpecState, x: number): void {
    this.#current = x;
    this.#step({ type: 'scan-started' }, s);
    this.#step({ type: 'scanned', records: [decisionRecord(s, x)] }, s);
    this.#step({ type: 'scan-ended' }, s);
  }

  query(s: SpecState, p: string, more: { x: number; witness: number }): void {
    this.#message(
      connectionOf(p),
      {
        type: 'query',
        id: this.#nextId++,
        txid: txidFor(s, more.x),
        inDoubt: true,
        witness: witnessFor(more.witness),
      },
      s,
    );
  }

  reportKept(s: SpecState, p: string, x: number): void {
    const kept = [txidFor(s, x)];
    this.#message(connectionOf(p), { type: 'report', id: this.#nextId++, inDoubt: [], kept }, s);
  }

  /** The leadership is over; which transactions it now wants to know the fate of. */
  lose(s: SpecState): readonly number[] {
    this.#step({ type: 'lost' }, s, { answerReads: false });
    return this.#fates?.txids.map(numberOf) ?? [];
  }

  /** It asks for all at once; each was read when the specification read it. */
  fates(readings: ReadonlyMap<number, ReturnType<typeof readingOf>>): void {
    const fates = this.#fates;
    if (fates === null) throw new Error('The core did not ask for any fate.');
    this.#fates = null;
    this.#step({
      type: 'read',
      token: fates.token,
      readings: fates.txids.map((txid) => {
        const reading = readings.get(numberOf(txid));
        if (reading === undefined) throw new Error(`The trace did not read the fate of ${txid}.`);
        return reading;
      }),
    });
  }

  get undecidedFrom(): string {
    return this.#term.undecidedFrom();
  }

  get keepsRequest(): boolean {
    return this.#term.keepsRequest(requestId);
  }

  /** `txid STATE p1 state p2 state`, of all in memory. */
  holds(): string[] {
    return this.#term
      .list({})
      .transactions.map(({ txid, state, branches }) =>
        [numberOf(txid), state, ...branches.map((one) => `${one.branch} ${one.state}`)].join(' '),
      )
      .sort();
  }

  #message(connection: number, message: TermRequest, s: SpecState | null = null): void {
    const p = participants.find((one) => connectionOf(one) === connection);
    const from: Sender = {
      connection,
      participant: p === undefined ? null : { name: p, instance: p },
    };
    const hash =
      message.type === 'transact' && message.requestId !== undefined ? requestHash : null;
    this.#step({ type: 'message', from, message, requestHash: hash }, s);
  }

  #step(event: TermEvent, s: SpecState | null = null, more = { answerReads: true }): void {
    this.#term.step(event, nowMs);
    const reads: Extract<Effect, { type: 'read' }>[] = [];
    for (const effect of this.#term.drain()) {
      if (effect.type === 'send') this.#sent(effect.connection, effect.message);
      else if (effect.type === 'decide')
        this.#said.writes.add(`decide ${numberOf(effect.write.record.txid)}`);
      else if (effect.type === 'finish') this.#said.writes.add(`finish ${numberOf(effect.txid)}`);
      else if (effect.type === 'read') reads.push(effect);
      else if (effect.type === 'read-request') this.#requestReads.set(this.#current, effect.token);
    }
    for (const { token, txids } of reads) {
      if (!more.answerReads || s === null) {
        this.#fates = { token, txids };
        continue;
      }
      const readings = txids.map((txid) => readingOf(s, numberOf(txid)));
      this.#step({ type: 'read', token, readings }, s);
    }
  }

  #sent(connection: number, message: FromNode): void {
    const p = participants.find((one) => connectionOf(one) === connection);
    const { messages, outcomes } = this.#said;
    switch (message.type) {
      case 'prepare':
      case 'commit':
      case 'rollback':
        messages.add(`${message.type} ${p} ${numberOf(message.txid)}`);
        break;
      case 'forget':
        for (const txid of message.txids) messages.add(`forget ${p} ${numberOf(txid)}`);
        break;
      case 'decision':
        if (message.decision === 'commit' || message.decision === 'abort') {
          messages.add(`answer ${message.decision} ${p} ${numberOf(message.txid)}`);
        } else if (message.decision === 'expired') {
          throw new Error(`A participant in doubt was told that ${message.txid} expired.`);
        }
        break;
      case 'outcome': {
        const attempt = this.#attempts.get(message.id);
        // The one who asked for the rollback is not in the specification.
        if (attempt === undefined) break;
        const who = attempt === 0 ? `- ${numberOf(message.txid)}` : String(attempt);
        outcomes.add(`${who} ${message.outcome}`);
        break;
      }
      default:
        break;
    }
  }
}

function nothing(): Said {
  return { messages: new Set(), writes: new Set(), outcomes: new Set() };
}

function connectionOf(p: string): number {
  return participants.indexOf(p) + 1;
}

/** What the core should hold for it, or null where it holds it no more. */
export function heldAs(x: number, held: SpecHeld): string | null {
  const branches = (yes: readonly string[], one: string, other: string): string =>
    participants.map((p) => `${p} ${yes.includes(p) ? one : other}`).join(' ');
  switch (held.state) {
    case 'PENDING':
      return `${x} PENDING ${branches([], '', 'enlisted')}`;
    case 'PREPARING':
      return `${x} PREPARING ${branches(held.votes, 'prepared', 'preparing')}`;
    case 'READY':
      return `${x} READY ${branches(held.votes, 'prepared', 'preparing')}`;
    case 'COMMITTING':
      return `${x} COMMITTING ${branches(held.owing, 'committing', 'committed')}`;
    case 'ABORTING':
      return held.owing.length === 0 ? null : `${x} ABORTING`;
    case 'FINISHING':
    case 'FATE':
      return null;
  }
}
