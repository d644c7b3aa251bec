/** Walks a JSON text before it is parsed, for what JSON.parse does not say or limit. */
import { FrameError, tooManyElements } from './frame-error.ts';
import { maxNesting } from './limits.ts';
import { longDigits } from './long-integers.ts';

export interface TextScan {
  /** The deepest nesting; the outermost map or list is level 1. */
  readonly depth: number;
  /** Integers that a double may not hold: where each begins and ends, one after the other. */
  readonly longIntegers: readonly number[];
  /** A number that may be beyond every double: with an exponent, or with very many digits. */
  readonly mayOverflow: boolean;
  /** `\u`: a string may hold anything, half characters and hidden keys too. */
  readonly hasUnicodeEscape: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

export function scanText(text: string, maxElements: number): TextScan {
  let depth = 0;
  let deepest = 0;
  // Keys, values, maps and lists; an upper bound.
  let elements = 1;
  const longIntegers: number[] = [];
  let hasUnicodeEscape = false;
  let mayOverflow = false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (isDigit(unit)) {
      const start = index;
      do index += 1;
      while (isDigit(text.charCodeAt(index)));
      if (index - start >= longDigits && isInteger(text, start, index)) {
        longIntegers.push(text[start - 1] === '-' ? start - 1 : start, index);
      }
      if (index - start > maxWholeDigits || isExponent(text.charCodeAt(index))) mayOverflow = true;
      index -= 1;
      continue;
    }
    if (unit === quote) {
      for (index += 1; index < text.length; index += 1) {
        const inner = text.charCodeAt(index);
        if (inner === quote) break;
        if (inner === backslash) {
          index += 1;
          if (text[index] === 'u') hasUnicodeEscape = true;
        }
      }
    } else if (unit === 0x7b || unit === 0x5b) {
      elements += 1;
      depth += 1;
      if (depth > maxNesting) {
        throw new FrameError(1008, `Maps and lists are nested deeper than ${maxNesting} levels.`);
      }
      if (depth > deepest) deepest = depth;
    } else if (unit === 0x7d || unit === 0x5d) {
      depth -= 1;
    } else if (unit === 0x2c || unit === 0x3a) {
      elements += 1;
    }
    if (elements > maxElements) throw tooManyElements(maxElements);
  }
  return { depth: deepest, longIntegers, mayOverflow, hasUnicodeEscape };
}

/** The largest double has 309. */
const maxWholeDigits = 308;

function isExponent(unit: number): boolean {
  return unit === 0x65 || unit === 0x45;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** Whether these digits are all of their number, but for its sign. */
function isInteger(text: string, start: number, end: number): boolean {
  if (/[.eE]/.test(text.charAt(end))) return false;
  const before = text.charAt(start - 1);
  return !/[.eE+]/.test(before) && !(before === '-' && /[eE]/.test(text.charAt(start - 2)));
}
