/**
 * Stands between a node and its peers, on sockets and in process alike: it sees which transactions
 * there are, and loses, repeats and adds messages as the plan has it.
 */
import type { Enlist, FromNode, ToNode, Transact, VoteMessage } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { Connection, ConnectionHandler } from '../ports/transport.ts';
import type { FaultPlan } from './faults.ts';
import type { Life } from './mortal.ts';
import type { Accept } from './wire.ts';

/** Votes abort once all others have voted, where a fault asks for it. */
export const otherParticipant = 'another-participant';

/** Ids of requests that no client made; those count up from 1. */
const firstOwnId = 2 ** 50;

export interface DoorOptions {
  readonly plan: FaultPlan;
  /** Something went by: whoever waits looks again. */
  readonly news: () => void;
}

interface Seen {
  readonly participants: Set<string>;
  /** Those whose vote has been let through. */
  readonly voted: Set<string>;
}

export class Door {
  readonly #given: DoorOptions;
  readonly #seen = new Map<Txid, Seen>();
  /** Their votes never arrive. */
  readonly #silenced = new Set<string>();
  /** Of a request that is sent again: it has the same branches each time. */
  readonly #withOther = new Set<string>();
  #nextOwnId = firstOwnId;

  constructor(given: DoorOptions) {
    this.#given = given;
  }

  /** In the order in which they came to be. */
  get txids(): readonly Txid[] {
    return [...this.#seen.keys()];
  }

  participantsOf(txid: Txid): readonly string[] {
    return [...(this.#seen.get(txid)?.participants ?? [])];
  }

  /** Whether all participants but the added one have voted. */
  othersVoted(txid: Txid): boolean {
    const { participants, voted } = this.#of(txid);
    const others = [...participants].filter((name) => name !== otherParticipant);
    return others.length > 0 && others.every((name) => voted.has(name));
  }

  /** What the node's listener takes connections by. Nothing gets through when its life is over. */
  behind(accept: Accept, life: Life): Accept {
    return (connection) => new Peer(connection, life, this).open(accept);
  }

  came(peer: Peer, message: ToNode): void {
    if (message.type === 'vote') return this.#vote(peer, message);
    if (message.type === 'transact') return peer.pass(this.#transact(message));
    if (message.type === 'enlist') {
      this.#of(message.txid).participants.add(message.participant);
    }
    if (message.type === 'commit') this.#addOther(peer, message.txid);
    peer.pass(message);
    if (message.type === 'ack' && message.ok) peer.repeat(message);
    this.#given.news();
  }

  /** False: it is not sent on. */
  goes(peer: Peer, message: FromNode): boolean {
    if ('id' in message && Number(message.id) >= firstOwnId) return false;
    if (message.type === 'begun') this.#of(message.txid);
    if (message.type === 'prepare') this.#of(message.txid).participants.add(peer.name ?? '');
    if (message.type === 'commit' && this.#given.plan.take('commit delivered twice', [peer.name])) {
      peer.repeatAfterAck(message);
    }
    this.#given.news();
    return true;
  }

  #vote(peer: Peer, message: VoteMessage): void {
    const { plan, news } = this.#given;
    const { txid, branch } = message;
    const key = `${txid} ${branch}`;
    if (plan.take('time-out', [peer.name]) !== null) this.#silenced.add(key);
    if (this.#silenced.has(key)) return;
    if (plan.take('reply to the vote lost', [peer.name]) !== null) return peer.cut();
    peer.pass(message);
    if (peer.name !== undefined) this.#of(txid).voted.add(peer.name);
    news();
  }

  #transact(message: Transact): Transact {
    const { requestId, branches } = message;
    const names = branches.map(({ participant }) => participant);
    const again = requestId !== undefined && this.#withOther.has(requestId);
    if (!again && this.#given.plan.take('abort by another participant', names) === null) {
      return message;
    }
    if (requestId !== undefined) this.#withOther.add(requestId);
    return { ...message, branches: [...branches, { participant: otherParticipant }] };
  }

  /** Ahead of the commit, as its client would have. */
  #addOther(peer: Peer, txid: Txid): void {
    const names = this.participantsOf(txid);
    if (this.#given.plan.take('abort by another participant', names) === null) return;
    this.#nextOwnId += 1;
    const enlist: Enlist = {
      type: 'enlist',
      id: this.#nextOwnId,
      txid,
      participant: otherParticipant,
    };
    peer.pass(enlist);
  }

  #of(txid: Txid): Seen {
    let seen = this.#seen.get(txid);
    if (seen === undefined) {
      seen = { participants: new Set(), voted: new Set() };
      this.#seen.set(txid, seen);
    }
    return seen;
  }
}

class Peer {
  readonly #connection: Connection<FromNode>;
  readonly #life: Life;
  readonly #door: Door;
  #handler: ConnectionHandler<ToNode> | null = null;
  /** Of a participant, once it has said it. */
  name: string | undefined;
  #again: Extract<FromNode, { type: 'commit' }> | null = null;

  constructor(connection: Connection<FromNode>, life: Life, door: Door) {
    this.#connection = connection;
    this.#life = life;
    this.#door = door;
  }

  open(accept: Accept): ConnectionHandler<ToNode> {
    const live = (): boolean => !this.#life.isOver;
    this.#handler = accept(this.#outgoing());
    this.#life.atEnd(() => this.#connection.terminate());
    return {
      message: (message) => {
        if (!live()) return;
        if (message.type === 'hello' && message.roles.includes('participant')) {
          this.name = message.name;
        }
        this.#door.came(this, message);
      },
      invalid: (problem) => live() && this.#handler?.invalid(problem),
      closed: (info) => live() && this.#handler?.closed(info),
    };
  }

  pass(message: ToNode): void {
    this.#handler?.message(message as never);
  }

  cut(): void {
    this.#connection.terminate();
  }

  repeatAfterAck(message: Extract<FromNode, { type: 'commit' }>): void {
    this.#again = message;
  }

  repeat({ txid, branch }: { readonly txid: Txid; readonly branch: string }): void {
    const again = this.#again;
    if (again?.txid !== txid || again.branch !== branch) return;
    this.#again = null;
    this.#connection.send(again);
  }

  #outgoing(): Connection<FromNode> {
    const connection = this.#connection;
    const send = (message: FromNode): void => {
      if (!this.#life.isOver && this.#door.goes(this, message)) connection.send(message);
    };
    return new Proxy(connection, {
      get: (_target, name) => {
        if (name === 'send') return send;
        const value: unknown = Reflect.get(connection, name, connection);
        return typeof value === 'function' ? value.bind(connection) : value;
      },
      set: (_target, name, value) => Reflect.set(connection, name, value, connection),
    });
  }
}
