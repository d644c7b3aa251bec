/**
 * Options as JavaScript gives them. A field that does not exist is refused: a `requestID` would
 * make a request without an id, which could commit twice. So is a value of another type, before it
 * does harm elsewhere. And what its functions return in place of their work: a generator or an
 * Observable does nothing before someone asks it to, and then the transaction is over.
 */

/** What a value may be. `any`: whoever takes it looks at it. `internal`: so, and no user's. */
type Kind =
  | 'text'
  | 'ms'
  | 'count'
  | 'flag'
  | 'object'
  | 'method'
  | 'signal'
  | 'schema'
  | 'any'
  | 'internal';

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
  internal: { text: 'anything', fits: () => true },
};

/**
 * Throws a TypeError that names the field, `of` what it is one, and what it should have been. An
 * object of a class may have fields of its own; whoever else may, `isOwn` says.
 */
export function checkFields(
  value: unknown,
  fields: Readonly<Record<string, Kind>>,
  of: string,
  isOwn: (given: unknown) => boolean = () => false,
): void {
  if (value === undefined) return;
  if (!isObject(value)) {
    throw new TypeError(`${of} must be an object, not ${shown(value)}.`);
  }
  for (const field of Object.keys(value)) {
    const given: unknown = value[field as keyof typeof value];
    if (given === undefined) continue;
    const kind = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (kind === undefined) {
      if (isMisspelt(field, fields) || (isPlainObject(value) && !isOwn(given))) {
        throw unknownField(field, fields, of);
      }
    } else if (!expected[kind].fits(given)) {
      const problem = `${field} in ${of} must be ${expected[kind].text}, not ${shown(given)}.`;
      throw isNumeric(kind) && Number.isNaN(given)
        ? new RangeError(problem)
        : new TypeError(problem);
    }
  }
}

function unknownField(
  field: string,
  fields: Readonly<Record<string, Kind>>,
  of: string,
): TypeError {
  const known = Object.keys(fields).filter((name) => fields[name] !== 'internal');
  return new TypeError(
    `There is no field ${shown(field)} in ${of}. The fields are ${known.join(', ')}.`,
  );
}

function isNumeric(kind: Kind): boolean {
  return kind === 'ms' || kind === 'count';
}

function isMisspelt(field: string, fields: object): boolean {
  const lower = field.toLowerCase();
  return Object.keys(fields).some((known) => known.toLowerCase() === lower);
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

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Of whatever realm: the prototype of plain objects has none.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const waysOut: ReadonlyMap<string, string> = new Map([
  [
    "a generator or a stream's iterator",
    'Do the work in the function, and return what came of it.',
  ],
  ['an Observable', 'Return await firstValueFrom(...) of it.'],
]);

/** The value itself. Throws a TypeError where it is work that is still to be done. */
export function notDeferred<Value>(value: Value, who: string): Value {
  const kind = kindOf(value);
  if (kind === null) return value;
  throw new TypeError(
    `${who} returned ${kind}, which would do its work after the transaction. ${waysOut.get(kind)}`,
  );
}

function kindOf(value: unknown): string | null {
  if (!isObject(value)) return null;
  // A mock of a service, or a stub of one elsewhere, may answer every name with a function.
  const has = (name: PropertyKey): boolean =>
    name in value && typeof Reflect.get(value, name) === 'function';
  // A client of Redis has a `subscribe`, too, and a stream a `pipe`.
  if (has('subscribe') && (has('pipe') || saysObservable(value))) return 'an Observable';
  // Also one that a compiler made for an older target.
  return has('next') && has('throw') ? "a generator or a stream's iterator" : null;
}

/** RxJS's has a `pipe`. Other libraries' have this method, and the browser's has the tag. */
function saysObservable(value: object): boolean {
  const { observable = '@@observable' } = Symbol as { readonly observable?: symbol };
  return observable in value || Reflect.get(value, Symbol.toStringTag) === 'Observable';
}
