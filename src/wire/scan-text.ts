/**
 * Walks a JSON text before it is parsed, for what JSON.parse does not say or does not limit. It does not check that the
 * text is JSON: the parser does.
 */
import { FrameError, tooManyElements } from './errors.ts';
import { nestingMax } from './limits.ts';

export interface TextScan {
  /** The deepest nesting; the outermost map or list is level 1. */
  readonly depth: number;
  /** An integer that a double may not hold exactly. */
  readonly hasLongInteger: boolean;
  /** `\u`: a string may hold anything, half characters and hidden keys too. */
  readonly hasUnicodeEscape: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

export function scanText(text: string, elementsMax: number): TextScan {
  let depth = 0;
  let deepest = 0;
  // Keys, values, maps and lists; an upper bound.
  let elements = 1;
  let digits = 0;
  let hasLongInteger = false;
  let hasUnicodeEscape = false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x30 && unit <= 0x39) {
      digits += 1;
      if (digits >= 16) hasLongInteger = true;
      continue;
    }
    digits = 0;
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
      if (depth > nestingMax) {
        throw new FrameError(1008, `Maps and lists are nested deeper than ${nestingMax} levels.`);
      }
      if (depth > deepest) deepest = depth;
    } else if (unit === 0x7d || unit === 0x5d) {
      depth -= 1;
    } else if (unit === 0x2c || unit === 0x3a) {
      elements += 1;
    }
    if (elements > elementsMax) throw tooManyElements(elementsMax);
  }
  return { depth: deepest, hasLongInteger, hasUnicodeEscape };
}
