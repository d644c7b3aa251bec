/** Damage to frames whose bytes were right. */
import { Buffer } from 'node:buffer';
import type { Random } from '../../src/ports/random.ts';
import { below, chance, pick } from './values.ts';

/** MessagePack tokens that announce more than there is, or what is not spoken. */
const tokens: readonly (readonly number[])[] = [
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdc, 0xff, 0xff],
  [0xde, 0xff, 0xff],
  [0xda, 0xff, 0xff],
  [0xd9, 0xff],
  [0xc1],
  [0xd4, 0, 0],
  [0xd4, 0x72, 0x40],
  [0xd6, 0xff, 0, 0, 0, 0],
  [0xc7, 1, 1, 0],
  [0x80],
  [0x90],
  [0xc0],
  [0xa9, 0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0xa2, 0xc3, 0x28],
];

export function damagedBytes(random: Random, frame: Uint8Array): Uint8Array {
  let bytes = Buffer.from(frame);
  for (let left = 1 + below(random, 4); left > 0; left -= 1) {
    const at = below(random, bytes.length + 1);
    if (chance(random, 0.5) && bytes.length > 0) {
      bytes[Math.min(at, bytes.length - 1)] = below(random, 256);
      continue;
    }
    const removed = below(random, 5);
    const put = chance(random, 0.5) ? Buffer.from(pick(random, tokens)) : noise(random, 6);
    bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + removed)]);
  }
  return bytes;
}

export function noise(random: Random, maxBytes: number): Buffer {
  const bytes = Buffer.alloc(below(random, maxBytes + 1));
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = below(random, 256);
  return bytes;
}

/** What a JSON parser trips over, if over anything. */
export const snippets: readonly string[] = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\',
  '\\u',
  '\\ud800',
  '"__proto__":',
  '"\\u005f_proto__":{},',
  '1e999',
  '-',
  '99999999999999999999',
  '-9223372036854775809',
  '\n',
  '\n\n\n',
  'null',
  ' ',
  '\u0000',
  '[[[[[[[[',
  '{"a":{"a":{"a":',
];

export function damagedText(random: Random, text: string): string {
  let damaged = text;
  for (let left = 1 + below(random, 3); left > 0; left -= 1) {
    const at = below(random, damaged.length + 1);
    damaged = damaged.slice(0, at) + pick(random, snippets) + damaged.slice(at + below(random, 5));
  }
  return damaged;
}

/** Nesting without end, or with one. */
export function nested(random: Random, form: 'binary' | 'text'): Uint8Array | string {
  const levels = pick(random, [30, 33, 319, 321, 2_000, 20_000]);
  const closed = chance(random, 0.5);
  if (form === 'text') {
    const [open, close] = pick(random, [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    const tail = open === '[' ? '' : 'null';
    const inside = open.repeat(levels) + tail + (closed ? close.repeat(levels) : '');
    return `{"type":"begin","id":1,"payload":${inside}}`;
  }
  const level = pick(random, [[0x91], [0x81, 0xa1, 0x61]]);
  const head = Buffer.from([0x81, 0xa1, 0x70]);
  const inside = Buffer.alloc(levels * level.length, Buffer.from(level));
  return Buffer.concat(closed ? [head, inside, Buffer.from([0xc0])] : [head, inside]);
}
