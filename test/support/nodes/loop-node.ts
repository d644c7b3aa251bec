/** A node in this process, with peers that send it what a test wants and check what they hear. */

import {
  type CoordinatorOptions,
  coordinatorOptions,
} from '../../../src/core/coordinator-options.ts';
import type { FromNode, Hello, PeerRole, ToNode } from '../../../src/core/messages.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import type { CoordinatorNode } from '../../../src/node/node.ts';
import type { Access } from '../../../src/ports/access.ts';
import type { Audit } from '../../../src/ports/audit.ts';
import { type Logger, silentLogger } from '../../../src/ports/logger.ts';
import type { Dialer } from '../../../src/ports/transport.ts';
import type { Form } from '../../../src/wire/codec.ts';
import type { LoopSocket } from '../../fuzz/loop-socket.ts';
import { ManualClock, settle } from '../samples/manual-clock.ts';
import { frameOf } from '../samples/wire.ts';
import { type Arrival, InProcessNode } from './in-process-node.ts';

export interface LoopHello {
  readonly name: string;
  readonly roles: readonly PeerRole[];
  readonly instance?: string;
  readonly sharedResource?: string;
  readonly process?: string;
  readonly run?: string;
  readonly copy?: boolean;
  readonly understands?: readonly string[];
  readonly earlierRuns?: readonly string[];
  readonly form?: Form;
  /** As the listener found it out. */
  readonly arrival?: Arrival;
}

/** A transaction of several participants takes some ten turns of the event loop. */
const maxTurns = 40;

/** One end of a connection. It may send anything; what it hears is checked as an SDK would. */
export class LoopPeer {
  readonly heard: FromNode[] = [];
  readonly form: Form;
  closed = false;
  readonly #socket: LoopSocket;
  readonly #react: ((message: FromNode, peer: LoopPeer) => void) | undefined;
  #id = 0;

  constructor(
    socket: LoopSocket,
    given: { form: Form; react?: ((message: FromNode, peer: LoopPeer) => void) | undefined },
  ) {
    this.#socket = socket;
    this.form = given.form;
    this.#react = given.react;
    socket.once('close', () => {
      this.closed = true;
    });
  }

  get isOpen(): boolean {
    return this.#socket.isOpen;
  }

  send(message: object): void {
    this.#socket.deliver(frameOf(this.form, message));
  }

  drop(code?: number, reason?: string): void {
    this.#socket.drop(code, reason);
  }

  hear(message: FromNode): void {
    this.heard.push(message);
    this.#react?.(message, this);
  }

  /** The reply, or null where none comes while the clock stands still. */
  async ask<T extends FromNode['type'] = FromNode['type']>(
    message: Omit<ToNode, 'id'> & Record<string, unknown>,
  ): Promise<Extract<FromNode, { type: T | 'error' }> | null> {
    this.#id += 1;
    const id = this.#id;
    this.send({ ...message, id });
    for (let turn = 0; turn < maxTurns && this.answer(id) === null; turn += 1) await settle();
    return this.answer(id) as Extract<FromNode, { type: T | 'error' }> | null;
  }

  /** The last message that came for the request. */
  answer(id: number): FromNode | null {
    return this.heard.findLast((message) => 'id' in message && message.id === id) ?? null;
  }
}

/** A second node shares the first one's log and time. */
export interface LoopPlace {
  readonly node: string;
  readonly store?: MemoryLogStore;
  readonly clock?: ManualClock;
  readonly logger?: Logger;
  readonly access?: Access;
  readonly audit?: Audit;
  readonly dialer?: Dialer;
}

export class LoopNode {
  readonly clock: ManualClock;
  readonly store: MemoryLogStore;
  readonly #inProcess: InProcessNode;

  private constructor(
    options: Partial<CoordinatorOptions>,
    { node, store, clock, logger = silentLogger, access, audit, dialer }: LoopPlace,
  ) {
    this.clock = clock ?? new ManualClock();
    this.store = store ?? new MemoryLogStore({ requestWindowMs: 120_000 });
    this.#inProcess = new InProcessNode({
      name: node,
      options: coordinatorOptions(options),
      store: this.store,
      clock: this.clock,
      logger,
      access,
      audit,
      dialer,
    });
  }

  static async started(
    options: Partial<CoordinatorOptions> = {},
    place: LoopPlace = { node: 'loop' },
  ): Promise<LoopNode> {
    const loop = new LoopNode(options, place);
    await loop.#inProcess.start();
    return loop;
  }

  get node(): CoordinatorNode {
    return this.#inProcess.node;
  }

  get faults(): readonly string[] {
    return this.#inProcess.faults;
  }

  stop(): Promise<void> {
    return this.#inProcess.stop();
  }

  /** The far end of a new connection. */
  connect(heard: (message: FromNode) => void, arrival: Arrival): LoopSocket {
    return this.#inProcess.connect(heard, arrival);
  }

  async peer(
    { form = 'binary', arrival, ...given }: LoopHello,
    react?: (message: FromNode, peer: LoopPeer) => void,
  ): Promise<LoopPeer> {
    const hear = (message: FromNode): void => queueMicrotask(() => peer.hear(message));
    const socket = this.#inProcess.connect(hear, arrival);
    const peer = new LoopPeer(socket, { form, react });
    const hello: Hello = {
      type: 'hello',
      protocol: 1,
      instance: `${given.name}-1`,
      ...given,
    };
    peer.send(hello);
    await settle();
    return peer;
  }
}

/** Votes commit, with a result where one is given, and acknowledges. */
export function obedient(result?: unknown): (message: FromNode, peer: LoopPeer) => void {
  return (message, peer) => {
    if (message.type === 'prepare') {
      const { txid, branch } = message;
      const more = result === undefined ? {} : { result };
      peer.send({ type: 'vote', txid, branch, vote: 'commit', ...more });
    } else if (message.type === 'commit' || message.type === 'rollback') {
      const { txid, branch } = message;
      const decision = message.type === 'commit' ? 'commit' : 'abort';
      peer.send({ type: 'ack', txid, branch, decision, ok: true });
    }
  };
}
