/** Values that many are sent, such as a page of a list: encoded once in each form, while kept. */
import type { Message } from '../core/messages.ts';
import { encodeBinary } from './binary.ts';
import { encodeText } from './encode-text.ts';
import { sendable } from './sendable.ts';

interface Encodings {
  binary: Uint8Array | null;
  text: string | null;
}

const kept = new WeakMap<object, Encodings>();
/** Maps of fewer entries have a header of one byte (fixmap). */
const maxEntries = 15;

/** From now on the value must not change: messages with it as a field bring its first encoding. */
export function encodedOnce<T extends object>(value: T): T {
  kept.set(value, { binary: null, text: null });
  return value;
}

/** Whether one of the message's fields is such a value. */
export function holdsEncoded(message: Message): boolean {
  // Looked at first: messages on the way of a transaction pay for nothing.
  return (
    (message.type === 'topology' && kept.has(message.leaders)) ||
    (message.type === 'list' && 'transactions' in message && kept.has(message.transactions)) ||
    (message.type === 'locks' && 'locks' in message && kept.has(message.locks))
  );
}

export function binaryOf(message: Message): Uint8Array {
  const entries = fieldsOf(message);
  const parts = entries.flatMap(([key, value]) => [encodeBinary(key), binaryPart(key, value)]);
  const bytes = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.byteLength, 0));
  bytes[0] = 0x80 | entries.length;
  let at = 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

export function textOf(message: Message): string {
  const entries = fieldsOf(message);
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${textPart(key, value)}`)}}\n`;
}

function fieldsOf(message: Message): [string, unknown][] {
  const entries = Object.entries(message).filter(([, value]) => value !== undefined);
  if (entries.length > maxEntries) throw new TypeError(`${message.type} has too many fields`);
  return entries;
}

function binaryPart(key: string, value: unknown): Uint8Array {
  const known = encodingsOf(value);
  if (known === undefined) return encodeBinary(sendable(value, key));
  known.binary ??= encodeBinary(sendable(value, key));
  return known.binary;
}

function textPart(key: string, value: unknown): string {
  const known = encodingsOf(value);
  if (known === undefined) return lineOf(key, value);
  known.text ??= lineOf(key, value);
  return known.text;
}

function lineOf(key: string, value: unknown): string {
  return encodeText(sendable(value, key)).slice(0, -1);
}

function encodingsOf(value: unknown): Encodings | undefined {
  return typeof value === 'object' && value !== null ? kept.get(value) : undefined;
}
