/**
 * The validators from which the message tables are made. A rule reads a decoded value and gives it
 * back, without what it does not know, or refuses it. Nothing is allocated unless something is
 * refused or stripped: this is the hot path of every node.
 */
import type { ErrorCode } from '../core/catalogue.ts';
import { fitsBytes, isName, nameText } from '../core/names.ts';
import { type Epoch, isEpoch, isTxid, type Txid } from '../core/txid.ts';
import type { WireLimits } from './limits.ts';

export const refused: unique symbol = Symbol('refused');
export type Refused = typeof refused;
export type Read<T> = (value: unknown, limits: WireLimits) => T | Refused;

export interface Rule<T> {
  /** Completes "must be …"; also what the tables in the docs say. */
  readonly text: string;
  readonly read: Read<T>;
  /** The fields of a map, or of the maps in a list. */
  readonly fields?: Fields;
  /** Never there: makes a rule fit exactly the type it is for, neither wider nor narrower. */
  readonly exactly?: (value: T) => T;
}

export interface Field<T, Optional extends boolean = boolean> {
  readonly rule: Rule<T>;
  readonly optional: Optional;
  /** What its rule refuses is left out, and the message counts. */
  readonly lenient?: true;
  readonly about: string;
}
// biome-ignore lint/suspicious/noExplicitAny: `unknown` would not take an exact rule
export type Fields = Readonly<Record<string, Field<any>>>;

/** The fields of `M`: an optional one for each optional property, a required one for each other. */
export type FieldsOf<M> = {
  readonly [K in Exclude<keyof M, 'type'>]-?: unknown extends M[K]
    ? Field<unknown>
    : Record<never, never> extends Pick<M, K>
      ? Field<Exclude<M[K], undefined>, true>
      : Field<M[K], false>;
};

export function required<T>(rule: Rule<T>, about: string): Field<T, false> {
  return { rule, optional: false, about };
}

export function optional<T>(rule: Rule<T>, about: string): Field<T, true> {
  return { rule, optional: true, about };
}

/** For what a message can do without, whoever sends it broken. */
export function lenient<T>(rule: Rule<T>, about: string): Field<T, true> {
  return { rule, optional: true, lenient: true, about };
}

/** Where and why the last value was refused. One for all: reading is synchronous. */
const fault: { path: string; text: string; code: ErrorCode } = {
  path: '',
  text: '',
  code: 'INVALID_MESSAGE',
};

export function lastFault(root: string): { code: ErrorCode; message: string } {
  return { code: fault.code, message: `${root}${fault.path} ${fault.text}` };
}

export function refuse(text: string, code: ErrorCode = 'INVALID_MESSAGE'): Refused {
  fault.path = '';
  fault.text = text;
  fault.code = code;
  return refused;
}

function within(step: string): Refused {
  fault.path = step + fault.path;
  return refused;
}

/** A key or type as it may stand in an error: cut, quoted, and with half characters escaped. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

export const anything: Rule<unknown> = { text: 'any value', read: (value) => value };

export const boolean: Rule<boolean> = rule('true or false', (value) => typeof value === 'boolean');

export const txid: Rule<Txid> = rule(
  'a transaction id',
  (value) => typeof value === 'string' && isTxid(value),
);

export const epoch: Rule<Epoch> = rule(
  'an epoch (17 base-36 digits)',
  (value) => typeof value === 'string' && isEpoch(value),
);

const decimalPattern = /^[0-9]{1,20}$/;
export function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && decimalPattern.test(value);
}
export const decimal: Rule<string> = rule('a string of 1 to 20 decimal digits', isDecimal);

export function integer(min: number, max: number): Rule<number> {
  return rule(
    `a whole number from ${min} to ${max}`,
    (value) => typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max,
  );
}

export function number(min: number, max: number): Rule<number> {
  return rule(
    `a number from ${min} to ${max}`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  );
}

export function oneOf<const T extends string>(values: readonly T[]): Rule<T> {
  return rule(
    `one of ${values.join(', ')}`,
    (value) => typeof value === 'string' && (values as readonly string[]).includes(value),
  );
}

/** A key: it can stand in a log line and in a key of the log, and looks like no other. */
export function name(maxBytes: number): Rule<string> {
  return rule(nameText(maxBytes), (value) => typeof value === 'string' && isName(value, maxBytes));
}

/** A text for people; may be empty. */
export function text(maxBytes: number): Rule<string> {
  return rule(
    `a string of at most ${maxBytes} bytes`,
    (value) => typeof value === 'string' && fitsBytes(value, maxBytes),
  );
}

export function nullable<T>(inner: Rule<T>): Rule<T | null> {
  const { read } = inner;
  return {
    text: `${inner.text}, or null`,
    read: (value, limits) => (value === null ? null : read(value, limits)),
    ...(inner.fields === undefined ? {} : { fields: inner.fields }),
  };
}

type Count = number | ((limits: WireLimits) => number);

/** The same, and one entry at least. */
export function filled<T>(of: Rule<readonly T[]>): Rule<readonly T[]> {
  return {
    text: `${of.text}; one at least`,
    read: (value, limits) => {
      if (Array.isArray(value) && value.length === 0) return refuse('must have one entry at least');
      return of.read(value, limits);
    },
  };
}

/** A list. More than `max` entries are `LIMIT_EXCEEDED`; the entries are not looked at then. */
export function list<T>(entry: Rule<T>, max: Count, maxText?: string): Rule<readonly T[]> {
  const { read } = entry;
  const bound = `at most ${maxText ?? (max as number)} entries`;
  const own = `a list of ${bound}`;
  return {
    text: `${own}, each ${entry.text}`,
    read: (value, limits) => {
      if (!Array.isArray(value)) return refuse(`must be ${own}`);
      if (value.length > (typeof max === 'number' ? max : max(limits))) {
        return refuse(`has ${value.length} entries; it may have ${bound}`, 'LIMIT_EXCEEDED');
      }
      for (let index = 0; index < value.length; index += 1) {
        const given: unknown = value[index];
        const taken = read(given, limits);
        if (taken === refused) return within(`[${index}]`);
        if (taken !== given) value[index] = taken;
      }
      return value as readonly T[];
    },
    ...(entry.fields === undefined ? {} : { fields: entry.fields }),
  };
}

/** Where the keys are one of a few, any of them may be absent. */
type RecordOf<K extends string, T> = string extends K
  ? Readonly<Record<K, T>>
  : Readonly<Partial<Record<K, T>>>;

/** A map whose keys are data: labels, results. */
export function record<K extends string, T>(
  key: Rule<K>,
  entry: Rule<T>,
  max: Count,
  maxText?: string,
): Rule<RecordOf<K, T>> {
  const bound = `at most ${maxText ?? (max as number)} entries`;
  const own = `a map of ${bound}`;
  return {
    text: `${own}, each key ${key.text}, each value ${entry.text}`,
    read: (value, limits) => {
      if (!isMap(value)) return refuse(`must be ${own}`);
      const count = countKeys(value);
      if (count > (typeof max === 'number' ? max : max(limits))) {
        return refuse(`has ${count} entries; it may have ${bound}`, 'LIMIT_EXCEEDED');
      }
      for (const name in value) {
        if (key.read(name, limits) === refused) {
          return refuse(`has the key ${quoted(name)}; each key must be ${key.text}`);
        }
        const given = value[name];
        const taken = entry.read(given, limits);
        if (taken === refused) return within(`[${quoted(name)}]`);
        if (taken !== given) value[name] = taken;
      }
      return value as RecordOf<K, T>;
    },
  };
}

/** A map with known fields. Unknown ones are silently left out: so the protocol can grow. */
export function map<T>(fields: FieldsOf<T>): Rule<T> {
  const read = readFields(fields as Fields, []);
  return {
    text: `a map {${fieldNames(fields as Fields)}}`,
    read: (value, limits) =>
      isMap(value) ? (read(value, limits) as T | Refused) : refuse('must be a map'),
    fields: fields as Fields,
  };
}

/**
 * Compiles a map's fields to one function. It hands back the decoded map itself where that holds
 * only known fields, as nearly all do; `also` are known keys that the caller has checked.
 */
export function readFields(
  fields: Fields,
  also: readonly string[],
): (value: Record<string, unknown>, limits: WireLimits) => Record<string, unknown> | Refused {
  const entries = Object.entries(fields);
  const names = entries.map(([name]) => name);
  const rules = entries.map(([, field]) => field.rule as Rule<unknown>);
  const reads = rules.map((entry) => entry.read);
  const optionals = entries.map(([, field]) => field.optional);
  const lenients = entries.map(([, field]) => field.lenient);
  const known = [...also, ...names];
  return (value, limits) => {
    let present = also.length;
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index] as string;
      const given = value[name];
      if (given === undefined) {
        if (optionals[index] === true) continue;
        refuse(`is missing; it must be ${(rules[index] as Rule<unknown>).text}`);
        return within(`.${name}`);
      }
      const taken = (reads[index] as Read<unknown>)(given, limits);
      if (taken === refused) {
        if (lenients[index] !== true) return within(`.${name}`);
        delete value[name];
        continue;
      }
      if (taken !== given) value[name] = taken;
      present += 1;
    }
    return countKeys(value) === present ? value : only(value, known);
  };
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  );
}

function rule<T>(text: string, accepts: (value: unknown) => boolean): Rule<T> {
  return { text, read: (value) => (accepts(value) ? (value as T) : refuse(`must be ${text}`)) };
}

function only(
  value: Readonly<Record<string, unknown>>,
  known: readonly string[],
): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of known) {
    if (Object.hasOwn(value, name)) copy[name] = value[name];
  }
  return copy;
}

function countKeys(value: object): number {
  let count = 0;
  for (const _key in value) count += 1;
  return count;
}

function fieldNames(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, field]) => (field.optional ? `${name}?` : name))
    .join(', ');
}
