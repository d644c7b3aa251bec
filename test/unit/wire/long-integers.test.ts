import { describe, expect, it } from 'vitest';
import { decode } from '../../support/samples/wire.ts';

const line = (payload: string): string =>
  `{"type":"enlist","id":7,"txid":"0.00000000000000001.000000001.fffffffffffff","participant":"p","payload":${payload}}`;

function payloadOf(text: string): unknown {
  const [decoded] = decode(line(text), 'to-node');
  if (decoded?.ok !== true || decoded.message.type !== 'enlist') return decoded;
  return decoded.message.payload;
}

describe('long integers in the text form', () => {
  it.each<[string, unknown]>([
    ['[12345678901234567,-12345678901234567]', [12345678901234567n, -12345678901234567n]],
    ['{"a":{"b":[18446744073709551615]}}', { a: { b: [18446744073709551615n] } }],
    ['["12345678901234567",12345678901234567]', ['12345678901234567', 12345678901234567n]],
    ['["\\"12345678901234567",12345678901234567]', ['"12345678901234567', 12345678901234567n]],
    ['{"12345678901234567":12345678901234567}', { '12345678901234567': 12345678901234567n }],
    [
      '[1e-12345678901234567,0.1234567890123456000,1.5E+1,12345678901234568.0]',
      [0, 0.1234567890123456, 15, 12345678901234568],
    ],
    ['["\\u0041",12345678901234567]', ['A', 12345678901234567n]],
    ['["\\ud83d\\ude00",12345678901234567]', ['\u{1f600}', 12345678901234567n]],
    ['["\u{10000}",12345678901234567]', ['\u{10000}', 12345678901234567n]],
    ['{"a":12345678901234567,"a":1}', { a: 1 }],
    ['9007199254740992', 9007199254740992],
  ])('%s', (text, expected) => {
    expect(payloadOf(text)).toStrictEqual(expected);
  });

  it.each(['["\\ud80012345678901234567",12345678901234567]', '["\\ud8001",12345678901234567]'])(
    'are not what %s makes of half a character',
    (text) => {
      expect(payloadOf(text)).toMatchObject({ ok: false, problem: { code: 'INVALID_MESSAGE' } });
    },
  );

  it.each([
    '{12345678901234567:1}',
    '[01234567890123456789]',
    '[--12345678901234567]',
    '[+12345678901234567]',
    '[12345678901234567 12345678901234567]',
    '["a"12345678901234567]',
    '[12345678901234567"a"]',
  ])('%s is no JSON with them either', (text) => {
    expect(() => decode(line(text), 'to-node')).toThrow('not JSON');
  });

  it('cost about what parsing costs: a reviver over the whole text costs ten times that', () => {
    const text = line(`["\\u0041",12345678901234567,${'1,'.repeat(100_000)}1]`);
    const reviving = leastCpu(() => JSON.parse(text, (_key, value: unknown) => value));
    const decoding = leastCpu(() => decode(text, 'to-node'));
    expect(decoding).toBeLessThan(reviving / 2);
  });
});

function leastCpu(work: () => unknown): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 7; round += 1) {
    const before = process.cpuUsage().user;
    work();
    least = Math.min(least, process.cpuUsage().user - before);
  }
  return least;
}
