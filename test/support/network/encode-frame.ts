/** All messages in one frame, however large. A sender of the product splits: see its outbox. */
import { Buffer } from 'node:buffer';
import type { Message } from '../../../src/core/messages.ts';
import { encodeMessage, type Form } from '../../../src/wire/codec.ts';

export function encodeFrame(messages: readonly Message[], form: 'binary'): Uint8Array;
export function encodeFrame(messages: readonly Message[], form: 'text'): string;
export function encodeFrame(messages: readonly Message[], form: Form): Uint8Array | string;
export function encodeFrame(messages: readonly Message[], form: Form): Uint8Array | string {
  if (form === 'text') return messages.map((message) => encodeMessage(message, form)).join('');
  return Buffer.concat(messages.map((message) => encodeMessage(message, form)));
}
