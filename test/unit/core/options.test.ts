import { describe, expect, it } from 'vitest';
import {
  coordinatorOptionNames,
  coordinatorOptions,
  coordinatorOptionTable,
} from '../../../src/core/coordinator-options.ts';
import {
  participantOptionNames,
  participantOptions,
  participantOptionTable,
} from '../../../src/core/participant-options.ts';

const tables = [
  { table: coordinatorOptionTable, names: coordinatorOptionNames, resolve: coordinatorOptions },
  { table: participantOptionTable, names: participantOptionNames, resolve: participantOptions },
];

describe.each(tables)('options', ({ table, names, resolve }) => {
  it('have a default within their bounds, and say what 0 does exactly where 0 is allowed', () => {
    expect(Object.keys(table).sort()).toEqual([...names].sort());
    for (const [name, entry] of Object.entries(table)) {
      expect(entry.default, name).toBeGreaterThanOrEqual(entry.min);
      expect(entry.default, name).toBeLessThanOrEqual(entry.max);
      expect(entry.zero !== undefined, name).toBe(entry.min === 0);
      expect(entry.meaning, name).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('fill in defaults and keep what is given', () => {
    const defaults = resolve();
    for (const [name, entry] of Object.entries(table)) {
      expect(defaults[name as keyof typeof defaults]).toBe(entry.default);
      expect(resolve({ [name]: entry.min })[name as keyof typeof defaults]).toBe(entry.min);
      expect(resolve({ [name]: entry.max })[name as keyof typeof defaults]).toBe(entry.max);
    }
  });

  it('refuse what is out of bounds, naming option and bounds', () => {
    for (const [name, entry] of Object.entries(table)) {
      for (const value of [entry.min - 1, entry.max + 1, entry.min + 0.5, Number.NaN]) {
        expect(() => resolve({ [name]: value }), `${name} ${value}`).toThrow(
          new RegExp(`Option ${name} must .* from ${entry.min} to ${entry.max}`),
        );
      }
    }
  });

  it('refuse names that there are not', () => {
    expect(() => resolve({ prepareTimeout: 1 } as never)).toThrow(
      /There is no option prepareTimeout/,
    );
    expect(() => resolve({ toString: 1 } as never)).toThrow(/There is no option toString/);
  });
});
