/**
 * Scenarios in a few lines: the world of the property test, where nothing happens unless the script
 * says so.
 */

import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { FromNode, Transact, Vote } from '../../../src/core/messages.ts';
import type { TermRequest } from '../../../src/core/term/events.ts';
import type { Txid } from '../../../src/core/txid.ts';
import type { Instance } from '../logs/log-model.ts';
import { instances, TermWorld } from './term-world.ts';

const named = instances as readonly [Instance, Instance, Instance, Instance, Instance];
export const a1: Instance = named[0];
export const a2: Instance = named[1];
export const b1: Instance = named[2];
export const b2: Instance = named[3];
export const c1: Instance = named[4];

type Distributed<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Request = Distributed<Extract<TermRequest, { id: number }>, 'id'>;
type Sent<Type extends FromNode['type']> = Extract<FromNode, { type: Type }>;

export class TermHarness {
  readonly world: TermWorld;

  constructor(options: Partial<CoordinatorOptions> = {}) {
    this.world = new TermWorld(options);
  }

  connect(...which: readonly Instance[]): number {
    let last = 0;
    for (const instance of which) last = this.world.connect(instance);
    return last;
  }

  lose(connection: number): void {
    this.world.disconnect(this.world.open.findIndex((peer) => peer.connection === connection));
  }

  /** As a client, or as the participant on `as`. Returns the request's id. */
  ask(message: Request, more: { hash?: string; as?: number } = {}): number {
    const index = this.world.open.findIndex((peer) => peer.connection === more.as);
    return this.world.ask((id) => ({ ...message, id }) as Extract<TermRequest, { id: number }>, {
      ...(more.hash === undefined ? {} : { hash: more.hash }),
      ...(index === -1 ? {} : { as: index }),
    });
  }

  begin(timeoutMs?: number): Txid {
    const id = this.ask({ type: 'begin', ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    return (this.reply(id) as Sent<'begun'>).txid;
  }

  /** A one-shot over these participants. */
  transact(
    participants: readonly string[],
    more: Partial<Transact> & { hash?: string } = {},
  ): number {
    const { hash = 'hash-0', ...fields } = more;
    const branches = participants.map((participant) => ({ participant }));
    return this.ask({ type: 'transact', announce: true, branches, ...fields }, { hash });
  }

  /** The txid that was begun last. */
  get txid(): Txid {
    return this.world.txids.at(-1) as Txid;
  }

  vote(connection: number, vote: Vote, more: { txid?: Txid; branch?: string } = {}): void {
    this.#speak(connection, (name) => ({
      type: 'vote',
      txid: more.txid ?? this.txid,
      branch: more.branch ?? name,
      vote,
    }));
  }

  ack(
    connection: number,
    decision: 'commit' | 'abort',
    more: { txid?: Txid; branch?: string; code?: 'UNKNOWN_BRANCH' | 'INTERNAL' } = {},
  ): void {
    const { code } = more;
    this.#speak(connection, (name) => ({
      type: 'ack',
      txid: more.txid ?? this.txid,
      branch: more.branch ?? name,
      decision,
      ok: code === undefined,
      ...(code === undefined ? {} : { error: { code, message: 'It did not work.' } }),
    }));
  }

  #speak(connection: number, make: (participant: string) => TermRequest): void {
    const peer = this.world.open.find((other) => other.connection === connection);
    if (peer === undefined) throw new Error(`connection ${connection} is not open`);
    this.world.from(peer, make(peer.instance.participant));
  }

  /** Lets the log do all of its present work. */
  log(): void {
    while (this.world.work.length > 0) this.world.answer(0);
  }

  advance(byMs: number): void {
    this.world.advance(byMs);
  }

  /** The final answer to a request; undefined while there is none. */
  reply(id: number): FromNode | undefined {
    return this.world.sent.findLast(({ message }) => 'id' in message && message.id === id)?.message;
  }

  /** What was sent on a connection, of one type. */
  sent<Type extends FromNode['type']>(connection: number, type: Type): Sent<Type>[] {
    const messages = this.world.sent.filter((sent) => sent.connection === connection);
    return messages
      .map(({ message }) => message)
      .filter((message) => message.type === type) as Sent<Type>[];
  }

  noted(event: string): number {
    return this.world.notes.filter((note) => note.event === event).length;
  }

  /** What `status` says of the transaction. */
  status(txid: Txid = this.txid): Sent<'status'> {
    return this.reply(this.ask({ type: 'status', txid })) as Sent<'status'>;
  }

  branch(name: string, txid: Txid = this.txid): Sent<'status'>['branches'][number] | undefined {
    return this.status(txid).branches.find((branch) => branch.branch === name);
  }
}
