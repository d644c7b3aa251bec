/**
 * The codec of a bundled client and `msgpackr`, on bytes that no packer of ours makes: each value
 * in every width that MessagePack has for it, then cut and flipped. What the scan lets through both
 * read alike, and `msgpackr` refuses none of it.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import { Packr, Unpackr } from 'msgpackr';
import { expect, it } from 'vitest';
import * as own from '../../scripts/light/codec.ts';
import type { Random } from '../../src/ports/random.ts';
import { FrameError } from '../../src/wire/frame-error.ts';
import { maxMessageElements, maxNesting } from '../../src/wire/limits.ts';
import { type Scan, scanMessage } from '../../src/wire/scan.ts';
import { below, chance, pick } from '../fuzz/values.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

// As src/wire/binary.ts makes them.
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });
const options = { useRecords: false, mapsAsObjects: true, int64AsType: 'auto', copyBuffers: true };
const unpackr = new Unpackr(options as object);
const ownPackr = new own.Packr();
const ownUnpackr = new own.Unpackr();
const scan: Scan = { end: 0, depth: 0, hasProtoKey: false, hasNotFinite: false };

/** What both read of a frame; 'refused' by the scan, or left to `settle`, which refuses it. */
function readAlike(frame: Buffer): 'refused' | 'read' {
  try {
    scanMessage(frame, 0, scan, maxMessageElements['from-node']);
  } catch (error) {
    if (error instanceof FrameError) return 'refused';
    throw error;
  }
  const range = { start: 0, end: scan.end };
  // Also what is refused for it must do no harm.
  const read = ownUnpackr.unpack(frame, range);
  if (scan.hasProtoKey) return 'refused';
  const wanted: unknown = unpackr.unpack(frame, range);
  if (!isDeepStrictEqual(read, wanted)) {
    expect(`${inspect(read, { depth: 9 })} of ${frame.toString('hex')}`).toBe(inspect(wanted));
  }
  // And on again: what was read can be packed, and is the same.
  if (!scan.hasNotFinite && scan.depth < 64) {
    const again: unknown = unpackr.unpack(ownPackr.pack(read));
    expect(isDeepStrictEqual(again, unpackr.unpack(packr.pack(wanted)))).toBe(true);
  }
  return 'read';
}

/** The bytes at which integers, lengths and buffers change their form. */
const borders = [
  ...[0, 1, 15, 16, 23, 24, 25, 31, 32, 127, 128, 255, 256, 257],
  ...[1_023, 1_024, 8_191, 8_192, 32_767, 32_768, 65_535, 65_536],
];
const units = [
  'x',
  '\u0000',
  'ü',
  '€',
  '\u07ff',
  '\u0800',
  '\uffff',
  '😀',
  '👩‍👩‍👧',
  '\ufeff',
  '\u0301',
];
const keys = ['', '0', '1', '4294967295', '-1', 'id', 'ü', 'constructor', 'length', 'toJSON'];

function sized(tokens: readonly number[], size: number, random: Random): Buffer {
  const widths = [1, 2, 4].filter((width, at) => tokens[at] !== 0 && size < 2 ** (8 * width));
  const width = pick(random, widths);
  const head = Buffer.alloc(1 + width);
  head[0] = tokens[[1, 2, 4].indexOf(width)] as number;
  head.writeUIntBE(size, 1, width);
  return head;
}

function text(random: Random, value: string): Buffer {
  const bytes = Buffer.from(value);
  const isShort = bytes.length < 32 && chance(random, 0.5);
  const head = isShort
    ? Buffer.of(0xa0 | bytes.length)
    : sized([0xd9, 0xda, 0xdb], bytes.length, random);
  return Buffer.concat([head, bytes]);
}

function anyText(random: Random): string {
  if (chance(random, 0.3)) return pick(random, keys);
  const most = chance(random, 0.02) ? borders.length : 14;
  const length = pick(random, borders.slice(0, most));
  const unit = pick(random, units);
  // What is not ASCII, at the very end or in the middle, as well as throughout.
  if (chance(random, 0.3)) return unit.repeat(length);
  const before = below(random, length + 1);
  return 'y'.repeat(before) + unit + 'z'.repeat(length - before);
}

/** Random bits of each width, so NaNs with payloads, -0, and floats of 32 bits, too. */
function fixed(random: Random): Buffer {
  const [token, bytes] = pick(random, [
    ...[
      [0xc0, 0],
      [0xc2, 0],
      [0xc3, 0],
      [0xca, 4],
      [0xcb, 8],
      [0xcc, 1],
      [0xcd, 2],
    ],
    ...[
      [0xce, 4],
      [0xcf, 8],
      [0xd0, 1],
      [0xd1, 2],
      [0xd2, 4],
      [0xd3, 8],
    ],
  ] as const);
  const rest = Buffer.alloc(bytes);
  const fill = pick(random, ['random', 'edge', 'small', 'double'] as const);
  if (fill === 'random') for (let at = 0; at < bytes; at += 1) rest[at] = below(random, 256);
  else if (fill === 'edge') {
    rest.fill(pick(random, [0x00, 0xff]));
    if (bytes > 0) rest[0] = pick(random, [0x00, 0x7f, 0x80, 0xff]);
    if (bytes > 0) rest[bytes - 1] = pick(random, [0x00, 0x01, 0xfe, 0xff]);
  } else if (bytes > 0) rest[bytes - 1] = below(random, 256);
  // Around 2 ** 53, where an integer becomes a bigint.
  if (fill === 'double' && bytes === 8) {
    const near = 2n ** 53n + BigInt(below(random, 5) - 2);
    rest.writeBigInt64BE(token === 0xd3 && chance(random, 0.5) ? -near : near);
  }
  return Buffer.concat([Buffer.of(token), rest]);
}

function value(random: Random, depth: number): Buffer {
  const kind = below(random, depth > 5 ? 4 : 6);
  if (kind === 0) return Buffer.of(pick(random, [0x00, 0x7f, 0xe0, 0xff]));
  if (kind === 1) return text(random, anyText(random));
  if (kind === 2) {
    const bytes = Buffer.alloc(pick(random, borders.slice(0, 14)), 0xc1);
    return Buffer.concat([sized([0xc4, 0xc5, 0xc6], bytes.length, random), bytes]);
  }
  if (kind === 3) return fixed(random);
  if (kind === 4) {
    const entries = Array.from({ length: below(random, 20) }, () => value(random, depth + 1));
    const isShort = entries.length < 16 && chance(random, 0.5);
    const head = isShort
      ? Buffer.of(0x90 | entries.length)
      : sized([0, 0xdc, 0xdd], entries.length, random);
    return Buffer.concat([head, ...entries]);
  }
  return map(random, depth + 1);
}

/** The same key may come twice, and now and then one that is no text, or `__proto__`. */
function map(random: Random, depth: number): Buffer {
  const fields = Array.from({ length: below(random, 20) }, () => {
    const odd = chance(random, 0.002);
    const key = odd ? value(random, depth) : text(random, anyText(random));
    const proto = chance(random, 0.002) ? text(random, '__proto__') : key;
    return Buffer.concat([proto, value(random, depth + 1)]);
  });
  const isShort = fields.length < 16 && chance(random, 0.5);
  const head = isShort
    ? Buffer.of(0x80 | fields.length)
    : sized([0, 0xde, 0xdf], fields.length, random);
  return Buffer.concat([head, ...fields]);
}

const rounds = 2_000;

it('every width of every value', () => {
  const random = seededRandom(20_261_201);
  let read = 0;
  for (let count = 0; count < rounds; count += 1)
    if (readAlike(map(random, 3)) === 'read') read += 1;
  expect(read).toBeGreaterThan(rounds / 2);
});

it('cut, flipped, and with bytes of another message in the middle', () => {
  const random = seededRandom(20_261_202);
  const seen = { read: 0, refused: 0 };
  for (let count = 0; count < rounds; count += 1) {
    const frame = map(random, 4);
    for (let more = 0; more < 10; more += 1) {
      const broken = Buffer.from(
        frame.subarray(0, chance(random, 0.2) ? below(random, frame.length) : undefined),
      );
      if (broken.length === 0) continue;
      const flips = below(random, 3);
      for (let flip = 0; flip < flips; flip += 1) {
        const at = below(random, broken.length);
        broken[at] = (broken[at] as number) ^ (1 << below(random, 8));
      }
      if (chance(random, 0.2)) fixed(random).copy(broken, below(random, broken.length));
      seen[readAlike(broken)] += 1;
    }
  }
  expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(rounds / 2);
});

it.each([1, 2, maxNesting - 1, maxNesting])('nested %d deep', (depth) => {
  for (const around of [
    Buffer.of(0x91),
    Buffer.of(0xdd, 0, 0, 0, 1),
    Buffer.of(0x81, 0xa1, 0x61),
  ]) {
    const inner = Array.from({ length: depth - 1 }, () => around);
    expect(readAlike(Buffer.concat([Buffer.of(0x81, 0xa1, 0x61), ...inner, Buffer.of(1)]))).toBe(
      'read',
    );
  }
});

it.each([0xdd, 0xdf, 0xdb, 0xc6, 0xc9])(
  'a length of four billion behind token %d is refused at once',
  (token) => {
    const frame = Buffer.of(0x81, 0xa1, 0x61, token, 0xff, 0xff, 0xff, 0xff, 0x01);
    expect(readAlike(frame)).toBe('refused');
  },
);
