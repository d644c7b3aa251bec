/**
 * Walks MessagePack bytes before anything is decoded. It allocates nothing and does not recurse: no
 * input costs more time than its length, be it a bomb, deeply nested, or with lengths that promise
 * more than there is. It lets through the subset of `verdict.v1`: top-level maps with string keys,
 * no extension types, valid UTF-8.
 *
 * Two findings concern one message only, since its end is known: nesting above the caller's limit,
 * and a key `__proto__` (which a decoder would rename, silently altering a payload).
 */
import { FrameError, tooManyElements } from './frame-error.ts';
import { maxNesting } from './limits.ts';

export interface Scan {
  end: number;
  /** The deepest nesting; the message itself is level 1. */
  depth: number;
  hasProtoKey: boolean;
  /** NaN or an infinity, which the text form cannot carry on. */
  hasNotFinite: boolean;
}

// Of the containers around the current one: entries still to come, a map's key and value apart, and
// whether it is a map, for only they have keys. One stack for all: scanning is synchronous.
const outerLeft = new Float64Array(maxNesting + 1);
const outerIsMap = new Uint8Array(maxNesting + 1);

/** Scans the message at `start` into `scan`. Throws FrameError, also above `maxElements`. */
export function scanMessage(
  bytes: Uint8Array,
  start: number,
  scan: Scan,
  maxElements: number,
): void {
  const length = bytes.length;
  const first = bytes[start] as number;
  if ((first & 0xf0) !== 0x80 && first !== 0xde && first !== 0xdf) {
    throw new FrameError(1002, 'Each message of a frame must be a MessagePack map.');
  }
  let position = start;
  let depth = 0;
  let deepest = 0;
  let elements = 0;
  let hasProtoKey = false;
  let hasNotFinite = false;
  // The message is the one entry of a container around it.
  let left = 1;
  let isMap = false;

  while (true) {
    while (left === 0) {
      depth -= 1;
      left = outerLeft[depth] as number;
      isMap = outerIsMap[depth] === 1;
      if (depth === 0) {
        scan.end = position;
        scan.depth = deepest;
        scan.hasProtoKey = hasProtoKey;
        scan.hasNotFinite = hasNotFinite;
        return;
      }
    }
    // A map begins with an even number to come: its next is a key when the number is even.
    const isKey = isMap && left % 2 === 0;
    left -= 1;
    elements += 1;
    if (elements > maxElements) throw tooManyElements(maxElements);
    if (position >= length) throw truncated();
    const token = bytes[position] as number;
    position += 1;

    let entries = -1;
    let entersMap = false;
    let stringBytes = -1;
    let skip = 0;
    if (token < 0x80) {
      // positive fixint
    } else if (token < 0x90) {
      entries = (token & 0x0f) * 2;
      entersMap = true;
    } else if (token < 0xa0) {
      entries = token & 0x0f;
    } else if (token < 0xc0) {
      stringBytes = token & 0x1f;
    } else if (token < 0xe0) {
      const layout = layouts[token - 0xc0] as Layout;
      if (layout.kind === 'broken') {
        throw new FrameError(1007, 'The byte 0xc1 has no meaning in MessagePack.');
      }
      if (layout.kind === 'extension') {
        throw new FrameError(
          1003,
          'MessagePack extension types are not part of verdict.v1. Send times and the like as text or numbers.',
        );
      }
      if (layout.kind === 'fixed') {
        skip = layout.bytes;
        if (token === 0xca || token === 0xcb) hasNotFinite ||= isNotFinite(bytes, position, token);
      } else {
        if (position + layout.bytes > length) throw truncated();
        let size = 0;
        for (let index = 0; index < layout.bytes; index += 1) {
          size = size * 256 + (bytes[position + index] as number);
        }
        position += layout.bytes;
        if (layout.kind === 'string') stringBytes = size;
        else if (layout.kind === 'binary') skip = size;
        else {
          entersMap = layout.kind === 'map';
          entries = entersMap ? size * 2 : size;
        }
      }
    }

    if (isKey && stringBytes < 0) {
      throw new FrameError(1002, 'Each key of a map must be a string.');
    }
    if (stringBytes >= 0) {
      const end = position + stringBytes;
      if (end > length) throw truncated();
      checkUtf8(bytes, position, end);
      if (isKey && stringBytes === 9 && isProto(bytes, position)) hasProtoKey = true;
      position = end;
    } else if (entries >= 0) {
      // Every entry takes a byte at least.
      if (entries > length - position) throw truncated();
      if (depth === maxNesting) {
        throw new FrameError(1008, `Maps and arrays are nested deeper than ${maxNesting} levels.`);
      }
      outerLeft[depth] = left;
      outerIsMap[depth] = isMap ? 1 : 0;
      depth += 1;
      if (depth > deepest) deepest = depth;
      left = entries;
      isMap = entersMap;
    } else {
      position += skip;
      if (position > length) throw truncated();
    }
  }
}

/** All bits of the exponent are set. */
function isNotFinite(bytes: Uint8Array, position: number, token: number): boolean {
  const rest = token === 0xca ? 0x80 : 0xf0;
  const second = bytes[position + 1] as number;
  return ((bytes[position] as number) & 0x7f) === 0x7f && (second & rest) === rest;
}

interface Layout {
  readonly kind: 'fixed' | 'string' | 'binary' | 'array' | 'map' | 'extension' | 'broken';
  /** Of the value, or of its length. */
  readonly bytes: number;
}

/** What follows the tokens 0xc0 to 0xdf. */
const layouts: readonly Layout[] = [
  ...sized('fixed', 0),
  { kind: 'broken', bytes: 0 },
  ...sized('fixed', 0, 0),
  ...sized('binary', 1, 2, 4),
  ...sized('extension', 1, 2, 4),
  ...sized('fixed', 4, 8),
  ...sized('fixed', 1, 2, 4, 8),
  ...sized('fixed', 1, 2, 4, 8),
  ...sized('extension', 0, 0, 0, 0, 0),
  ...sized('string', 1, 2, 4),
  ...sized('array', 2, 4),
  ...sized('map', 2, 4),
];

function sized(kind: Layout['kind'], ...bytes: readonly number[]): Layout[] {
  return bytes.map((size) => ({ kind, bytes: size }));
}

/** Above this a native decoder is quicker than a loop, although it makes a string. */
const maxLoopBytes = 256;
const utf8 = new TextDecoder('utf-8', { fatal: true });

function checkUtf8(bytes: Uint8Array, start: number, end: number): void {
  if (end - start <= maxLoopBytes) {
    let all = 0;
    for (let index = start; index < end; index += 1) all |= bytes[index] as number;
    if (all < 0x80) return;
  }
  try {
    utf8.decode(bytes.subarray(start, end));
  } catch {
    throw new FrameError(1007, 'A string is not valid UTF-8.');
  }
}

const proto = Uint8Array.from('__proto__', (character) => character.charCodeAt(0));

function isProto(bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < proto.length; index += 1) {
    if (bytes[start + index] !== proto[index]) return false;
  }
  return true;
}

function truncated(): FrameError {
  return new FrameError(1007, 'The frame ends within a MessagePack value.');
}
