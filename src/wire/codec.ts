/**
 * The messages of `verdict.v1` encoded, decoded and validated (docs/PROTOCOL.md, section 7).
 *
 * A frame is a WebSocket message. Binary: concatenated MessagePack maps, without extension types.
 * Text: one JSON map per line. Of a key that stands twice in a map the last counts. Text that is
 * not valid Unicode is refused, never replaced. Integers beyond 2^53 become bigints; -0 becomes 0.
 */
import type { Message } from '../core/messages.ts';
import { utf8Bytes } from '../core/utf8.ts';
import { decodeBinary, encodeBinary } from './binary.ts';
import { encodeText } from './encode-text.ts';
import { binaryOf, holdsEncoded, textOf } from './encoded-once.ts';
import { FrameError } from './frame-error.ts';
import { maxNesting, type WireLimits } from './limits.ts';
import { sendable } from './sendable.ts';
import { decodeText } from './text.ts';
import type { Decoded, DecodedFrame, Direction, Readers } from './validate.ts';

export type { Decoded, DecodedFrame, Direction, MessageOf } from './validate.ts';

/** How a connection is spoken: MessagePack or JSON lines. */
export type Form = 'binary' | 'text';

export interface DecodeOptions<D extends Direction> {
  /** `readers` has those of all messages. */
  readonly readers: Readers<D>;
  readonly limits: WireLimits;
}

/**
 * One message. Results concatenate to a frame of at most `maxFrameMessages`: text ends with a line
 * feed. Throws a TypeError, which says where, for what cannot be sent: see `sendable`.
 */
export function encodeMessage(message: Message, form: 'binary'): Uint8Array;
export function encodeMessage(message: Message, form: 'text'): string;
export function encodeMessage(message: Message, form: Form): Uint8Array | string;
export function encodeMessage(message: Message, form: Form): Uint8Array | string {
  if (holdsEncoded(message)) return form === 'binary' ? binaryOf(message) : textOf(message);
  const value = sendable(message, message.type);
  return form === 'binary' ? encodeBinary(value) : encodeText(value);
}

/** As `openFrame`, with all messages made. */
export function decodeFrame<D extends Direction>(
  data: Uint8Array | string,
  options: DecodeOptions<D>,
): Decoded<D>[] {
  const frame = openFrame(data, options);
  return Array.from({ length: frame.length }, (_, index) => frame.at(index) as Decoded<D>);
}

/**
 * Reads a frame: bytes are the binary form, a string is the text form. Each message comes back as
 * core/messages.ts has it, with no other field, or as a problem; those after a problem still count.
 * Nothing in a message refers to `data`. Each is made in its turn: thousands cost more to make than
 * to check. Throws FrameError, and nothing else, where the frame cannot be read to its end; then
 * nothing of it counts.
 */
export function openFrame<D extends Direction>(
  data: Uint8Array | string,
  options: DecodeOptions<D>,
): DecodedFrame<D> {
  const { maxFrameBytes, maxDepth } = options.limits;
  if (maxDepth > maxNesting) throw new RangeError(`maxDepth must be at most ${maxNesting}`);
  if (
    data.length > maxFrameBytes ||
    (typeof data === 'string' && utf8Bytes(data) > maxFrameBytes)
  ) {
    throw new FrameError(1009, `The frame is larger than ${maxFrameBytes} bytes.`);
  }
  return typeof data === 'string' ? decodeText(data, options) : decodeBinary(data, options);
}
