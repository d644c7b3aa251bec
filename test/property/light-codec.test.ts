/** The codec of a bundled client takes and makes the same MessagePack as `msgpackr`. */
import { inspect, isDeepStrictEqual } from 'node:util';
import { Packr, Unpackr } from 'msgpackr';
import { expect, it } from 'vitest';
import * as own from '../../scripts/light/codec.ts';
import { FrameError } from '../../src/wire/frame-error.ts';
import { maxMessageElements } from '../../src/wire/limits.ts';
import { type Scan, scanMessage } from '../../src/wire/scan.ts';
import { sendable } from '../../src/wire/sendable.ts';
import { Frames } from '../fuzz/frames.ts';
import { namedFields, wicked } from '../fuzz/values.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

// As src/wire/binary.ts makes them.
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });
const options = { useRecords: false, mapsAsObjects: true, int64AsType: 'auto', copyBuffers: true };
const unpackr = new Unpackr(options as object);
const ownPackr = new own.Packr();
const ownUnpackr = new own.Unpackr();

function expectEqual(given: unknown, wanted: unknown): void {
  // A key `constructor` misleads `toStrictEqual`.
  if (!isDeepStrictEqual(given, wanted)) expect(inspect(given)).toBe(inspect(wanted));
  expect(isDeepStrictEqual(given, wanted)).toBe(true);
}

/** There and back, with one of the two on either side. */
function expectSame(value: unknown): void {
  const packed = Buffer.from(packr.pack(value));
  const wanted: unknown = unpackr.unpack(packed);
  expectEqual(unpackr.unpack(ownPackr.pack(value)), wanted);
  expectEqual(ownUnpackr.unpack(packed, { start: 0 }), wanted);
  expectEqual(ownUnpackr.unpack(ownPackr.pack(value), { start: 0 }), wanted);
}

const lengths = [
  0, 1, 15, 16, 23, 24, 25, 31, 32, 33, 255, 256, 4_096, 8_191, 8_192, 65_535, 65_536,
];
const powers = [0, 4, 5, 6, 7, 8, 15, 16, 31, 32, 52, 53, 62, 63];
const numbers = powers.flatMap((power) => [-1, 0, 1].map((more) => 2 ** power + more));
const bigints = powers.flatMap((power) => [-1n, 0n, 1n].map((more) => 2n ** BigInt(power) + more));

it.each(lengths)('text, bytes, lists and maps of %d', (length) => {
  for (const text of ['x', 'ü', '€', '😀', '\ufeff']) {
    expectSame(text.repeat(length));
    expectSame({ [text.repeat(length)]: `${'x'.repeat(length)}${text}` });
  }
  expectSame(Buffer.alloc(length, 0xff));
  expectSame(new Uint8Array(length));
  expectSame(Array.from({ length }, (_, index) => index));
  expectSame(Object.fromEntries(Array.from({ length }, (_, index) => [`key ${index}`, index])));
});

it('numbers at every bound', () => {
  const all = [...numbers, ...numbers.map((each) => -each), -0, 0.1, 5e-324, 1e308, -1e21];
  for (const number of all) expectSame(number);
  for (const bigint of [...bigints, 2n ** 64n - 1n, -(2n ** 63n)]) expectSame(bigint);
  for (const bigint of bigints.filter((each) => each <= 2n ** 63n)) expectSame(-bigint);
});

it('whatever can be sent', () => {
  const random = seededRandom(20_261_130);
  let taken = 0;
  for (let count = 0; count < 20_000; count += 1) {
    const value = count % 2 === 0 ? wicked(random) : namedFields(random);
    let given: unknown;
    try {
      given = sendable(value, 'value');
    } catch {
      continue;
    }
    taken += 1;
    expectSame(given);
  }
  expect(taken).toBeGreaterThan(5_000);
});

it('whatever comes and can be read, however it is written', () => {
  const frames = new Frames({ random: seededRandom(20_261_130), direction: 'from-node' });
  const scan: Scan = { end: 0, depth: 0, hasProtoKey: false, hasNotFinite: false };
  let read = 0;
  for (let count = 0; count < 20_000; count += 1) {
    const { frame } = frames.next();
    if (typeof frame === 'string') continue;
    try {
      for (let start = 0; start < frame.length; start = scan.end) {
        scanMessage(frame, start, scan, maxMessageElements['from-node']);
        if (scan.hasProtoKey) continue;
        const range = { start, end: scan.end };
        expectEqual(ownUnpackr.unpack(frame, range), unpackr.unpack(frame, range));
        read += 1;
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
  }
  expect(read).toBeGreaterThan(5_000);
});

it('what was packed stays as it is while more is packed', () => {
  const sizes = Array.from({ length: 2_000 }, (_, index) =>
    index % 97 === 0 ? 20_000 : index % 300,
  );
  const packed = sizes.map((size) => ownPackr.pack({ size, text: 'x'.repeat(size) }));
  for (const [index, size] of sizes.entries()) {
    expect(unpackr.unpack(packed[index] as Buffer)).toEqual({ size, text: 'x'.repeat(size) });
  }
});

it('no key changes what an object is', () => {
  const value = ownUnpackr.unpack(packr.pack(JSON.parse('{"__proto__":{"id":1},"a":2}')), {
    start: 0,
  });
  expect(value).toEqual({ a: 2 });
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

it('no key is taken for one that came before, has its hash, and its bytes as characters', () => {
  const key = '\u0700\u0700€';
  const before = Buffer.from(key).toString('latin1');
  for (const each of [before, key, before]) expectSame({ [each]: 1 });
});
