/**
 * What may travel: null, booleans, finite numbers, well-formed strings, bigints of 64 bits,
 * Uint8Arrays, arrays and plain objects of these. Anything else is refused where it is handed in: a
 * peer that met it in a frame would close the connection, under everyone who uses it.
 */
import { protoName } from '../core/names.ts';
import { widestLimits } from './limits.ts';
import { quoted } from './validators.ts';

export const bigintMin: bigint = -(2n ** 63n);
export const maxBigint: bigint = 2n ** 64n - 1n;

/**
 * Gives back a value that can be encoded: `value` itself, or where it holds `undefined` a copy
 * without (a field is left out, an entry of an array becomes null, as in JSON). Throws a TypeError
 * that says where in `what` the trouble is. `maxDepth`: the nesting; a map or array itself is level
 * 1.
 */
export function sendable<T>(value: T, what: string, maxDepth: number = widestLimits.maxDepth): T {
  const { fault } = inspected(value, maxDepth);
  if (fault !== null) throw new TypeError(`${what}${fault.path} ${fault.text}`);
  return holdsUndefined ? (withoutUndefined(value) as T) : value;
}

/**
 * What `sendable` has against it. `elements`: how many keys, values, maps and arrays were seen; at
 * one more than `maxElements` it ends.
 */
export function inspected(
  value: unknown,
  maxDepth: number,
  maxElements: number = Number.POSITIVE_INFINITY,
): { readonly fault: Fault | null; readonly elements: number } {
  holdsUndefined = false;
  elements = 0;
  limit = maxElements;
  const found = inspect(value, maxDepth);
  return { fault: found, elements };
}

export interface Fault {
  path: string;
  readonly text: string;
}

/** Of the last inspection. One for all: encoding is synchronous. */
let holdsUndefined = false;
let elements = 0;
let limit = 0;

/** `levels`: how many more may come. It also ends a walk around a cycle. */
function inspect(value: unknown, levels: number): Fault | null {
  elements += 1;
  if (elements > limit) return fault('is one value too many');
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? null : fault('holds half of a surrogate pair: it is no text');
    case 'number':
      return Number.isFinite(value)
        ? null
        : fault(`is ${value}, which JSON has no word for: send null or text`);
    case 'boolean':
      return null;
    case 'undefined':
      holdsUndefined = true;
      return null;
    case 'bigint':
      return value >= bigintMin && value <= maxBigint
        ? null
        : fault('is a bigint of more than 64 bits: send it as a string');
    case 'object':
      return value === null ? null : inspectObject(value, levels);
    default:
      return fault(`is a ${typeof value}, which cannot be sent`);
  }
}

function inspectObject(value: object, levels: number): Fault | null {
  if (value instanceof Uint8Array) return null;
  if (levels === 0) return fault('is nested too deep, or holds itself');
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = inspect(value[index], levels - 1);
      if (found !== null) return within(`[${index}]`, found);
    }
    return null;
  }
  if (!isPlain(value)) {
    return fault(`is a ${className(value)}: send plain objects, text, numbers or bytes`);
  }
  const entries = value as Readonly<Record<string, unknown>>;
  // Object.keys would make a list for every object that is sent.
  for (const key in entries) {
    if (!Object.hasOwn(entries, key)) continue;
    elements += 1;
    if (key === protoName) return fault(`has the key ${protoName}, which every peer refuses`);
    if (!key.isWellFormed()) return fault('has a key with half of a surrogate pair');
    const found = inspect(entries[key], levels - 1);
    if (found !== null) return within(isPlainKey(key) ? `.${key}` : `[${quoted(key)}]`, found);
  }
  return null;
}

function isPlainKey(key: string): boolean {
  return /^[a-zA-Z_$][\w$]{0,63}$/.test(key);
}

/** Of any realm: its prototype is null or is itself the end of the chain. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === Object.prototype ||
    prototype === null ||
    Object.getPrototypeOf(prototype) === null
  );
}

function className(value: object): string {
  const made = value.constructor;
  return typeof made === 'function' && made.name !== '' ? made.name : 'class';
}

function withoutUndefined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return Array.from(value, (entry) => withoutUndefined(entry ?? null));
  const copy: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (entry !== undefined) copy[key] = withoutUndefined(entry);
  }
  return copy;
}

function fault(text: string): Fault {
  return { path: '', text };
}

function within(step: string, found: Fault): Fault {
  found.path = step + found.path;
  return found;
}
