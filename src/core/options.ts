/**
 * What an option is (unit last in its name, bounds, what 0 does), and how given ones become whole.
 * The CLI's flags, the SDKs' options and the docs derive from the two tables of them.
 */
import { shown } from './fields.ts';

export interface OptionEntry {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
  /** What 0 does, where it is within the bounds. */
  readonly zero?: string;
}

export const minute = 60_000;
export const day: number = 24 * 60 * minute;

/** Fills in defaults; throws a RangeError that names the option, its unit and its bounds. */
export function resolveOptions<Name extends string>(
  table: Readonly<Record<Name, OptionEntry>>,
  names: readonly Name[],
  given: Partial<Readonly<Record<Name, number>>>,
): Readonly<Record<Name, number>> {
  const resolved = {} as Record<Name, number>;
  for (const name of names) {
    const entry = table[name];
    const value = given[name] ?? entry.default;
    if (!Number.isInteger(value) || value < entry.min || value > entry.max) {
      throw new RangeError(
        `Option ${name} must be a whole number from ${entry.min} to ${entry.max}, not ${shown(value)}: ${entry.meaning}`,
      );
    }
    resolved[name] = value;
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      throw new RangeError(`There is no option ${name}; the options are ${names.join(', ')}`);
    }
  }
  return resolved;
}
