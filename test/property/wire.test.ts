import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/core/messages.ts';
import { encodeMessage, type Form } from '../../src/wire/codec.ts';
import { FrameError } from '../../src/wire/frame-error.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { snippets } from '../fuzz/bytes.ts';
import { encodeFrame } from '../support/network/encode-frame.ts';
import { sampleTxid } from '../support/samples/samples.ts';
import { catalogue, decode, forms } from '../support/samples/wire.ts';

const character = fc.string({ unit: 'grapheme', maxLength: 40 });
const key = character.filter((text) => text !== '__proto__');
const bigint = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
  .filter((n) => n > 2n ** 53n || n < -(2n ** 53n));

/** What either form carries without loss. */
const common = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    // Minus zero arrives as zero.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    bigint,
    character,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(key, tie('value'), { maxKeys: 6 }).map((object) => ({ ...object })),
  ),
})).value;

const frames: readonly Uint8Array[] = catalogue.map(({ sample }) =>
  encodeMessage(sample, 'binary'),
);
const lines: readonly string[] = catalogue.map(({ sample }) => encodeMessage(sample, 'text'));

function enlist(payload: unknown): Message {
  return { type: 'enlist', id: 1, txid: sampleTxid, participant: 'p', payload };
}

function arrives(payload: unknown, form: Form): unknown {
  const [decoded] = decode(encodeMessage(enlist(payload), form), 'to-node', widestLimits);
  if (decoded?.ok !== true || decoded.message.type !== 'enlist')
    throw new Error(JSON.stringify(decoded));
  return decoded.message.payload;
}

const objectKeys = Reflect.ownKeys(Object.prototype).length;

/** Decoding gives messages or a FrameError; what it accepts can be sent on in either form. */
function harmless(data: Uint8Array | string): void {
  for (const direction of ['to-node', 'from-node'] as const) {
    try {
      for (const decoded of decode(data, direction)) {
        if (!decoded.ok) continue;
        for (const form of forms) {
          const again = decode(encodeFrame([decoded.message], form), direction, widestLimits);
          expect(again).toMatchObject([{ ok: true }]);
        }
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
    }
  }
  expect(Reflect.ownKeys(Object.prototype)).toHaveLength(objectKeys);
}

describe('payloads', () => {
  it('come back from either form, and from one through the other', () => {
    fc.assert(
      fc.property(common, (payload) => {
        for (const form of forms) expect(arrives(payload, form)).toStrictEqual(payload);
        expect(arrives(arrives(payload, 'binary'), 'text')).toStrictEqual(payload);
        expect(arrives(arrives(payload, 'text'), 'binary')).toStrictEqual(payload);
      }),
      { numRuns: 500 },
    );
  });

  it('of MessagePack alone come back from the binary form', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
      fc.uint8Array({ maxLength: 400 }),
    );
    fc.assert(
      fc.property(value, common, (special, other) => {
        const arrived = arrives({ special, other }, 'binary') as {
          special: unknown;
          other: unknown;
        };
        if (special instanceof Uint8Array)
          expect([...(arrived.special as Uint8Array)]).toEqual([...special]);
        else expect(Object.is(arrived.special, special)).toBe(true);
        expect(arrived.other).toStrictEqual(other);
      }),
      { numRuns: 200 },
    );
  });

  it('either arrive or throw a TypeError at the sender, whatever they are', () => {
    const wild = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withObjectString: true,
      withUnicodeString: true,
    });
    fc.assert(
      fc.property(fc.oneof(wild, fc.string({ unit: 'binary' })), (payload) => {
        for (const form of forms) {
          try {
            arrives(payload, form);
          } catch (error) {
            expect(error).toBeInstanceOf(TypeError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('hostile bytes and texts', () => {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    remove: fc.integer({ min: 0, max: 4 }),
    insert: fc.uint8Array({ maxLength: 6 }),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 4 });

  it('are messages, problems or a FrameError: any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), harmless), { numRuns: 2_000 });
  });

  it('are messages, problems or a FrameError: any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), harmless), {
      numRuns: 500,
    });
  });

  it('are messages, problems or a FrameError: damaged frames', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...frames), { minLength: 1, maxLength: 3 }),
        edits,
        (parts, changes) => {
          let bytes = Buffer.concat(parts);
          for (const { at, remove, insert } of changes) {
            const start = Math.floor(at * bytes.length);
            bytes = Buffer.concat([
              bytes.subarray(0, start),
              insert,
              bytes.subarray(start + remove),
            ]);
          }
          harmless(bytes);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('are messages, problems or a FrameError: single bytes replaced', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...frames),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 0, max: 255 }),
        (frame, at, byte) => {
          const bytes = Uint8Array.from(frame);
          bytes[Math.floor(at * bytes.length)] = byte;
          harmless(bytes);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('are messages, problems or a FrameError: damaged lines', () => {
    const snippet = fc.constantFrom(...snippets);
    fc.assert(
      fc.property(
        fc.constantFrom(...lines),
        fc.array(
          fc.tuple(
            fc.double({ min: 0, max: 1, noNaN: true }),
            fc.integer({ min: 0, max: 4 }),
            snippet,
          ),
          { minLength: 1, maxLength: 3 },
        ),
        (line, changes) => {
          let text = line;
          for (const [at, remove, insert] of changes) {
            const start = Math.floor(at * text.length);
            text = text.slice(0, start) + insert + text.slice(start + remove);
          }
          harmless(text);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
