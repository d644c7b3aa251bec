import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxKeyLength, parseKey, requestIdOf } from '../../../src/http/key.ts';

describe('Idempotency-Key', () => {
  it.each([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['  "a b"\t', 'a b'],
    ['"a, b;c=d"', 'a, b;c=d'],
    [String.raw`"\"\\"`, String.raw`"\ `.trim()],
    ['order:17/a+b=', 'order:17/a+b='],
  ])('%s is the key %s', (header, key) => {
    expect(parseKey(header)).toEqual({ key });
  });

  it.each([
    '',
    '""',
    '"',
    '"a',
    'a"',
    'a b',
    '"a"b',
    '"a", "b"',
    'a, b',
    'a;b=c',
    String.raw`"\n"`,
    String.raw`a\b`,
    '"ä"',
    'ä',
    '"a\u0000b"',
    `"${'x'.repeat(maxKeyLength + 1)}"`,
  ])('%j is none, and the sender is told what it should be', (header) => {
    expect(parseKey(header)).toEqual({ problem: expect.stringContaining('Idempotency-Key must') });
  });

  it('sent twice is none, as Node joins the two and as a list; not sent at all it is absent', () => {
    expect(parseKey(['"a"', '"a"'])).toHaveProperty('problem');
    expect(parseKey('"a", "a"')).toHaveProperty('problem');
    expect(parseKey(undefined)).toBeNull();
    expect(parseKey('x'.repeat(maxKeyLength))).toEqual({ key: 'x'.repeat(maxKeyLength) });
  });

  it('any printable ASCII text survives its quotes', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(printable, (key) => {
        const header = `"${key.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
        expect(parseKey(header)).toEqual({ key });
      }),
    );
  });
});

describe('the id of a transaction under a key', () => {
  it('differs by scope, key and step, however they are cut, and fits into an id', () => {
    const parts = fc.record({ scope: fc.string(), key: fc.string(), step: fc.string() });
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(requestIdOf(one) === requestIdOf(other)).toBe(same);
        expect(requestIdOf(one)).toMatch(/^http-[\w-]{43}$/);
      }),
    );
    const shifted = [
      { scope: 'ab', key: 'c', step: '' },
      { scope: 'a', key: 'bc', step: '' },
      { scope: 'a', key: 'b', step: 'c' },
      { scope: 'a","b', key: 'c', step: '' },
    ].map(requestIdOf);
    expect(new Set(shifted).size).toBe(4);
  });

  it('stays the same from version to version: a request repeated over an update is the same one', () => {
    expect(requestIdOf({ scope: 'of anna', key: 'k', step: '' })).toBe(
      'http-BkVAseWtegcY8vrFV8sPnTD9O0ZQktTgI-I8REK9g7g',
    );
  });
});
