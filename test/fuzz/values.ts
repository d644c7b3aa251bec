/** Values that do not belong where they are put. */
import type { Random } from '../../src/ports/random.ts';

export function below(random: Random, max: number): number {
  return Math.floor(random.fraction() * max);
}

export function pick<T>(random: Random, list: readonly T[]): T {
  if (list.length === 0) throw new RangeError('There is nothing to pick from.');
  return list[below(random, list.length)] as T;
}

/** True in `part` of the cases. */
export function chance(random: Random, part: number): boolean {
  return random.fraction() < part;
}

/** Keys and texts that mean something to JavaScript, to the protocol, or to a log line. */
export const wickedTexts: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'toJSON',
  'then',
  'length',
  'id',
  'type',
  '\n{"level":60}',
  '../../etc',
  '\ufeff',
  '\u202e',
  '😀'.repeat(31),
  'x'.repeat(129),
  'x'.repeat(5_000),
];

/** Of these, what a peer takes. */
const namesOfFields = ['constructor', 'prototype', 'hasOwnProperty', 'toString', 'toJSON', 'then'];

const wickedNumbers: readonly (number | bigint)[] = [
  0,
  -0,
  -1,
  1,
  0.5,
  255,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e308,
  5e-324,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2n ** 63n,
  2n ** 64n - 1n,
  -(2n ** 63n),
];

/** Any value of MessagePack's, and now and then a tree of them. */
export function wicked(random: Random, depth = 0): unknown {
  switch (below(random, depth > 4 ? 5 : 8)) {
    case 0:
      return pick(random, [null, true, false]);
    case 1:
      return pick(random, wickedNumbers);
    case 2:
      return pick(random, wickedTexts);
    case 3:
      return random.token(below(random, 40));
    case 4:
      return Buffer.alloc(below(random, 40), below(random, 256));
    case 5:
      return Array.from({ length: below(random, 5) }, () => wicked(random, depth + 1));
    case 6:
      return wickedMap(random, depth);
    default:
      return nestedValue(random, 1 + below(random, 60));
  }
}

function wickedMap(random: Random, depth: number): Record<string, unknown> {
  const names = Array.from({ length: below(random, 5) }, () =>
    chance(random, 0.5) ? pick(random, wickedTexts) : random.token(4),
  );
  return mapOf(names, random, depth);
}

/** Several fields at once that mean something to JavaScript: some do only beside another. */
export function namedFields(random: Random): Record<string, unknown> {
  const names = namesOfFields.filter(() => chance(random, 0.7));
  return mapOf(names, random, 0);
}

function mapOf(names: readonly string[], random: Random, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (const name of names) {
    // Defined, not assigned: `__proto__` must become a key here, not this map's prototype.
    Object.defineProperty(map, name, {
      value: wicked(random, depth + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return map;
}

function nestedValue(random: Random, levels: number): unknown {
  let value: unknown = null;
  for (let level = 0; level < levels; level += 1) {
    value = chance(random, 0.5) ? [value] : { a: value };
  }
  return value;
}
