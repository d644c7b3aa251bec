/**
 * A node in this process, and a stream of frames into its connections. Whatever it is sent must not
 * end it.
 */
import { coordinatorOptions } from '../../src/core/coordinator-options.ts';
import { type FromNode, type PeerRole, peerRoles } from '../../src/core/messages.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import { MemoryLogStore } from '../../src/decision-log/memory/store.ts';
import type { Random } from '../../src/ports/random.ts';
import { encodeMessage } from '../../src/wire/codec.ts';
import { InProcessNode } from '../support/nodes/in-process-node.ts';
import { ManualClock, settle } from '../support/samples/manual-clock.ts';
import { type Frame, Frames, type Living } from './frames.ts';
import type { LoopSocket } from './loop-socket.ts';
import { below, chance, pick } from './values.ts';

/** Of what came by lately; older ones have ended. */
const maxRemembered = 64;
const maxPeers = 6;
/** A node with no one to talk to would be fuzzed through one error message only. */
const helloPart = 0.95;

interface Peer {
  readonly socket: LoopSocket;
  readonly roles: readonly PeerRole[] | null;
  readonly name: string;
}

const options = coordinatorOptions({
  maxTransactionTimeoutMs: 2_000,
  transactionTimeoutMs: 1_000,
  participantWaitMs: 300,
  maxRecent: 200,
  handshakeTimeoutMs: 500,
  maxRetryDelayMs: 2_000,
});

export class NodeUnderFuzz {
  readonly clock: ManualClock = new ManualClock();
  readonly #random: Random;
  readonly #frames: Frames;
  readonly #inProcess: InProcessNode;
  readonly #peers: Peer[] = [];
  readonly #txids: Txid[] = [];
  readonly #branches: { txid: Txid; branch: string }[] = [];
  #epochs: Epoch[] = [];
  #serial = 0;
  /** Messages of the node, by type: what the frames have reached. */
  readonly said: Map<string, number> = new Map();

  private constructor(random: Random) {
    this.#random = random;
    this.#frames = new Frames({
      random,
      direction: 'to-node',
      living: () => this.#living(),
    });
    this.#inProcess = new InProcessNode({
      name: 'fuzzed',
      options,
      store: new MemoryLogStore({ requestWindowMs: 10_000 }),
      clock: this.clock,
    });
  }

  static async started(random: Random): Promise<NodeUnderFuzz> {
    const under = new NodeUnderFuzz(random);
    await under.#inProcess.start();
    return under;
  }

  /** What must not happen, as it happened. */
  get faults(): readonly string[] {
    return this.#inProcess.faults;
  }

  get connections(): number {
    return this.#inProcess.node.connections;
  }

  get transactions(): number {
    let count = 0;
    for (const driver of this.#inProcess.node.drivers.values()) count += driver.term.size;
    return count;
  }

  get leads(): boolean {
    return this.#inProcess.node.drivers.size === 1;
  }

  /** There is always somebody to send a frame. */
  async ready(): Promise<void> {}

  /**
   * One frame of the sequence, to some peer's connection; a new peer now and then, and where one
   * was closed.
   */
  next(): Frame {
    const { frame } = this.#frames.next();
    this.deliver(frame);
    return frame;
  }

  deliver(frame: Frame): void {
    const random = this.#random;
    const open = this.#peers.filter(({ socket }) => socket.isOpen);
    this.#peers.splice(0, this.#peers.length, ...open);
    if (open.length < maxPeers) this.#peers.push(this.#open());
    else if (chance(random, 0.002)) pick(random, open).socket.drop();
    const peer = pick(random, this.#peers);
    try {
      peer.socket.deliver(frame);
    } catch (error) {
      this.#inProcess.fault(`${peer.name} (${peer.roles?.join() ?? 'no hello'}) broke it`, error);
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

  stop(): Promise<void> {
    return this.#inProcess.stop();
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
    const socket = this.#inProcess.connect((message) => this.#learn(message));
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
}

function remember<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > maxRemembered) list.shift();
}
