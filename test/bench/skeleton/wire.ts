/**
 * What the skeleton's three processes share: MessagePack maps, coalesced into one frame a turn of
 * the event loop, as the product sends them. No validation, no limits, no heart-beats.
 */
import { Packr, Unpackr } from 'msgpackr';
import type { WebSocket } from 'ws';

export type Fields = Record<string, unknown>;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export class SkeletonConnection {
  readonly #socket: WebSocket;
  #queue: Buffer[] = [];

  constructor(socket: WebSocket, received: (message: Fields) => void) {
    this.#socket = socket;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data: Buffer) => {
      unpackr.unpackMultiple(data, (message) => {
        received(message as Fields);
      });
    });
  }

  send(message: Fields): void {
    this.#queue.push(packr.pack(message));
    if (this.#queue.length > 1) return;
    setImmediate(() => {
      const frame = this.#queue.length === 1 ? this.#queue[0] : Buffer.concat(this.#queue);
      this.#queue = [];
      if (frame !== undefined) this.#socket.send(frame);
    });
  }
}
