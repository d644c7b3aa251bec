/**
 * What the caller of an SDK wants sent, before anything is: what came to a service as JSON may hold
 * what JSON cannot carry on (1e400 is read as Infinity), and that is no fault of the service.
 */
import { maxMessageElements } from '../wire/limits.ts';
import { inspected } from '../wire/sendable.ts';
import { refusal } from './verdict-error.ts';

/** Of all payloads of a message; the rest is for names, labels and locks. */
export const maxPayloadElements: number = maxMessageElements['to-node'] - 12_144;
/** Of a path: its keys are the caller's, and as deep as he likes. */
const maxPathLength = 160;

/**
 * Throws INVALID_PAYLOAD, which says where, or TOO_LARGE. `maxDepth`: of the message. `above`: the
 * levels in it that a payload is within.
 */
export function checkPayloads(
  payloads: readonly unknown[],
  at: (index: number) => string,
  { maxDepth, above }: { readonly maxDepth: number; readonly above: number },
): void {
  let left = maxPayloadElements;
  for (const [index, payload] of payloads.entries()) {
    const { fault, elements } = inspected(payload, maxDepth - above, left);
    if (elements > left) throw tooMany();
    left -= elements;
    if (fault === null) continue;
    throw refusal('INVALID_PAYLOAD', `${at(index)}${cut(fault.path)} ${fault.text}.`);
  }
}

function tooMany() {
  const text = `The payloads hold more than ${maxPayloadElements} keys, values, maps and arrays. Keep large data in a store and send its key.`;
  return refusal('TOO_LARGE', text);
}

function cut(path: string): string {
  if (path.length <= maxPathLength) return path;
  const half = maxPathLength / 2;
  return `${path.slice(0, half)}…${path.slice(-half)}`.toWellFormed();
}
