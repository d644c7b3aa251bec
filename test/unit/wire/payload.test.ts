import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/core/messages.ts';
import { utf8Bytes } from '../../../src/core/utf8.ts';
import { encodeMessage, type Form } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { sendable } from '../../../src/wire/sendable.ts';
import { fitText } from '../../../src/wire/utf8.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import { sampleTxid } from '../../support/samples/samples.ts';
import { decode, forms } from '../../support/samples/wire.ts';

function enlist(payload: unknown): Message {
  return { type: 'enlist', id: 1, txid: sampleTxid, participant: 'p', payload };
}

/** A payload as it arrives. */
function arrives(payload: unknown, form: Form): unknown {
  const [decoded] = decode(encodeMessage(enlist(payload), form), 'to-node', widestLimits);
  if (decoded?.ok !== true || decoded.message.type !== 'enlist') throw new Error('not decoded');
  return decoded.message.payload;
}

describe.each(forms)('what arrives in the %s form', (form) => {
  it.each([
    null,
    true,
    false,
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32,
    -(2 ** 31) - 1,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    2 ** 53 + 2,
    2 ** 63,
    2 ** 64,
    1e20,
    1e21,
    -1e300,
    0.1,
    1 / 3,
    5e-324,
    1.7976931348623157e308,
    '',
    'a',
    'Zoë',
    '😀',
    '\u0000',
    '\u2028',
    'x'.repeat(100_000),
    [],
    {},
    [[]],
    { a: {} },
    { '': 1 },
    { '😀': [null, { b: 'c' }] },
    9_007_199_254_740_993n,
    -9_007_199_254_740_993n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 1n,
    -(2n ** 63n),
    [9_007_199_254_740_993n, 9_007_199_254_740_994, { n: 18_446_744_073_709_551_615n }],
  ])('%s is what was sent', (payload) => {
    expect(arrives(payload, form)).toStrictEqual(payload);
    expect(arrives({ in: [payload] }, form)).toStrictEqual({ in: [payload] });
  });

  it('is a number where a bigint fits one', () => {
    expect(arrives([5n, -(2n ** 53n), 2n ** 53n], form)).toStrictEqual([5, -(2 ** 53), 2 ** 53]);
  });

  it('is zero where it was minus zero', () => {
    expect(arrives(-0, form)).toBe(0);
  });

  it('is without what was undefined', () => {
    const payload = { a: undefined, b: [undefined, 1, { c: undefined }], d: new Array(2) };
    expect(arrives(payload, form)).toStrictEqual({ b: [null, 1, {}], d: [null, null] });
    const [decoded] = decode(encodeMessage(enlist(undefined), form), 'to-node');
    expect(decoded?.ok === true && Object.hasOwn(decoded.message, 'payload')).toBe(false);
  });

  it('has more keys than a short map holds', () => {
    const payload = Object.fromEntries(
      Array.from({ length: 70_000 }, (_, index) => [`key-${index}`, index]),
    );
    expect(arrives(payload, form)).toStrictEqual(payload);
  });

  it('is a plain object where the prototype was null, and knows nothing of symbols', () => {
    const payload = Object.assign(Object.create(null) as object, { a: 1, [Symbol('s')]: 2 });
    expect(arrives(payload, form)).toStrictEqual({ a: 1 });
  });

  it('does not keep what the sender changes afterwards', () => {
    const payload = { a: [1] };
    const frame = encodeMessage(enlist(payload), form);
    payload.a.push(2);
    encodeMessage(enlist('y'.repeat(10_000)), form);
    expect(decode(frame, 'to-node')).toMatchObject([{ message: { payload: { a: [1] } } }]);
  });
});

describe('what only MessagePack can say', () => {
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);

  it('arrives in the binary form', () => {
    const arrived = arrives({ bytes, buffer: Buffer.from('abc') }, 'binary') as Record<
      string,
      Uint8Array
    >;
    expect(arrived['bytes']).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(arrived['bytes'] as Uint8Array, bytes)).toBe(0);
    expect(Buffer.from(arrived['buffer'] as Uint8Array).toString()).toBe('abc');
  });

  it('arrives in the text form as documented: base64', () => {
    expect(arrives({ bytes, none: new Uint8Array() }, 'text')).toStrictEqual({
      bytes: Buffer.from(bytes).toString('base64'),
      none: '',
    });
    expect(arrives(Buffer.from('abc'), 'text')).toBe('YWJj');
  });
});

describe('what only JSON can say', () => {
  const line = (payload: string) =>
    `{"type":"enlist","id":7,"txid":"${sampleTxid}","participant":"p","payload":${payload}}`;

  it.each([
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['9007199254740992', 2 ** 53],
    ['00000000000000001'.slice(16), 1],
    ['1.0000000000000001', 1],
    ['12345678901234567890.0', 12_345_678_901_234_567_000],
    ['1e30', 1e30],
    ['"12345678901234567890"', '12345678901234567890'],
    ['[1234567890123456,"a"]', [1_234_567_890_123_456, 'a']],
  ])('reads %s without rounding an integer', (text, expected) => {
    const [decoded] = decode(line(text), 'to-node');
    expect(decoded).toMatchObject({ ok: true });
    expect(
      decoded?.ok === true && decoded.message.type === 'enlist' && decoded.message.payload,
    ).toStrictEqual(expected);
    if (decoded?.ok === true)
      for (const form of forms) expect(() => encodeMessage(decoded.message, form)).not.toThrow();
  });

  it.each(['18446744073709551616', '-9223372036854775809', '[{"a":100000000000000000000000}]'])(
    'refuses %s, which no 64 bits hold',
    (text) => {
      expect(decode(line(text), 'to-node')).toMatchObject([
        {
          ok: false,
          problem: { code: 'INVALID_MESSAGE', id: 7, message: expect.stringContaining('64 bits') },
        },
      ]);
    },
  );
});

class Money {
  readonly cents = 1;
}
const cycle: unknown[] = [];
cycle.push({ cycle });
let bottomless: unknown = null;
for (let level = 0; level < 100_000; level += 1) bottomless = [bottomless];

describe('a number that JSON has not', () => {
  const huge = `1${'0'.repeat(400)}.5`;
  it.each(['1e999', '-1e999', '[{"a":1E+400}]', huge])(
    'is refused where text says it: %s',
    (text) => {
      const line = `{"type":"enlist","id":7,"txid":"${sampleTxid}","participant":"p","payload":${text}}`;
      expect(decode(line, 'to-node')).toMatchObject([
        {
          ok: false,
          problem: { code: 'INVALID_MESSAGE', message: expect.stringContaining('NaN') },
        },
      ]);
    },
  );

  const packr = new Packr({ useRecords: false });
  it.each([
    ['NaN', packr.pack(Number.NaN)],
    ['Infinity', packr.pack(Infinity)],
    ['-Infinity of 32 bits', Buffer.from([0xca, 0xff, 0x80, 0, 0])],
    ['a NaN of 32 bits', Buffer.from([0xca, 0x7f, 0xc0, 0, 1])],
    ['another NaN', Buffer.from([0xcb, 0xff, 0xf8, 0, 0, 0, 0, 0, 7])],
  ])('is refused where MessagePack says it: %s', (_name, number) => {
    const frame = (payload: Uint8Array): Buffer => {
      const head = { type: 'enlist', id: 7, txid: sampleTxid, participant: 'p', payload: 0 };
      const whole = packr.pack(head);
      return Buffer.concat([whole.subarray(0, -1), payload]);
    };
    expect(decode(frame(number), 'to-node')).toMatchObject([
      { ok: false, problem: { code: 'INVALID_MESSAGE', id: 7 } },
    ]);
    // The largest that is one.
    expect(decode(frame(packr.pack(Number.MAX_VALUE)), 'to-node')).toMatchObject([{ ok: true }]);
    expect(decode(frame(Buffer.from([0xca, 0x7f, 0x7f, 0xff, 0xff])), 'to-node')).toMatchObject([
      { ok: true },
    ]);
  });
});

describe.each(forms)('what cannot be sent in the %s form', (form) => {
  it.each<[string, unknown, string]>([
    ['a function', { a: () => 1 }, 'enlist.payload.a is a function, which cannot be sent'],
    ['a symbol', [Symbol('s')], 'enlist.payload[0] is a symbol, which cannot be sent'],
    [
      'a Date',
      { at: [new Date(0)] },
      'enlist.payload.at[0] is a Date: send plain objects, text, numbers or bytes',
    ],
    ['a Map', new Map(), 'enlist.payload is a Map'],
    ['a Set', new Set(), 'enlist.payload is a Set'],
    ['an Error', new Error('x'), 'enlist.payload is a Error'],
    ['a RegExp', /x/, 'enlist.payload is a RegExp'],
    ['a promise', Promise.resolve(), 'enlist.payload is a Promise'],
    ['another class', new Money(), 'enlist.payload is a Money'],
    ['a boxed string', new String('x'), 'enlist.payload is a String'],
    ['other arrays of numbers', new Float64Array(2), 'enlist.payload is a Float64Array'],
    ['a buffer without a view', new ArrayBuffer(2), 'enlist.payload is a ArrayBuffer'],
    ['NaN', { items: [0, { 'no name': Number.NaN }] }, 'enlist.payload.items[1]["no name"] is NaN'],
    ['Infinity', -Infinity, 'enlist.payload is -Infinity'],
    ['a wide bigint', 2n ** 64n, 'enlist.payload is a bigint of more than 64 bits'],
    [
      'a wide negative bigint',
      -(2n ** 63n) - 1n,
      'enlist.payload is a bigint of more than 64 bits',
    ],
    ['__proto__', JSON.parse('{"__proto__":1}'), 'enlist.payload has the key __proto__'],
    ['half a character', ['\ud83d'], 'enlist.payload[0] holds half of a surrogate pair'],
    [
      'half a character in a key',
      { '\ud83d': 1 },
      'enlist.payload has a key with half of a surrogate pair',
    ],
    ['a cycle', cycle, 'is nested too deep, or holds itself'],
    ['a bottomless array', bottomless, 'is nested too deep, or holds itself'],
  ])('%s throws a TypeError that says where', (_what, payload, text) => {
    expect(() => encodeMessage(enlist(payload), form)).toThrow(TypeError);
    expect(() => encodeMessage(enlist(payload), form)).toThrow(text);
    // The encoder still works.
    expect(decode(encodeFrame([enlist(1), enlist(2)], form), 'to-node')).toHaveLength(2);
  });
});

describe('sendable', () => {
  it('hands back the value itself where it can', () => {
    const value = { a: [1, 'b', { c: null }], bytes: new Uint8Array(2) };
    expect(sendable(value, 'the payload')).toBe(value);
  });

  it('obeys a depth of its own', () => {
    expect(sendable([[1]], 'the payload', 2)).toEqual([[1]]);
    expect(() => sendable([[[]]], 'the payload', 2)).toThrow(
      'the payload[0][0] is nested too deep',
    );
  });

  it('shares what stands twice', () => {
    const shared = { a: 1 };
    expect(sendable([shared, shared], 'the payload')).toEqual([{ a: 1 }, { a: 1 }]);
  });
});

describe('fitText', () => {
  it.each([
    ['', 5, ''],
    ['abcde', 5, 'abcde'],
    ['abcdef', 5, 'ab…'],
    ['äöü', 6, 'äöü'],
    ['äöüx', 6, 'ä…'],
    ['😀😀', 8, '😀😀'],
    ['😀😀x', 8, '😀…'],
    ['a\ud83d', 9, 'a\ufffd'],
    ['\ud83d\ud83d\ud83d', 6, '\ufffd…'],
  ])('%j in %i bytes is %j', (text, maxBytes, expected) => {
    expect(fitText(text, maxBytes)).toBe(expected);
    expect(utf8Bytes(expected)).toBeLessThanOrEqual(maxBytes);
  });

  it('cuts a very long text', () => {
    const fitted = fitText('\ud83d\ude00'.repeat(1_000_000), 1_024);
    expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(1_024);
    expect(fitted.isWellFormed()).toBe(true);
  });
});
