/** Dials that end in this process: each opens a real connection on a LoopSocket, or is refused. */
import type { FromNode, ToNode } from '../../src/core/messages.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { ConnectionHandler, ConnectOptions, Dialer } from '../../src/ports/transport.ts';
import { WebSocketConnection } from '../../src/transport/websocket/connection.ts';
import { decodeFrame } from '../../src/wire/codec.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { readers } from '../../src/wire/readers.ts';
import type { Frame } from './frames.ts';
import { LoopSocket } from './loop-socket.ts';

export interface LoopDialerOptions {
  readonly clock: Clock;
  /** Whether the dial is answered. */
  readonly answers: (url: string) => boolean;
  readonly opened: (socket: LoopSocket) => void;
  readonly heard: (socket: LoopSocket, frame: Frame) => void;
}

const maxBufferedBytes = 67_108_864;

export class LoopDialer implements Dialer {
  /** Dials that were made, and sockets that are open now. */
  dials = 0;
  readonly sockets: Set<LoopSocket> = new Set();
  readonly #options: LoopDialerOptions;

  constructor(options: LoopDialerOptions) {
    this.#options = options;
  }

  connect(
    { url, heartbeatMs }: ConnectOptions,
    events: Parameters<Dialer['connect']>[1],
  ): { cancel(): void } {
    const { clock, answers, opened, heard } = this.#options;
    this.dials += 1;
    const timer = clock.setTimer(1, () => {
      if (!answers(url)) {
        events.failed({ code: 1006, reason: 'no one listens', kind: 'refused' });
        return;
      }
      const socket: LoopSocket = new LoopSocket((frame) => heard(socket, frame));
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      const connection = new WebSocketConnection<'from-node', ToNode>({
        socket: socket.socket,
        remoteAddress: 'memory',
        clock,
        heartbeatMs,
        maxBufferedBytes,
        maxFrameBytes: widestLimits.maxFrameBytes,
        maxMessageBytes: widestLimits.maxFrameBytes,
        decode: (data) =>
          decodeFrame(data, { readers: readers['from-node'], limits: widestLimits }),
      });
      const handler: ConnectionHandler<FromNode> = events.opened(connection);
      connection.start(handler);
      opened(socket);
    });
    return { cancel: () => timer.cancel() };
  }
}
