import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalValues } from '../../../src/core/equal.ts';

describe('equality of payloads', () => {
  it('holds between a value and its copy, whatever the order of its keys', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, inner]) => [key, reversed(inner)]),
      );
    };
    fc.assert(fc.property(fc.jsonValue(), (value) => equalValues(value, reversed(value))));
  });

  it('agrees with the text of two different values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (a, b) => {
        fc.pre(!JSON.stringify([a, b]).includes('{'));
        expect(equalValues(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  it.each<[unknown, unknown]>([
    [{ a: 1 }, { a: 1, b: undefined }],
    [{ a: undefined }, { b: undefined }],
    [[1], { 0: 1 }],
    [[], {}],
    [null, {}],
    [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
    [new Uint8Array([1]), [1]],
    [1, '1'],
    [{ toString: 1 }, {}],
  ])('tells %j from %j', (a, b) => {
    expect(equalValues(a, b)).toBe(false);
    expect(equalValues(b, a)).toBe(false);
  });

  it('takes bytes by content and NaN for itself', () => {
    expect(equalValues(new Uint8Array([1, 2]), new Uint8Array([1, 2]))).toBe(true);
    expect(equalValues([Number.NaN], [Number.NaN])).toBe(true);
  });
});
