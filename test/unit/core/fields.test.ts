import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { checkFields, shown } from '../../../src/core/fields.ts';

const fields = {
  text: 'text',
  ms: 'ms',
  count: 'count',
  flag: 'flag',
  object: 'object',
  method: 'method',
  signal: 'signal',
  schema: 'schema',
  any: 'any',
} as const;

const right = {
  text: '',
  ms: Number.POSITIVE_INFINITY,
  count: 0,
  flag: false,
  object: {},
  method: () => undefined,
  signal: new AbortController().signal,
  schema: Object.assign(() => undefined, { '~standard': {} }),
  any: null,
};

describe('fields', () => {
  it('that fit pass, and so does what is not given', () => {
    checkFields(right, fields, 'these');
    checkFields(
      Object.fromEntries(Object.keys(fields).map((k) => [k, undefined])),
      fields,
      'these',
    );
    checkFields(undefined, fields, 'these');
  });

  it.each(Object.keys(fields).filter((kind) => kind !== 'any'))(
    '%s: others are refused',
    (kind) => {
      const others = Object.values(right).filter((value) => {
        if (value === right[kind as keyof typeof right]) return false;
        const isNumber = typeof value === 'number';
        if (kind === 'ms' || kind === 'count') return !isNumber;
        if (kind === 'object') return typeof value !== 'object' || value === null;
        if (kind === 'method') return typeof value !== 'function';
        return true;
      });
      for (const value of [...others, null, Number.NaN]) {
        const check = (): void => checkFields({ [kind]: value }, fields, 'these');
        const isOutOfRange = Number.isNaN(value) && ['ms', 'count'].includes(kind);
        expect(check, shown(value)).toThrow(isOutOfRange ? RangeError : TypeError);
        expect(check).toThrow(`${kind} in these must be`);
      }
    },
  );

  it.each(['Text', '__proto__x', 'constructor', 'toString'])('%s is none', (field) => {
    const check = (): void => checkFields({ [field]: 1 }, fields, 'these');
    expect(check).toThrow(`There is no field "${field}" in these. The fields are text, ms,`);
  });

  it.each([null, 5, 'text', true])('%j has none', (value) => {
    expect(() => checkFields(value, fields, 'these')).toThrow('these must be an object, not');
  });

  it('shows what was given, and no payload', () => {
    expect([{ secret: 1 }, ['secret'], 'x'.repeat(100), Symbol('s'), 5n, null].map(shown)).toEqual([
      'an object',
      'an array',
      `"${'x'.repeat(40)}"`,
      'Symbol(s)',
      '5',
      'null',
    ]);
  });

  it('a class may have more, but none that differs by its case alone', () => {
    class Settings {
      text = '';
      pool = 1;
    }
    checkFields(new Settings(), fields, 'these');
    expect(() => checkFields(Object.assign(new Settings(), { Text: '' }), fields, 'these')).toThrow(
      '"Text"',
    );
    expect(() => checkFields(Object.assign(new Settings(), { ms: '5' }), fields, 'these')).toThrow(
      'ms in these must be',
    );
  });

  it('of another realm are no class of their own', () => {
    const foreign = runInNewContext('({ pool: 1 })') as object;
    expect(() => checkFields(foreign, fields, 'these')).toThrow('no field "pool"');
  });

  it('that are internal are not listed', () => {
    expect(() => checkFields({ x: 1 }, { text: 'text', clock: 'internal' }, 'these')).toThrow(
      /The fields are text\.$/,
    );
  });
});
