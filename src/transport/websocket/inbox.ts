/** What a connection has received and not yet handled: frames, and pongs between them, in order. */
import type { Buffer } from 'node:buffer';
import type { Decoded, DecodedFrame, Direction } from '../../wire/codec.ts';

export interface ReceivedFrame {
  readonly bytes: Buffer;
  readonly isBinary: boolean;
}

export interface InboxOptions<D extends Direction> {
  /** Throws what the connection is to be ended with. */
  readonly decode: (frame: ReceivedFrame) => DecodedFrame<D>;
  readonly answered: (token: Buffer) => void;
}

export class Inbox<D extends Direction> {
  readonly #options: InboxOptions<D>;
  #waiting: (ReceivedFrame | { readonly token: Buffer })[] = [];
  #bytes = 0;
  #handling = 0;
  /** Of the frame at hand. */
  #messages: DecodedFrame<D> = [];
  #next = 0;

  constructor(options: InboxOptions<D>) {
    this.#options = options;
  }

  /** Of the frames that are not handled to their end. */
  get bytes(): number {
    return this.isEmpty ? 0 : this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#next >= this.#messages.length;
  }

  frame(frame: ReceivedFrame): void {
    this.#waiting.push(frame);
    this.#bytes += frame.bytes.length;
  }

  /** A pong bounds the age of what comes after it: it must not overtake what still waits here. */
  pong(token: Buffer): void {
    if (this.isEmpty) this.#options.answered(token);
    else this.#waiting.push({ token });
  }

  take(): Decoded<D> | null {
    for (;;) {
      const message = this.#messages.at(this.#next);
      if (message !== undefined) {
        this.#next += 1;
        return message;
      }
      this.#messages = [];
      this.#next = 0;
      this.#bytes -= this.#handling;
      this.#handling = 0;
      const item = this.#waiting.shift();
      if (item === undefined) return null;
      if ('token' in item) this.#options.answered(item.token);
      else {
        this.#handling = item.bytes.length;
        this.#messages = this.#options.decode(item);
      }
    }
  }

  clear(): void {
    this.#waiting = [];
    this.#messages = [];
    this.#next = 0;
    this.#bytes = 0;
    this.#handling = 0;
  }
}
