/** From a decoded map to a message: behind this trust boundary it is what core/messages.ts says. */
import type { ErrorCode } from '../core/catalogue.ts';
import { type FromNode, protocolVersion, type ToNode } from '../core/messages.ts';
import type { WireLimits } from './limits.ts';
import { type Fields, isMap, lastFault, quoted, readFields, refused } from './validators.ts';

/** `to-node`: what a node receives. `from-node`: what everyone else receives. */
export type Direction = 'to-node' | 'from-node';
export type MessageOf<D extends Direction> = { 'to-node': ToNode; 'from-node': FromNode }[D];

/** A well-framed message that breaks the rules; `id` is its own where it has a valid one. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly id?: number;
}

export type Decoded<D extends Direction> =
  | { readonly ok: true; readonly message: MessageOf<D> }
  | { readonly ok: false; readonly problem: Problem };

/** Of a frame. Each message is made when asked for, and asked for once. Arrays fit too. */
export interface DecodedFrame<D extends Direction> {
  readonly length: number;
  at(index: number): Decoded<D> | undefined;
}

type ReadMessage = ReturnType<typeof readFields>;

/** What is read of a direction: all of it, or what one kind of peer is sent. */
export interface Readers<D extends Direction> {
  readonly direction: D;
  readonly byType: ReadonlyMap<string, ReadMessage>;
  /** Types of the other direction: whoever sends one has mistaken who it is. */
  readonly misplaced: ReadonlySet<string>;
}

export function readersOf<D extends Direction>(
  direction: D,
  shapes: Readonly<Record<string, Fields>>,
  misplaced: readonly string[] = [],
): Readers<D> {
  const byType = new Map(
    Object.entries(shapes).map(([type, fields]) => [type, readFields(fields, ['type'])]),
  );
  return { direction, byType, misplaced: new Set(misplaced) };
}

/** Takes `value` over: it becomes the message, or part of it. */
export function validate<D extends Direction>(
  value: Record<string, unknown>,
  readers: Readers<D>,
  limits: WireLimits,
): Decoded<D> {
  const type = value['type'];
  if (typeof type !== 'string') {
    const text = 'The message has no `type`, or one that is not a string.';
    return problem(value, 'INVALID_MESSAGE', text);
  }
  const read = readers.byType.get(type);
  if (read === undefined) return problem(value, 'INVALID_MESSAGE', unknownType(type, readers));
  const message = read(value, limits);
  if (message !== refused) return { ok: true, message: message as unknown as MessageOf<D> };
  const { code, message: text } = lastFault(type);
  return problem(value, speaksOtherVersion(value) ? 'UNSUPPORTED_VERSION' : code, text);
}

export function problem(
  value: unknown,
  code: ErrorCode,
  message: string,
): { readonly ok: false; readonly problem: Problem } {
  const id = isMap(value) && Object.hasOwn(value, 'id') ? value['id'] : undefined;
  return {
    ok: false,
    problem:
      typeof id === 'number' && Number.isSafeInteger(id) && id >= 0
        ? { code, message, id }
        : { code, message },
  };
}

/** A hello of another version may have other fields: its sender must hear what is really wrong. */
function speaksOtherVersion(value: Readonly<Record<string, unknown>>): boolean {
  const protocol = value['protocol'];
  return value['type'] === 'hello' && Number.isInteger(protocol) && protocol !== protocolVersion;
}

function unknownType(type: string, { direction, misplaced }: Readers<Direction>): string {
  if (misplaced.has(type)) {
    return `A message of type ${quoted(type)} is sent ${direction === 'to-node' ? 'by a node, never to one' : 'to a node, never by one'}.`;
  }
  return `There is no message of type ${quoted(type)}.`;
}
