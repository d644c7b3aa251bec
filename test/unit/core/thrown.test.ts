import { describe, expect, it } from 'vitest';
import { thrownError, thrownLine, thrownStack, thrownText } from '../../../src/core/thrown.ts';
import { oddThrows } from '../../support/samples/odd-throws.ts';

describe('what was thrown, in words', () => {
  it.each([...oddThrows])('is a text within bounds: %s', (_name, thrown) => {
    for (const words of [thrownText, thrownLine, thrownStack]) {
      const text = words(thrown);
      expect(typeof text).toBe('string');
      expect(text.length).toBeGreaterThan(0);
      expect(text.length).toBeLessThanOrEqual(10_003);
      expect(text.isWellFormed()).toBe(true);
    }
    const error = thrownError(thrown);
    expect(error).toBeInstanceOf(Error);
    expect(typeof error.message).toBe('string');
  });

  it('says what there is to say', () => {
    expect(thrownText(new Error('no stock'))).toBe('no stock');
    expect(thrownLine(new TypeError('no stock'))).toBe('TypeError: no stock');
    expect(thrownStack(new Error('no stock'))).toMatch(/no stock\n +at /);
    expect(thrownText('plain')).toBe('plain');
    expect(thrownText(oddThrows.get('an object without prototype'))).toContain('the code E');
    expect(thrownText(oddThrows.get('an AggregateError'))).toMatch(/^a; /);
    expect(thrownText(oddThrows.get('an Error of another realm'))).toBe('other realm');
    expect(thrownText({ why: 'no stock' })).toBe('an object: {"why":"no stock"}');
    const cause = new Error('duplicate key', { cause: new Error('line 1') });
    const statement = `Failed query: ${'x'.repeat(5_000)}`;
    expect(thrownText(new Error(statement, { cause }))).toMatch(
      /^Failed query: x{286}\.\.\.: duplicate key: line 1$/,
    );
    expect(thrownLine(new Error('a duplicate key', { cause }))).toBe(
      'Error: a duplicate key: line 1',
    );
    const several = new AggregateError([new Error('first'), new Error('second')], 'both failed');
    expect(thrownText(several)).toBe('both failed: first: second');
    expect(thrownText(new Error('outer', { cause: 'plain text' }))).toBe('outer: plain text');
    const circle = new Error('round');
    circle.cause = circle;
    expect(thrownText(circle)).toBe('round');
    const error = new Error('x');
    expect(thrownError(error)).toBe(error);
  });
});
