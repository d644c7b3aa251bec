/**
 * The part of a `ws` socket that a WebSocketConnection uses, with the other end in this process: so
 * that a million frames pass through the real connection, its decoder and its outbox, without the
 * kernel.
 */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import type { Frame } from './frames.ts';

export class LoopSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  binaryType = 'nodebuffer';
  bufferedAmount = 0;
  /** What the connection under test wrote. */
  readonly #written: (frame: Frame) => void;
  #pongs = true;

  constructor(written: (frame: Frame) => void) {
    super();
    this.#written = written;
  }

  /** As the type that the connection expects; what is missing here it does not use. */
  get socket(): WebSocket {
    return this as unknown as WebSocket;
  }

  get isOpen(): boolean {
    return this.readyState === this.OPEN;
  }

  /** Pings stay unanswered from now on. */
  fallSilent(): void {
    this.#pongs = false;
  }

  /** The other end sends a frame. */
  deliver(frame: Frame): void {
    if (!this.isOpen) return;
    const isText = typeof frame === 'string';
    const bytes = isText ? Buffer.from(frame, 'utf8') : Buffer.from(frame);
    this.emit('message', bytes, !isText);
  }

  send(frame: Frame, _options: object, _sent: () => void): void {
    if (this.isOpen) this.#written(frame);
  }

  ping(token: Buffer): void {
    if (this.#pongs) queueMicrotask(() => this.emit('pong', token));
  }

  pause(): void {
    // Frames come one at a time here: there is nothing to hold back.
  }

  resume(): void {
    // As with `pause`.
  }

  close(code: number, reason: string): void {
    this.#end(code, reason);
  }

  terminate(): void {
    this.#end(1006, '');
  }

  /** The other end goes away. */
  drop(code = 1006, reason = ''): void {
    this.#end(code, reason);
  }

  #end(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.readyState = 3;
    queueMicrotask(() => this.emit('close', code, Buffer.from(reason)));
  }
}
