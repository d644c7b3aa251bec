/** The way from one node in this process to another. */
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type { Connection, ConnectionHandler, Dialer } from '../../../src/ports/transport.ts';
import { frameOf } from '../samples/wire.ts';
import type { LoopNode } from './loop-node.ts';

export class LoopDialer implements Dialer {
  /** What is sent arrives nowhere, as with a node that stands still. */
  isSilent = false;
  readonly #target: LoopNode;
  readonly #identity: string | null;

  /** `identity`: as which the target takes whoever dials. */
  constructor(target: LoopNode, identity: string | null) {
    this.#target = target;
    this.#identity = identity;
  }

  connect(
    _options: unknown,
    events: Parameters<Dialer['connect']>[1],
  ): ReturnType<Dialer['connect']> {
    let isOver = false;
    queueMicrotask(() => {
      if (!isOver) this.#open(events);
    });
    return {
      cancel: () => {
        isOver = true;
      },
    };
  }

  #open(events: Parameters<Dialer['connect']>[1]): void {
    let handler: ConnectionHandler<FromNode> | null = null;
    const identity = this.#identity;
    const who = identity === null ? null : { identity, expiresAtMs: null };
    const socket = this.#target.connect(
      (message) => queueMicrotask(() => handler?.message(message)),
      { authenticated: who },
    );
    const close = (): void => socket.drop();
    const connection: Connection<ToNode> = {
      remoteAddress: 'memory',
      send: (message) => {
        if (!this.isSilent) socket.deliver(frameOf('binary', message));
      },
      close,
      terminate: close,
      answeredPingAgeMs: () => 0,
      bufferedBytes: () => 0,
    };
    socket.once('close', () => {
      queueMicrotask(() => handler?.closed({ code: 1006, reason: '', kind: 'closed' }));
    });
    handler = events.opened(connection);
  }
}
