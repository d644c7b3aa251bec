/** Records as bytes: whole ones are read, and nothing behind the last whole one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Change, encodeRecord, readRecords } from '../../../src/store/log-record.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const change: fc.Arbitrary<Change> = fc.tuple(
  text,
  fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 40 })),
);
const transactions = fc.array(fc.array(change, { minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 6,
});
const log = 2 ** 47 + 5;

function encode(all: readonly (readonly Change[])[], first = 1): Buffer {
  return Buffer.concat(
    all.map((changes, index) => encodeRecord({ sequence: first + index, log }, changes)),
  );
}

const plain = (changes: readonly Change[]) =>
  changes.map(([key, value]) => [key, value === null ? null : [...value]]);

it('reads what was written, whatever the keys and values', () => {
  fc.assert(
    fc.property(transactions, (all) => {
      const read = readRecords(encode(all, 2 ** 40));
      expect(read.map(({ changes }) => plain(changes))).toEqual(all.map(plain));
      expect(read.map(({ sequence }) => sequence)).toEqual(all.map((_, at) => 2 ** 40 + at));
      expect(new Set(read.map((record) => record.log))).toEqual(new Set([log]));
    }),
  );
});

it('ends before a record that is cut off, or changed anywhere', () => {
  fc.assert(
    fc.property(transactions, fc.nat(), fc.integer({ min: 1, max: 255 }), (all, at, flip) => {
      const bytes = encode(all);
      const whole = (upTo: number): number => {
        let count = 0;
        for (let end = 0; count < all.length; count += 1) {
          end += encode([all[count] as readonly Change[]]).length;
          if (end > upTo) break;
        }
        return count;
      };
      const place = at % bytes.length;
      expect(readRecords(bytes.subarray(0, place))).toHaveLength(whole(place));
      bytes[place] = (bytes[place] as number) ^ flip;
      expect(readRecords(bytes)).toHaveLength(whole(place));
    }),
  );
});

it('ends before what an earlier round left behind the newest record', () => {
  const one: readonly Change[] = [['key', new Uint8Array(8)]];
  const older = encode([one, one, one, one], 1);
  const newer = encode([one, one], 11);
  newer.copy(older);
  expect(readRecords(older).map(({ sequence }) => sequence)).toEqual([11, 12]);
  expect(readRecords(Buffer.concat([newer, Buffer.alloc(100)]))).toHaveLength(2);
  expect(readRecords(Buffer.alloc(100))).toEqual([]);
});
