/**
 * What waits to leave in this turn: messages sent together travel in one frame, which saves a
 * system call and a frame header each, without delay. Split where a frame would pass the limit.
 */
import { Buffer } from 'node:buffer';
import type { Message } from '../../core/messages.ts';
import { atEndOfTurn } from '../../system/turn.ts';
import { encodeMessage, type Form } from '../../wire/codec.ts';
import { maxFrameMessages } from '../../wire/limits.ts';

type Part = Uint8Array | string;

export interface OutboxOptions {
  /** Where messages that leave together are split. */
  readonly maxFrameBytes: number;
  /** The largest message, alone in its frame where it has to be. */
  readonly maxMessageBytes: number;
  readonly write: (frame: Part) => void;
}

export class Outbox {
  readonly #write: (frame: Part) => void;
  #form: Form = 'binary';
  #maxFrameBytes: number;
  #maxMessageBytes: number;
  #parts: Part[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(options: OutboxOptions) {
    this.#write = options.write;
    this.#maxFrameBytes = options.maxFrameBytes;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The form the peer last spoke. What was queued before leaves in the form it was made in. */
  set form(form: Form) {
    if (form === this.#form) return;
    this.flush();
    this.#form = form;
  }

  /** What the peer takes, once it has told. */
  set maxFrameBytes(bytes: number) {
    this.#maxFrameBytes = bytes;
    this.#maxMessageBytes = bytes;
  }

  /** Queues nothing where it throws: TypeError, not encodable; RangeError, larger than a frame. */
  push(message: Message): void {
    const part = encodeMessage(message, this.#form);
    const bytes = typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength;
    if (bytes > this.#maxMessageBytes) {
      throw new RangeError(
        `A ${message.type} message of ${bytes} bytes is over the limit of ${this.#maxMessageBytes} bytes. Send less in it.`,
      );
    }
    const full =
      this.#bytes + bytes > this.#maxFrameBytes || this.#parts.length >= maxFrameMessages;
    if (full) this.flush();
    this.#bytes += bytes;
    this.#parts.push(part);
    if (!this.#scheduled) {
      this.#scheduled = true;
      atEndOfTurn(this.#flushScheduled);
    }
  }

  flush(): void {
    const parts = this.#parts;
    const first = parts[0];
    if (first === undefined) return;
    this.#parts = [];
    this.#bytes = 0;
    if (parts.length === 1) this.#write(first);
    else if (typeof first === 'string') this.#write(parts.join(''));
    else this.#write(Buffer.concat(parts as Uint8Array[]));
  }

  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
