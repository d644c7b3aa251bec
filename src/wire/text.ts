/**
 * The text form: one JSON map per line, for people and small tools.
 *
 * What JSON lacks: bytes travel as base64 text and stay text; NaN and the infinities are refused.
 * Integers keep their kind: digits alone beyond 2^53 are a bigint, so such a double has an
 * exponent.
 */
import { protoName } from '../core/names.ts';
import { FrameError } from './frame-error.ts';
import { maxMessageElements, type WireLimits } from './limits.ts';
import { parseExactly } from './long-integers.ts';
import { scanText, type TextScan } from './scan-text.ts';
import { checkMessageCount, type Finding, settle } from './settle.ts';
import type { DecodedFrame, Direction, Readers } from './validate.ts';
import { isMap } from './validators.ts';

export function decodeText<D extends Direction>(
  text: string,
  options: { readonly readers: Readers<D>; readonly limits: WireLimits },
): DecodedFrame<D> {
  if (!text.isWellFormed()) throw new FrameError(1007, 'The frame is not well-formed Unicode.');
  const maxElements = maxMessageElements[options.readers.direction];
  // All lines first: of a frame that is broken further on nothing is handled.
  const lines: { value: Record<string, unknown>; finding: Finding | null }[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '') continue;
    const scan = scanText(line, maxElements);
    const parsed = parse(line, scan);
    checkMessageCount(lines.push(parsed));
    if (scan.depth > options.limits.maxDepth) parsed.finding = 'too-deep';
  }
  return {
    length: lines.length,
    at: (index) => {
      const line = lines[index];
      return line === undefined ? undefined : settle(line.value, line.finding, options);
    },
  };
}

function parse(
  line: string,
  scan: TextScan,
): { value: Record<string, unknown>; finding: Finding | null } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // The parser's own words would quote the line, and payloads do not belong in logs.
    throw new FrameError(1007, 'A line of the frame is not JSON.');
  }
  if (!isMap(value)) throw new FrameError(1002, 'Each line of a frame must be a JSON map.');
  if (scan.hasUnicodeEscape || scan.mayOverflow || line.includes(protoName)) {
    const finding = inspect(value);
    if (finding !== null) return { value, finding };
  }
  if (scan.longIntegers.length === 0) return { value, finding: null };
  const exact = parseExactly(line, scan.longIntegers);
  return isMap(exact) ? { value: exact, finding: null } : { value, finding: 'wide-integer' };
}

/** Recursive: the scan has limited the depth. */
function inspect(value: unknown): Finding | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : 'half-character';
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'not-finite';
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const finding = inspect(value[index]);
      if (finding !== null) return finding;
    }
    return null;
  }
  const entries = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(entries)) {
    if (key === protoName) return 'proto-key';
    const finding = key.isWellFormed() ? inspect(entries[key]) : 'half-character';
    if (finding !== null) return finding;
  }
  return null;
}
