/**
 * A coordinator node in this process, on a log in memory and a clock that is moved by hand. Peers
 * reach it through the real connection, decoder and outbox; whatever it sends must be a message.
 */

import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import type { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { CoordinatorNode } from '../../../src/node/node.ts';
import { type Access, everyone, type Who } from '../../../src/ports/access.ts';
import type { Audit } from '../../../src/ports/audit.ts';
import { type Logger, silentLogger } from '../../../src/ports/logger.ts';
import type { Connection, ConnectionHandler, Dialer } from '../../../src/ports/transport.ts';
import { WebSocketConnection } from '../../../src/transport/websocket/connection.ts';
import { smallerMessage } from '../../../src/transport/websocket/smaller.ts';
import { decodeFrame, openFrame } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { LoopSocket } from '../../fuzz/loop-socket.ts';
import type { ManualClock } from '../samples/manual-clock.ts';
import { seededRandom } from '../samples/seeded-random.ts';

const url = 'ws://127.0.0.1:1/v1';
const maxFaults = 20;

export interface InProcessNodeSettings {
  readonly name: string;
  readonly options: CoordinatorOptions;
  readonly store: MemoryLogStore;
  readonly clock: ManualClock;
  readonly logger?: Logger;
  /** Default: everyone may do everything. */
  readonly access?: Access | undefined;
  /** Default: none is kept. */
  readonly audit?: Audit | undefined;
  /** To other nodes. Default: there is none. */
  readonly dialer?: Dialer | undefined;
}

/** As the listener found it out. */
export interface Arrival {
  readonly authenticated?: Who | null;
  readonly remoteAddress?: string;
}

export class InProcessNode {
  readonly node: CoordinatorNode;
  /** What must not happen, the first of it: the node gave up, threw, or said what is no message. */
  readonly faults: string[] = [];
  readonly #settings: InProcessNodeSettings;
  #accept: ((connection: Connection<FromNode>) => ConnectionHandler<ToNode>) | null = null;

  constructor(settings: InProcessNodeSettings) {
    this.#settings = settings;
    const { name, options, store, clock, logger = silentLogger, access = everyone } = settings;
    this.node = new CoordinatorNode({
      node: name,
      advertise: url,
      version: '0.0.0',
      log: openMemoryLog({ store, node: name, url, clock }),
      acceptor: {
        listen: async (accept) => {
          this.#accept = accept;
          return { address: '127.0.0.1:1', port: 1, close: async () => undefined };
        },
      },
      dialer: settings.dialer ?? null,
      clock,
      random: seededRandom(7),
      logger,
      debug: false,
      options,
      access,
      ...(settings.audit !== undefined && { audit: settings.audit }),
      onFatal: (error) => this.fault('it gave up', error),
    });
  }

  async start(): Promise<void> {
    await this.node.start();
    // With another node it may never lead.
    while (!this.node.ready && this.#settings.dialer === undefined)
      await this.#settings.clock.advance(10);
  }

  async stop(): Promise<void> {
    const stopping = this.node.stop();
    await this.#settings.clock.advance(60_000);
    await stopping;
  }

  /** The far end of a new connection. */
  connect(heard: (message: FromNode) => void, arrival: Arrival = {}): LoopSocket {
    const { options, clock } = this.#settings;
    const socket = new LoopSocket((frame) => {
      try {
        const data = typeof frame === 'string' ? frame : Buffer.from(frame);
        for (const each of decodeFrame(data, {
          readers: readers['from-node'],
          limits: widestLimits,
        })) {
          if (each.ok) heard(each.message);
          else this.fault('it sent what is no message', each.problem.message);
        }
      } catch (error) {
        this.fault('it sent what is no frame', error);
      }
    });
    const connection = new WebSocketConnection<'to-node', FromNode>({
      socket: socket.socket,
      remoteAddress: 'memory',
      ...arrival,
      clock,
      heartbeatMs: options.heartbeatMs,
      maxBufferedBytes: options.maxBufferedBytes,
      maxFrameBytes: options.maxFrameBytes,
      maxMessageBytes: options.maxBufferedBytes / 4,
      smaller: smallerMessage,
      decode: (data) => openFrame(data, { readers: readers['to-node'], limits: options }),
    });
    const handler = this.#accept?.(connection);
    if (handler === undefined) throw new Error('The node does not listen.');
    connection.start(handler);
    return socket;
  }

  fault(what: string, why: unknown): void {
    if (this.faults.length >= maxFaults) return;
    this.faults.push(`${what}: ${why instanceof Error ? (why.stack ?? why.message) : String(why)}`);
  }
}
