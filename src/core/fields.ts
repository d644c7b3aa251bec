/**
 * Options as JavaScript gives them. A field that does not exist is refused: a `requestID` would
 * make a request without an id, which could commit twice. So is a value of another type, before it
 * does harm elsewhere.
 */

/** What a value may be. `any`: whoever takes it looks at it. */
type Kind =
  | 'text'
  | 'ms'
  | 'count'
  | 'flag'
  | 'list'
  | 'object'
  | 'method'
  | 'signal'
  | 'schema'
  | 'any';

/** What each field of `T` is. The compiler misses none. */
export type Fields<T> = Readonly<Record<keyof T, Kind>>;

interface Expected {
  readonly text: string;
  readonly fits: (value: unknown) => boolean;
}

const expected: Readonly<Record<Kind, Expected>> = {
  text: { text: 'a string', fits: (value) => typeof value === 'string' },
  ms: { text: 'a number of milliseconds', fits: isNumber },
  count: { text: 'a number', fits: isNumber },
  flag: { text: 'true or false', fits: (value) => typeof value === 'boolean' },
  list: { text: 'an array', fits: Array.isArray },
  object: { text: 'an object', fits: isObject },
  method: { text: 'a function', fits: (value) => typeof value === 'function' },
  // Not by its class: a test's environment may have one of its own.
  signal: { text: 'an AbortSignal', fits: (value) => isObject(value) && 'aborted' in value },
  schema: {
    text: "a schema with a '~standard' property (zod, valibot, arktype)",
    // Some are functions.
    fits: (value) =>
      (isObject(value) || typeof value === 'function') && Reflect.has(value, '~standard'),
  },
  any: { text: 'anything', fits: () => true },
};

/** Throws a TypeError that names the field, `of` what it is one, and what it should have been. */
export function checkFields(
  value: unknown,
  fields: Readonly<Record<string, Kind>>,
  of: string,
): void {
  if (value === undefined) return;
  if (!isObject(value)) {
    throw new TypeError(`${of} must be an object, not ${shown(value)}.`);
  }
  for (const [field, given] of Object.entries(value)) {
    if (given === undefined) continue;
    const kind = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (kind === undefined) {
      throw new TypeError(
        `There is no field ${JSON.stringify(field.slice(0, 40))} in ${of}. The fields are ${Object.keys(fields).join(', ')}.`,
      );
    }
    const { text, fits } = expected[kind];
    if (!fits(given))
      throw new TypeError(`${field} in ${of} must be ${text}, not ${shown(given)}.`);
  }
}

/** What a caller gave instead, short: never whole objects, which may be payloads. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (Array.isArray(value)) return 'an array';
  if (isObject(value)) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** Texts are, but no list that anyone means. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return isObject(value) && Symbol.iterator in value;
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && !Number.isNaN(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
