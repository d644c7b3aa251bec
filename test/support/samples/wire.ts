/** Shorthands for the tests of src/wire. */
import { pack } from 'msgpackr';
import type { Message } from '../../../src/core/messages.ts';
import { type Decoded, type Direction, decodeFrame, type Form } from '../../../src/wire/codec.ts';
import { FrameError } from '../../../src/wire/frame-error.ts';
import { readers } from '../../../src/wire/readers.ts';
import { fromNodeShapes } from '../../../src/wire/shapes-from-node.ts';
import { toNodeShapes } from '../../../src/wire/shapes-to-node.ts';
import type { Readers } from '../../../src/wire/validate.ts';
import type { Fields } from '../../../src/wire/validators.ts';
import { encodeFrame } from '../network/encode-frame.ts';
import { fromNodeSamples, toNodeSamples } from './samples.ts';

export const limits = {
  maxFrameBytes: 1_048_576,
  maxDepth: 32,
  maxBranches: 128,
  maxLocks: 64,
} as const;
export const forms: readonly Form[] = ['binary', 'text'];

/** Every type of both directions with its fields and a sample. */
export const catalogue: readonly {
  readonly direction: Direction;
  readonly type: string;
  readonly fields: Fields;
  readonly sample: Message;
}[] = [
  ...Object.entries(toNodeShapes).map(([type, fields]) => ({
    direction: 'to-node' as const,
    type,
    fields: fields as Fields,
    sample: toNodeSamples[type as keyof typeof toNodeSamples],
  })),
  ...Object.entries(fromNodeShapes).map(([type, fields]) => ({
    direction: 'from-node' as const,
    type,
    fields: fields as Fields,
    sample: fromNodeSamples[type as keyof typeof fromNodeSamples],
  })),
];

export function decode<D extends Direction>(
  data: Uint8Array | string,
  direction: D,
  more: Partial<typeof limits | Record<keyof typeof limits, number>> = {},
): Decoded<D>[] {
  return decodeFrame<D>(data, {
    readers: readers[direction] as unknown as Readers<D>,
    limits: { ...limits, ...more },
  });
}

/** Encodes what is no message: another peer may send anything. */
export function frameOf(form: Form, ...values: readonly unknown[]): Uint8Array | string {
  return form === 'text'
    ? values.map((value) => JSON.stringify(value)).join('\n')
    : Buffer.concat(values.map((value) => pack(value)));
}

/** Through the wire and back, as one message. */
export function trip(message: Message, form: Form, direction: Direction): unknown {
  const decoded = decode(encodeFrame([message], form), direction);
  if (decoded.length !== 1) throw new Error(`${decoded.length} messages came back`);
  const [only] = decoded;
  if (only?.ok !== true) throw new Error(only?.problem.message);
  return only.message;
}

/** The FrameError that `action` throws. */
export function frameError(action: () => unknown): FrameError {
  try {
    action();
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
