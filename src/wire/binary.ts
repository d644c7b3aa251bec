import { Packr, Unpackr } from 'msgpackr';
import { maxMessageElements, type WireLimits } from './limits.ts';
import { type Scan, scanMessage } from './scan.ts';
import { checkMessageCount, type Finding, settle } from './settle.ts';
import type { DecodedFrame, Direction, Readers } from './validate.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });

const unpackrOptions = {
  useRecords: false,
  mapsAsObjects: true,
  // Integers that a double cannot hold become bigints, and only those.
  int64AsType: 'auto',
  // A transport uses its buffer again; a payload lives longer.
  copyBuffers: true,
};
// Cast: 'auto' is documented, but missing in the type.
const unpackr = new Unpackr(unpackrOptions as object);

/** Packing begins with a buffer of so many bytes, and fills it with one message after the other. */
const bufferBytes = 8_192;

/**
 * `message` must be what `sendable` gave back. What is packed next lies in the same buffer: after a
 * large message a small one that waits, or is kept, would hold several of its megabytes (!).
 */
export function encodeBinary(message: unknown): Uint8Array {
  const bytes = packr.pack(message);
  if (bytes.buffer.byteLength > bufferBytes) packr.useBuffer(Buffer.allocUnsafeSlow(bufferBytes));
  return bytes;
}

// One for all: decoding is synchronous.
const scan: Scan = { end: 0, depth: 0, hasProtoKey: false, hasNotFinite: false };
const range = { start: 0, end: 0 };

export function decodeBinary<D extends Direction>(
  bytes: Uint8Array,
  options: { readonly readers: Readers<D>; readonly limits: WireLimits },
): DecodedFrame<D> {
  const maxElements = maxMessageElements[options.readers.direction];
  // The whole frame first: of one that is broken further on nothing is handled.
  const ends: number[] = [];
  const findings: (Finding | null)[] = [];
  for (let start = 0; start < bytes.length; start = scan.end) {
    scanMessage(bytes, start, scan, maxElements);
    checkMessageCount(ends.push(scan.end));
    findings.push(findingOf(options.limits));
  }
  return {
    length: ends.length,
    at: (index) => {
      const finding = findings[index];
      if (finding === undefined) return undefined;
      range.start = ends[index - 1] ?? 0;
      range.end = ends[index] as number;
      const value = unpackr.unpack(bytes, range) as Record<string, unknown>;
      return settle(value, finding, options);
    },
  };
}

function findingOf(limits: WireLimits): Finding | null {
  if (scan.depth > limits.maxDepth) return 'too-deep';
  if (scan.hasProtoKey) return 'proto-key';
  return scan.hasNotFinite ? 'not-finite' : null;
}
