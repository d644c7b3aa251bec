/**
 * JSON integers that a double cannot hold, read without loss in a time that grows with the text. A
 * reviver would be called for every value, and costs ten times what parsing does.
 *
 * Each long integer is put between quotes, behind half of a surrogate pair, and the text is parsed
 * again. Nothing else can look like that: the text is well-formed, and a message in which an escape
 * makes half a character was refused before.
 */
import { bigintMin, maxBigint } from './sendable.ts';

/** Of digits, where a double may begin to lose some. */
export const longDigits = 16;
/** 2^64 has 20, and JSON knows no leading zeros. */
const maxDigits = 20;
const mark = '\ud800';

/**
 * What JSON.parse makes of `line`, with bigints where needed; null where one takes more than 64
 * bits. `line` is JSON without half characters. `places`: begin and end of each.
 */
export function parseExactly(line: string, places: readonly number[]): unknown {
  const parts: string[] = [];
  let from = 0;
  for (let index = 0; index < places.length; index += 2) {
    const start = places[index] as number;
    const end = places[index + 1] as number;
    if (end - start > maxDigits + 1) return null;
    parts.push(line.slice(from, start), `"${mark}`, line.slice(start, end), '"');
    from = end;
  }
  parts.push(line.slice(from));
  const exact: { value: unknown } = { value: JSON.parse(parts.join('')) };
  return unmarked(exact) ? exact.value : null;
}

/** Recursive: the scan has limited the depth. False: an integer is too wide. */
function unmarked(holder: object): boolean {
  const entries = holder as Record<string, unknown>;
  if (Array.isArray(holder)) {
    for (let index = 0; index < holder.length; index += 1) {
      if (!settled(entries, index)) return false;
    }
    return true;
  }
  for (const key of Object.keys(entries)) if (!settled(entries, key)) return false;
  return true;
}

function settled(holder: Record<string | number, unknown>, key: string | number): boolean {
  const value = holder[key];
  if (typeof value === 'object') return value === null || unmarked(value);
  // A whole character may begin with the same half.
  if (typeof value !== 'string' || !value.startsWith(mark) || value.isWellFormed()) return true;
  const integer = exactInteger(value.slice(mark.length));
  if (integer === null) return false;
  holder[key] = integer;
  return true;
}

/** A number where that is without loss; null where it takes more than 64 bits. */
function exactInteger(digits: string): number | bigint | null {
  const rounded = Number(digits);
  if (Math.abs(rounded) < Number.MAX_SAFE_INTEGER) return rounded;
  const exact = BigInt(digits);
  if (exact > maxBigint || exact < bigintMin) return null;
  return BigInt(rounded) === exact && Math.abs(rounded) <= 2 ** 53 ? rounded : exact;
}
