/**
 * The way to a node in the same process. What is sent goes through the codec as on a socket: what
 * cannot be sent is refused, and the other side gets a copy.
 */
import type { FromNode, Message, ToNode } from '../core/messages.ts';
import type { CloseInfo, Connection, ConnectionHandler, Dialer } from '../ports/transport.ts';
import { later } from '../system/real-time.ts';
import { type Direction, decodeFrame, encodeMessage, type MessageOf } from '../wire/codec.ts';
import { widestLimits } from '../wire/limits.ts';
import { readers } from '../wire/readers.ts';
import type { Readers } from '../wire/validate.ts';
import type { Life } from './mortal.ts';

/** Takes the node's end of a new connection. */
export type Accept = (connection: Connection<FromNode>) => ConnectionHandler<ToNode>;

const lost: CloseInfo = { code: 1006, reason: 'The other side is gone.', kind: 'reset' };

/** One end. `Received`: the direction of what comes in here. */
class End<Received extends Direction, Out extends Message> implements Connection<Out> {
  readonly remoteAddress = 'in-process';
  readonly isPrivate = true;
  readonly #readers: Readers<Received>;
  readonly #peer: () => End<Direction, Message>;
  handler: ConnectionHandler<MessageOf<Received>> | null = null;
  #isOpen = true;

  constructor(reads: Readers<Received>, peer: () => End<Direction, Message>) {
    this.#readers = reads;
    this.#peer = peer;
  }

  send(message: Out): void {
    if (!this.#isOpen) return;
    const frame = encodeMessage(message, 'binary');
    later(() => this.#peer().receive(frame));
  }

  close(code: number, reason: string): void {
    this.#end({ code, reason, kind: 'closed' }, { code, reason, kind: 'closed' });
  }

  terminate(): void {
    this.#end({ code: 1006, reason: 'Terminated by this side.', kind: 'closed' }, lost);
  }

  answeredPingAgeMs(): number {
    return 0;
  }

  bufferedBytes(): number {
    return 0;
  }

  receive(frame: Uint8Array): void {
    const given = { readers: this.#readers, limits: widestLimits };
    for (const each of decodeFrame(frame, given)) {
      if (!this.#isOpen) return;
      if (each.ok) this.handler?.message(each.message);
      else this.handler?.invalid(each.problem);
    }
  }

  /** The owner is gone: it hears nothing more. */
  abandon(): void {
    this.handler = null;
    this.terminate();
  }

  #end(here: CloseInfo, there: CloseInfo): void {
    if (!this.#isOpen) return;
    this.ended(here);
    // Behind what was sent before.
    later(() => this.#peer().ended(there));
  }

  ended(info: CloseInfo): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    later(() => this.handler?.closed(info));
  }
}

/** `accept`: null while the node is gone. */
export function inProcessDialer(accept: () => Accept | null, life: Life | null = null): Dialer {
  return {
    connect: (_options, events) => {
      let isOver = false;
      later(() => {
        if (isOver || life?.isOver === true) return;
        isOver = true;
        const take = accept();
        if (take === null) {
          events.failed({ code: 1006, reason: 'The test coordinator is gone.', kind: 'refused' });
          return;
        }
        const near: End<'from-node', ToNode> = new End(readers['from-node'], () => far as never);
        const far: End<'to-node', FromNode> = new End(readers['to-node'], () => near as never);
        far.handler = take(far);
        near.handler = events.opened(near);
        life?.atEnd(() => near.abandon());
      });
      return {
        cancel: () => {
          isOver = true;
        },
      };
    },
  };
}
