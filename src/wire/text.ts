/**
 * The text form: one JSON map per line, for people and small tools.
 *
 * What JSON lacks: bytes travel as base64 text and stay text; NaN and the infinities become null. Integers keep their kind: digits
 * alone beyond 2^53 are a bigint, so a double of that size is written with an exponent.
 */
import { protoName } from '../core/names.ts';
import { FrameError } from './errors.ts';
import { messageElementsMax, type WireLimits } from './limits.ts';
import { isMap } from './rules.ts';
import { scanText, type TextScan } from './scan-text.ts';
import { bigintMax, bigintMin } from './sendable.ts';
import { checkMessageCount, type Finding, settle } from './settle.ts';
import type { Decoded, Direction } from './validate.ts';

// The lib of this TypeScript does not have these yet; Node 22 does.
interface JsonWithSources {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
}
const json = JSON as unknown as JsonWithSources;

/** `message` must be what `sendable` gave back. */
export function encodeText(message: unknown): string {
  return `${JSON.stringify(toJson(message))}\n`;
}

export function decodeText<D extends Direction>(
  text: string,
  options: { readonly direction: D; readonly limits: WireLimits },
): Decoded<D>[] {
  if (!text.isWellFormed()) throw new FrameError(1007, 'The frame is not well-formed Unicode.');
  const elementsMax = messageElementsMax[options.direction];
  // All lines first: of a frame that is broken further on nothing is handled.
  const lines: { value: Record<string, unknown>; finding: Finding | null }[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '') continue;
    const scan = scanText(line, elementsMax);
    const parsed = parse(line, scan);
    checkMessageCount(lines.push(parsed));
    if (scan.depth > options.limits.depthMax) parsed.finding = 'too-deep';
  }
  return lines.map(({ value, finding }) => settle(value, finding, options));
}

function parse(
  line: string,
  scan: TextScan,
): { value: Record<string, unknown>; finding: Finding | null } {
  let finding: Finding | null = null;
  let value: unknown;
  try {
    value = scan.hasLongInteger
      ? json.parse(line, (_key, item, { source }) => {
          if (typeof item !== 'number' || source === undefined) return item;
          const exact = exactInteger(item, source);
          if (exact !== null) return exact;
          finding = 'wide-integer';
          return item;
        })
      : JSON.parse(line);
  } catch {
    // The parser's own words would quote the line, and payloads do not belong in logs.
    throw new FrameError(1007, 'A line of the frame is not JSON.');
  }
  if (!isMap(value)) throw new FrameError(1002, 'Each line of a frame must be a JSON map.');
  if (scan.hasUnicodeEscape || line.includes(protoName)) finding = inspect(value) ?? finding;
  return { value, finding };
}

/** A number that stands as digits alone, without loss; null where it takes more than 64 bits. */
function exactInteger(item: number, source: string): number | bigint | null {
  if (Math.abs(item) < Number.MAX_SAFE_INTEGER || !/^-?[0-9]+$/.test(source)) return item;
  const exact = BigInt(source);
  if (exact > bigintMax || exact < bigintMin) return null;
  return BigInt(item) === exact && Math.abs(item) <= 2 ** 53 ? item : exact;
}

/** Recursive: the scan has limited the depth. */
function inspect(value: unknown): Finding | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : 'half-character';
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, entry] of Object.entries(value)) {
    if (key === protoName) return 'proto-key';
    const finding = key.isWellFormed() ? inspect(entry) : 'half-character';
    if (finding !== null) return finding;
  }
  return null;
}

/** A copy in which everything is what JSON.stringify writes as it should be. */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return json.rawJSON(value.toString());
  if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) > 2 ** 53) {
    return json.rawJSON(value.toExponential());
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Uint8Array) return base64(value);
  const copy: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) copy[key] = toJson(entry);
  return copy;
}

function base64(bytes: Uint8Array): string {
  let characters = '';
  for (let start = 0; start < bytes.length; start += 8_192) {
    characters += String.fromCharCode(...bytes.subarray(start, start + 8_192));
  }
  return btoa(characters);
}
