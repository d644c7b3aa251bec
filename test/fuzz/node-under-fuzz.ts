/**
 * A coordinator node in this process, on a log in memory and a clock that is moved by hand, and a stream of frames into
 * its connections. Whatever it sends must be a message, and whatever it is sent must not end it.
 */
import { Buffer } from 'node:buffer';
import { CoordinatorNode } from '../../src/coordinator/node.ts';
import { coordinatorOptions } from '../../src/core/coordinator-options.ts';
import { type FromNode, type PeerRole, peerRoles, type ToNode } from '../../src/core/messages.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import { openMemoryLog } from '../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../src/decision-log/memory/store.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Connection, ConnectionHandler } from '../../src/ports/transport.ts';
import { WebSocketConnection } from '../../src/transport/websocket/connection.ts';
import { smallerMessage } from '../../src/transport/websocket/smaller.ts';
import { decodeFrame, encodeMessage, openFrame } from '../../src/wire/codec.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type Frame, Frames, type Living } from './frames.ts';
import { LoopSocket } from './loop-socket.ts';
import { below, chance, pick } from './values.ts';

/** Of what came by lately; older ones have ended. */
const rememberedMax = 64;
const peersMax = 6;
/** A node with nobody to talk to would be fuzzed through one error message only. */
const helloPart = 0.95;

interface Peer {
  readonly socket: LoopSocket;
  readonly roles: readonly PeerRole[] | null;
  readonly name: string;
}

const options = coordinatorOptions({
  transactionTimeoutMsMax: 2_000,
  transactionTimeoutMs: 1_000,
  participantWaitMs: 300,
  recentMax: 200,
  handshakeTimeoutMs: 500,
  retryDelayMsMax: 2_000,
});

export class NodeUnderFuzz {
  readonly clock: ManualClock = new ManualClock();
  readonly #random: Random;
  readonly #frames: Frames;
  readonly #node: CoordinatorNode;
  readonly #peers: Peer[] = [];
  readonly #txids: Txid[] = [];
  readonly #branches: { txid: Txid; branch: string }[] = [];
  #epochs: Epoch[] = [];
  #accept: ((connection: Connection<FromNode>) => ConnectionHandler<ToNode>) | null = null;
  #serial = 0;
  /** What must not happen, as it happened. */
  readonly faults: string[] = [];
  /** Messages of the node, by type: what the frames have reached. */
  readonly said: Map<string, number> = new Map();

  private constructor(random: Random) {
    this.#random = random;
    this.#frames = new Frames({
      random,
      direction: 'to-node',
      living: () => this.#living(),
    });
    this.#node = new CoordinatorNode({
      node: 'fuzzed',
      advertise: 'ws://127.0.0.1:1/v1',
      version: '0.0.0',
      log: openMemoryLog({
        store: new MemoryLogStore({ requestWindowMs: 10_000 }),
        node: 'fuzzed',
        url: 'ws://127.0.0.1:1/v1',
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
      logger: silentLogger,
      debug: false,
      options,
      token: null,
      onFatal: (error) => this.#fault('the node gave up', error),
    });
  }

  static async started(random: Random): Promise<NodeUnderFuzz> {
    const under = new NodeUnderFuzz(random);
    await under.#node.start();
    while (!under.#node.ready) await under.clock.advance(10);
    return under;
  }

  get connections(): number {
    return this.#node.connections;
  }

  get transactions(): number {
    let count = 0;
    for (const driver of this.#node.drivers.values()) count += driver.term.size;
    return count;
  }

  get leads(): boolean {
    return this.#node.drivers.size === 1;
  }

  /** There is always somebody to send a frame. */
  async ready(): Promise<void> {}

  /** One frame of the sequence, to some peer's connection; a new peer now and then, and where one was closed. */
  next(): Frame {
    const { frame } = this.#frames.next();
    this.deliver(frame);
    return frame;
  }

  deliver(frame: Frame): void {
    const random = this.#random;
    const open = this.#peers.filter(({ socket }) => socket.isOpen);
    this.#peers.splice(0, this.#peers.length, ...open);
    if (open.length < peersMax) this.#peers.push(this.#open());
    else if (chance(random, 0.002)) pick(random, open).socket.drop();
    const peer = pick(random, this.#peers);
    try {
      peer.socket.deliver(frame);
    } catch (error) {
      this.#fault(`${peer.name} (${peer.roles?.join() ?? 'no hello'}) broke it`, error);
    }
  }

  /** Lets what is under way end, and time pass. */
  async pass(byMs: number): Promise<void> {
    await settle();
    await this.clock.advance(byMs);
  }

  /** All peers go. */
  async quiet(): Promise<void> {
    for (const { socket } of this.#peers) socket.drop();
    await this.pass(60_000);
    await this.pass(60_000);
  }

  async stop(): Promise<void> {
    const stopping = this.#node.stop();
    await this.clock.advance(60_000);
    await stopping;
  }

  #living(): Living {
    return {
      txids: this.#txids,
      branches: this.#branches,
      participants: ['p0', 'p1', 'p2', 'nobody'],
      epochs: this.#epochs,
    };
  }

  #open(): Peer {
    const random = this.#random;
    this.#serial += 1;
    const roles = pick(random, [...peerRoles.map((role) => [role]), [...peerRoles]]);
    const name = `p${below(random, 3)}`;
    const socket = new LoopSocket((frame) => this.#heard(frame));
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
    if (chance(random, 0.05)) socket.fallSilent();
    if (!chance(random, helloPart)) return { socket, roles: null, name };
    socket.deliver(
      encodeMessage(
        { type: 'hello', protocol: 1, name, instance: `${name}-${below(random, 3)}`, roles },
        'binary',
      ),
    );
    return { socket, roles, name };
  }

  /** What the node says must be right, whatever it was told. */
  #heard(frame: Frame): void {
    try {
      const data = typeof frame === 'string' ? frame : Buffer.from(frame);
      for (const each of decodeFrame(data, { direction: 'from-node', limits: widestLimits })) {
        if (!each.ok) this.#fault('it sent what is no message', each.problem.message);
        else this.#learn(each.message);
      }
    } catch (error) {
      this.#fault('it sent what is no frame', error);
    }
  }

  #learn(message: FromNode): void {
    this.said.set(message.type, (this.said.get(message.type) ?? 0) + 1);
    if (message.type === 'begun' || message.type === 'prepare') {
      remember(this.#txids, message.txid);
    }
    if (message.type === 'prepare' || message.type === 'commit' || message.type === 'rollback') {
      remember(this.#branches, { txid: message.txid, branch: message.branch });
    }
    if (message.type === 'welcome') {
      this.#epochs = message.leaders.flatMap((leader) => (leader === null ? [] : [leader.epoch]));
    }
  }

  #fault(what: string, why: unknown): void {
    if (this.faults.length >= 20) return;
    this.faults.push(`${what}: ${why instanceof Error ? (why.stack ?? why.message) : String(why)}`);
  }
}

function remember<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > rememberedMax) list.shift();
}
