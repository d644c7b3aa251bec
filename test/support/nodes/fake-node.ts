/**
 * A node in the test's own hands: it welcomes whoever comes, and then says what the test wants,
 * right or wrong.
 */
import type { AddressInfo } from 'node:net';
import { pack } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ToNode } from '../../../src/core/messages.ts';
import { type Epoch, makeEpoch, type Txid } from '../../../src/core/txid.ts';
import { subprotocol } from '../../../src/wire/address.ts';
import { decodeFrame } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { makeTxid } from '../core/txids.ts';
import { eventually } from '../process/child.ts';

type Typed<T extends ToNode['type']> = Extract<ToNode, { readonly type: T }>;

/** One connection that came to it. */
export class Visitor {
  readonly socket: WebSocket;
  readonly received: ToNode[] = [];
  isClosed = false;
  #taken = 0;

  constructor(socket: WebSocket, welcome: (visitor: Visitor) => void) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.isClosed = true;
    });
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const frame = isBinary ? data : data.toString('utf8');
      for (const each of decodeFrame(frame, {
        readers: readers['to-node'],
        limits: widestLimits,
      })) {
        if (!each.ok) throw new Error(`An SDK sent what is no message: ${each.problem.message}`);
        this.received.push(each.message);
        if (each.message.type === 'hello') welcome(this);
        else if (each.message.type === 'report')
          this.send({ type: 'reported', id: each.message.id });
      }
    });
  }

  send(...messages: readonly object[]): void {
    this.sendFrame(Buffer.concat(messages.map((message) => pack(message))));
  }

  sendFrame(frame: Buffer | string): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(frame);
  }

  async next<T extends ToNode['type']>(
    type: T,
    matches: (message: Typed<T>) => boolean = () => true,
  ): Promise<Typed<T>> {
    return eventually(
      () => {
        for (let at = this.#taken; at < this.received.length; at += 1) {
          const message = this.received[at] as ToNode;
          if (message.type !== type || !matches(message as Typed<T>)) continue;
          this.#taken = at + 1;
          return message as Typed<T>;
        }
        return null;
      },
      () => `${type}; there came ${JSON.stringify(this.received)}`,
    );
  }
}

export class FakeNode {
  readonly visitors: Visitor[] = [];
  /** What the upgrade requests brought to show that they may come in. */
  readonly authorizations: (string | undefined)[] = [];
  /** Where it says that the leader is. */
  leaderUrl: string | null = null;
  readonly #server: WebSocketServer;
  #sequence = 0;
  epoch: Epoch = makeEpoch({ generation: 0, revision: 5n });

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket, { headers }) => {
      this.authorizations.push(headers.authorization);
      this.visitors.push(new Visitor(socket, (visitor) => visitor.send(this.welcome())));
    });
  }

  static async started(): Promise<FakeNode> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      perMessageDeflate: false,
      handleProtocols: () => subprotocol,
    });
    await new Promise<void>((resolve) => server.once('listening', () => resolve()));
    return new FakeNode(server);
  }

  get url(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  txid(): Txid {
    this.#sequence += 1;
    const random = String(this.#sequence).padStart(13, '0');
    return makeTxid({ shard: 0, epoch: this.epoch, sequence: this.#sequence, random });
  }

  welcome(): object {
    const leader = {
      shard: 0,
      epoch: this.epoch,
      node: this.leaderUrl === null ? 'fake' : 'other',
      url: this.leaderUrl ?? `ws://${this.url}`,
    };
    return {
      type: 'welcome',
      node: 'fake',
      cluster: 'verdict',
      clusterId: 'made-by-chance',
      shards: 1,
      leaders: [leader],
      nodes: [{ node: leader.node, url: leader.url }],
      limits: {
        maxFrameBytes: 1_048_576,
        maxDepth: 32,
        maxBranches: 128,
        maxRecordBytes: 16_384,
        maxTimeoutMs: 300_000,
      },
      requestWindowMs: 120_000,
      heartbeatMs: 5_000,
    };
  }

  /** The latest connection that is open and has said hello. */
  async visitor(): Promise<Visitor> {
    return eventually(
      () =>
        this.visitors.findLast(
          (visitor) => !visitor.isClosed && visitor.received.some(({ type }) => type === 'hello'),
        ) ?? null,
      () => 'a visitor',
    );
  }

  prepare(txid: Txid, more: object = {}): object {
    return {
      type: 'prepare',
      txid,
      branch: 'x',
      epoch: this.epoch,
      witness: { generation: 0, revision: '5' },
      timeoutMs: 5_000,
      payload: null,
      ...more,
    };
  }

  async close(): Promise<void> {
    for (const { socket } of this.visitors) socket.terminate();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
