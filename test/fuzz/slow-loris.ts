/**
 * Connections that take their time: bytes of a handshake, or of a frame, one by one; and pongs that
 * no one reads.
 */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { upgradeRequest, wireFrame } from '../support/network/hand-made-frames.ts';
import { pause } from '../support/process/child.ts';

const byteEveryMs = 25;

export class SlowLoris {
  /** Connections made so far: the node ends them, and there is always a next one. */
  connections = 0;
  readonly #loops: readonly Promise<void>[];
  #over = false;

  constructor(port: number) {
    this.#loops = [
      this.#again(() => this.#handshake(port)),
      this.#again(() => this.#frame(port)),
      this.#again(() => this.#pings(port)),
    ];
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  async #again(once: () => Promise<void>): Promise<void> {
    while (!this.#over) {
      this.connections += 1;
      await once();
      await pause(byteEveryMs);
    }
  }

  async #handshake(port: number): Promise<void> {
    const socket = opened(port);
    for (const byte of upgradeRequest(`127.0.0.1:${port}`)) {
      if (this.#over || socket.destroyed) break;
      socket.write(byte);
      await pause(byteEveryMs);
    }
    socket.destroy();
  }

  /** A frame of a megabyte that never comes to its end. */
  async #frame(port: number): Promise<void> {
    const socket = opened(port);
    socket.write(upgradeRequest(`127.0.0.1:${port}`));
    await pause(100);
    socket.write(wireFrame(0x82, Buffer.alloc(0), 1_000_000));
    while (!this.#over && !socket.destroyed) {
      socket.write(Buffer.from([0x80]));
      await pause(byteEveryMs);
    }
    socket.destroy();
  }

  /** Every ping is owed a pong. Not one is read. */
  async #pings(port: number): Promise<void> {
    const socket = opened(port);
    socket.write(upgradeRequest(`127.0.0.1:${port}`));
    await pause(100);
    socket.pause();
    const ping = wireFrame(0x89, Buffer.alloc(100));
    const many = Buffer.concat(Array.from({ length: 100 }, () => ping));
    while (!this.#over && !socket.destroyed) {
      if (socket.writableLength < 1_000_000) socket.write(many);
      await pause(byteEveryMs);
    }
    socket.destroy();
  }
}

function opened(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  return socket;
}
