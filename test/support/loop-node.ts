/**
 * A coordinator node in this process, on a log in memory and a clock moved by hand, with peers that speak to it through the real
 * connection, decoder and outbox.
 */
import { CoordinatorNode } from '../../src/coordinator/node.ts';
import { type CoordinatorOptions, coordinatorOptions } from '../../src/core/coordinator-options.ts';
import type { FromNode, Hello, PeerRole, ToNode } from '../../src/core/messages.ts';
import { openMemoryLog } from '../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../src/decision-log/memory/store.ts';
import { type Logger, silentLogger } from '../../src/ports/logger.ts';
import type { Connection, ConnectionHandler } from '../../src/ports/transport.ts';
import { WebSocketConnection } from '../../src/transport/websocket/connection.ts';
import { smallerMessage } from '../../src/transport/websocket/smaller.ts';
import { decodeFrame, type Form, openFrame } from '../../src/wire/codec.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { LoopSocket } from '../fuzz/loop-socket.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';
import { frameOf } from './wire.ts';

export interface LoopHello {
  readonly name: string;
  readonly roles: readonly PeerRole[];
  readonly instance?: string;
  readonly sharedResource?: string;
  readonly process?: string;
  readonly run?: string;
  readonly copy?: boolean;
  readonly earlierRuns?: readonly string[];
  readonly form?: Form;
}

/** A transaction of several participants takes some ten turns of the event loop. */
const turnsMax = 40;

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
    for (let turn = 0; turn < turnsMax && this.answer(id) === null; turn += 1) await settle();
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
}

export class LoopNode {
  readonly clock: ManualClock;
  readonly store: MemoryLogStore;
  readonly node: CoordinatorNode;
  /** What must not happen: the node gave up, threw, or said what is no message. */
  readonly faults: string[] = [];
  readonly #options: CoordinatorOptions;
  #accept: ((connection: Connection<FromNode>) => ConnectionHandler<ToNode>) | null = null;

  private constructor(
    options: Partial<CoordinatorOptions>,
    { node, store, clock, logger = silentLogger }: LoopPlace,
  ) {
    this.clock = clock ?? new ManualClock();
    this.store = store ?? new MemoryLogStore({ requestWindowMs: 120_000 });
    this.#options = coordinatorOptions(options);
    const url = 'ws://127.0.0.1:1/v1';
    this.node = new CoordinatorNode({
      node,
      advertise: url,
      version: '0.0.0',
      log: openMemoryLog({
        store: this.store,
        node,
        url,
        clock: this.clock,
      }),
      acceptor: {
        listen: async (accept) => {
          this.#accept = accept;
          return { address: '127.0.0.1:1', port: 1, close: async () => undefined };
        },
      },
      dialer: null,
      clock: this.clock,
      random: seededRandom(7),
      logger,
      debug: false,
      options: this.#options,
      token: null,
      onFatal: (error) => this.#fault('it gave up', error),
    });
  }

  static async started(
    options: Partial<CoordinatorOptions> = {},
    place: LoopPlace = { node: 'loop' },
  ): Promise<LoopNode> {
    const loop = new LoopNode(options, place);
    await loop.node.start();
    while (!loop.node.ready) await loop.clock.advance(10);
    return loop;
  }

  async stop(): Promise<void> {
    const stopping = this.node.stop();
    await this.clock.advance(60_000);
    await stopping;
  }

  async peer(
    { form = 'binary', ...given }: LoopHello,
    react?: (message: FromNode, peer: LoopPeer) => void,
  ): Promise<LoopPeer> {
    const options = this.#options;
    const socket = new LoopSocket((frame) => {
      try {
        const data = typeof frame === 'string' ? frame : Buffer.from(frame);
        for (const each of decodeFrame(data, { direction: 'from-node', limits: widestLimits })) {
          if (each.ok) queueMicrotask(() => peer.hear(each.message));
          else this.#fault('it sent what is no message', each.problem.message);
        }
      } catch (error) {
        this.#fault('it sent what is no frame', error);
      }
    });
    const peer = new LoopPeer(socket, { form, react });
    const connection = new WebSocketConnection<'to-node', FromNode>({
      socket: socket.socket,
      remoteAddress: 'memory',
      clock: this.clock,
      heartbeatMs: options.heartbeatMs,
      bufferedBytesMax: options.bufferedBytesMax,
      frameBytesMax: options.frameBytesMax,
      messageBytesMax: options.bufferedBytesMax / 4,
      smaller: smallerMessage,
      decode: (data) => openFrame(data, { direction: 'to-node', limits: options }),
    });
    const handler = this.#accept?.(connection);
    if (handler === undefined) throw new Error('The node does not listen.');
    connection.start(handler);
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

  #fault(what: string, why: unknown): void {
    this.faults.push(`${what}: ${why instanceof Error ? (why.stack ?? why.message) : String(why)}`);
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
