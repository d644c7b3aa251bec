import { isNativeAccelerationEnabled } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../src/wire/codec.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import { sampleTxid, toNodeSamples } from '../../support/samples/samples.ts';
import { decode, frameError } from '../../support/samples/wire.ts';

const ascii = (text: string) => [...Buffer.from(text, 'latin1')];
const fixstr = (text: string) => [0xa0 | Buffer.byteLength(text), ...Buffer.from(text)];
/**
 * `{type: "enlist", id: 9, txid, participant: "p", payload: …}` with these bytes as its payload.
 */
const withPayload = (...payload: readonly number[]): Uint8Array =>
  Uint8Array.from([
    0x85,
    ...fixstr('type'),
    ...fixstr('enlist'),
    ...fixstr('id'),
    9,
    ...fixstr('txid'),
    0xd9,
    sampleTxid.length,
    ...ascii(sampleTxid),
    ...fixstr('participant'),
    ...fixstr('p'),
    ...fixstr('payload'),
    ...payload,
  ]);

const good = encodeMessage(toNodeSamples.transact, 'binary');

describe('broken MessagePack', () => {
  it('is refused wherever it is cut', () => {
    for (const sample of Object.values(toNodeSamples)) {
      const bytes = encodeMessage(sample, 'binary');
      for (let length = 1; length < bytes.length; length += 1) {
        expect(frameError(() => decode(bytes.subarray(0, length), 'to-node')).closeCode).toBe(1007);
      }
    }
  });

  it('takes nothing from a frame that is broken further on', () => {
    const frame = Buffer.concat([good, good, good.subarray(0, good.length - 1)]);
    expect(frameError(() => decode(frame, 'to-node')).message).toBe(
      'The frame ends within a MessagePack value.',
    );
  });

  it.each([
    ['fixext 1', [0xd4, 1, 0]],
    ['fixext 1, what some write for undefined', [0xd4, 0, 0]],
    ['fixext 1, a record definition of msgpackr', [0xd4, 0x72, 0x40, 0x91, ...fixstr('a'), 1]],
    ['fixext 2', [0xd5, 1, 0, 0]],
    ['fixext 4, a timestamp', [0xd6, 0xff, 0, 0, 0, 0]],
    ['fixext 4, a pointer of msgpackr', [0xd6, 0x70, 0, 0, 0, 1]],
    ['fixext 8', [0xd7, 1, ...Array(8).fill(0)]],
    ['fixext 16', [0xd8, 1, ...Array(16).fill(0)]],
    ['ext 8', [0xc7, 1, 1, 0]],
    ['ext 16', [0xc8, 0, 1, 1, 0]],
    ['ext 32', [0xc9, 0, 0, 0, 1, 1, 0]],
  ])('refuses %s', (_what, payload) => {
    expect(frameError(() => decode(withPayload(...payload), 'to-node'))).toMatchObject({
      closeCode: 1003,
      code: 'INVALID_MESSAGE',
    });
  });

  it('refuses the byte that means nothing', () => {
    expect(frameError(() => decode(withPayload(0xc1), 'to-node')).closeCode).toBe(1007);
  });

  it.each([
    ['array 16', [0xdc, 0xff, 0xff]],
    ['array 32', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['map 16', [0xde, 0xff, 0xff]],
    ['map 32', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['str 8', [0xd9, 0xff]],
    ['str 16', [0xda, 0xff, 0xff]],
    ['str 32', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['bin 8', [0xc4, 0xff]],
    ['bin 16', [0xc5, 0xff, 0xff]],
    ['bin 32', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['nested array 32', Array(40).fill([0xdd, 0x7f, 0xff, 0xff, 0xff]).flat()],
  ])('refuses %s that promises more than there is', (_what, payload) => {
    expect(frameError(() => decode(withPayload(...payload), 'to-node')).closeCode).toBe(1007);
  });

  it.each([
    ['a number', [7]],
    ['a string', fixstr('hello')],
    ['an array', [0x90]],
    ['null', [0xc0]],
    ['a negative number', [0xff]],
    ['bytes', [0xc4, 0]],
  ])('refuses %s in the place of a message', (_what, bytes) => {
    expect(frameError(() => decode(Uint8Array.from(bytes), 'to-node')).closeCode).toBe(1002);
    expect(
      frameError(() => decode(Buffer.concat([good, Uint8Array.from(bytes)]), 'to-node')).closeCode,
    ).toBe(1002);
  });

  it.each([
    ['a number', [1]],
    ['null', [0xc0]],
    ['a map', [0x80]],
    ['an array', [0x90]],
    ['bytes', [0xc4, 1, 0x61]],
  ])('refuses %s as a key', (_what, key) => {
    expect(frameError(() => decode(withPayload(0x81, ...key, 1), 'to-node')).closeCode).toBe(1002);
    expect(
      frameError(() => decode(withPayload(0x82, ...fixstr('a'), 1, ...key, 1), 'to-node'))
        .closeCode,
    ).toBe(1002);
    expect(
      frameError(() =>
        decode(withPayload(0x91, 0x82, ...fixstr('a'), 0x91, 1, ...key, 1), 'to-node'),
      ).closeCode,
    ).toBe(1002);
  });

  it('survives a million levels', () => {
    for (const level of [[0x91], [0x81, 0xa1, 0x61]]) {
      const bytes = Buffer.alloc(1_000_000 * level.length, Buffer.from(level));
      const frame = Buffer.concat([withPayload(), bytes, Buffer.from([0x90])]);
      expect(
        frameError(() => decode(frame, 'to-node', { maxFrameBytes: 67_108_864 })),
      ).toMatchObject({
        closeCode: 1008,
        code: 'LIMIT_EXCEEDED',
      });
    }
  });
});

describe('text that is no text', () => {
  it.each([
    ['a lone continuation', [0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]],
    ['0xff', [0xff]],
  ])('refuses %s', (_what, bytes) => {
    const long = [...Array(300).fill(0x61), ...bytes];
    const texts = [
      [0xa0 | bytes.length, ...bytes],
      [0xda, long.length >> 8, long.length & 0xff, ...long],
    ];
    for (const text of texts) {
      for (const payload of [text, [0x81, ...text, 1], [0x91, ...text]]) {
        expect(frameError(() => decode(withPayload(...payload), 'to-node'))).toMatchObject({
          closeCode: 1007,
          message: 'A string is not valid UTF-8.',
        });
      }
    }
  });

  it('refuses half characters in the text form', () => {
    const line = (text: string) =>
      `{"type":"enlist","id":9,"txid":"${sampleTxid}","participant":"p","payload":${text}}`;
    expect(frameError(() => decode(line('"\ud800"'), 'to-node')).closeCode).toBe(1007);
    for (const payload of ['"\\ud83d"', '{"\\uDE00":1}', '[["a\\ud83d b"]]']) {
      expect(decode(line(payload), 'to-node')).toMatchObject([
        { ok: false, problem: { code: 'INVALID_MESSAGE', id: 9 } },
      ]);
    }
    expect(decode(line('"\\ud83d\\ude00"'), 'to-node')).toMatchObject([
      { message: { payload: '😀' } },
    ]);
  });

  // Where msgpackr has no native part for the platform, it drops the mark of a string of more than
  // 64 bytes.
  it.runIf(isNativeAccelerationEnabled)(
    'keeps a byte order mark and the replacement character',
    () => {
      for (const payload of [
        '\ufeffa',
        `\ufeff${'a'.repeat(300)}`,
        '\ufffd',
        `\ufffd${'ä'.repeat(300)}`,
      ]) {
        const enlist = {
          type: 'enlist',
          id: 1,
          txid: sampleTxid,
          participant: 'p',
          payload,
        } as const;
        expect(decode(encodeFrame([enlist, enlist], 'binary'), 'to-node')).toMatchObject([
          { message: enlist },
          { message: enlist },
        ]);
      }
    },
  );
});

describe('broken JSON lines', () => {
  it.each([
    '{',
    '{"a":}',
    '{"a":1}}',
    'nonsense',
    "{'a':1}",
    '{"a":01}',
    '{"a":NaN}',
    '{"a":1,}',
    '{"a":1} {"b":2}',
    '\u0000',
  ])('refuses %j', (line) => {
    const error = frameError(() =>
      decode(`${JSON.stringify(toNodeSamples.begin)}\n${line}`, 'to-node'),
    );
    expect(error).toMatchObject({ closeCode: 1007, message: 'A line of the frame is not JSON.' });
  });

  it.each(['1', '"a"', '[]', 'null', 'true'])('refuses %s in the place of a message', (line) => {
    expect(frameError(() => decode(line, 'to-node')).closeCode).toBe(1002);
  });

  it('survives a million levels', () => {
    for (const level of ['[', '{"a":']) {
      const text = `{"payload":${level.repeat(1_000_000)}`;
      expect(
        frameError(() => decode(text, 'to-node', { maxFrameBytes: 67_108_864 })).closeCode,
      ).toBe(1008);
    }
  });

  it('does not quote a payload in its error', () => {
    expect(frameError(() => decode('{"card": 4111', 'to-node')).message).not.toContain('4111');
  });
});

describe('keys that mean something to JavaScript', () => {
  const proto = fixstr('__proto__');
  const binary: readonly (readonly [string, Uint8Array])[] = [
    ['in a payload', withPayload(0x81, ...proto, 0x81, ...fixstr('polluted'), 1)],
    [
      'deep in a payload',
      withPayload(0x91, 0x81, ...fixstr('a'), 0x91, 0x81, ...proto, 0x81, ...fixstr('polluted'), 1),
    ],
    ['in a long form', withPayload(0x81, 0xd9, 9, ...ascii('__proto__'), 0x80)],
    ['in the longest form', withPayload(0x81, 0xdb, 0, 0, 0, 9, ...ascii('__proto__'), 0x80)],
    ['after other keys', withPayload(0x82, ...fixstr('a'), 1, ...proto, 0x80)],
    ['as an unknown field', Uint8Array.from([0x82, ...fixstr('id'), 9, ...proto, 0x80])],
  ];
  it.each(binary)('refuses __proto__ %s, binary', (_where, frame) => {
    expect(decode(Buffer.concat([frame, good]), 'to-node')).toMatchObject([
      {
        ok: false,
        problem: { code: 'INVALID_MESSAGE', id: 9, message: expect.stringContaining('__proto__') },
      },
      { ok: true },
    ]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  const line = (payload: string) =>
    `{"type":"enlist","id":9,"txid":"${sampleTxid}","participant":"p","payload":${payload}}`;
  it.each([
    line('{"__proto__":{"polluted":1}}'),
    line('[{"a":[{"__proto__":{"polluted":1}}]}]'),
    line('{"\\u005f_proto__":{"polluted":1}}'),
    line('{"__proto__":null,"n":12345678901234567890}'),
    '{"id":9,"__proto__":{"type":"commit"}}',
    `{"__proto__":{"polluted":1},"type":"enlist","id":9,"txid":"${sampleTxid}","participant":"p"}`,
  ])('refuses __proto__ in %s', (frame) => {
    expect(decode(`${frame}\n${JSON.stringify(toNodeSamples.begin)}`, 'to-node')).toMatchObject([
      {
        ok: false,
        problem: { code: 'INVALID_MESSAGE', id: 9, message: expect.stringContaining('__proto__') },
      },
      { ok: true },
    ]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('takes __proto__ as a value, and near it', () => {
    for (const payload of ['__proto__', { __proto: 1, __proto___: 2, proto: 3 }, ['__proto__']]) {
      const enlist = {
        type: 'enlist',
        id: 1,
        txid: sampleTxid,
        participant: 'p',
        payload,
      } as const;
      for (const frame of [encodeMessage(enlist, 'binary'), encodeMessage(enlist, 'text')]) {
        expect(decode(frame, 'to-node')).toStrictEqual([{ ok: true, message: enlist }]);
      }
    }
  });

  it('keeps constructor, prototype and the like as plain data', () => {
    const payload = JSON.parse(
      '{"constructor":{"prototype":{"polluted":1}},"prototype":1,"hasOwnProperty":2,"toJSON":3,"toString":4,"valueOf":5,"length":6,"then":7}',
    );
    const enlist = { type: 'enlist', id: 1, txid: sampleTxid, participant: 'p', payload } as const;
    for (const frame of [encodeMessage(enlist, 'binary'), encodeMessage(enlist, 'text')]) {
      const [decoded] = decode(frame, 'to-node');
      // Compared as text: an own `constructor` confuses the comparison of objects.
      expect(JSON.stringify(decoded)).toBe(JSON.stringify({ ok: true, message: enlist }));
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('lets the last of two equal keys count', () => {
    expect(
      decode(withPayload(0x82, ...fixstr('a'), 1, ...fixstr('a'), 2), 'to-node'),
    ).toMatchObject([{ message: { payload: { a: 2 } } }]);
    expect(decode(line('{"a":1,"a":2}'), 'to-node')).toMatchObject([
      { message: { payload: { a: 2 } } },
    ]);
  });
});
