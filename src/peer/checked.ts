/** What an SDK is called with, held against the tables of the wire before anything is sent: the same rules, with the field named. */
import type { ToNode } from '../core/messages.ts';
import { isName, nameText } from '../core/names.ts';
import { maxNameBytes, widestLimits } from '../wire/limits.ts';
import { validate } from '../wire/validate.ts';
import type { RequestWithoutId } from './requests.ts';
import { refusal } from './verdict-error.ts';

/** Throws what the node would answer: `transact.branches[0].branch must be …`. Payloads are looked at when they are sent. */
export function checkRequest(message: RequestWithoutId): void {
  // Absent and undefined are one here; and what the reader leaves out must not go from the caller's own objects.
  const copy: Record<string, unknown> = { id: 0 };
  for (const [field, value] of Object.entries(message)) {
    if (value !== undefined) copy[field] = Array.isArray(value) ? value.map(copied) : value;
  }
  const result = validate(copy, 'to-node', widestLimits);
  if (result.ok) return;
  const { code, message: text } = result.problem;
  throw refusal(code, `${text}.`);
}

/** For the names in a hello, which are known before there is a connection. Throws a TypeError. */
export function checkName(value: unknown, what: keyof Extract<ToNode, { type: 'hello' }>): void {
  if (typeof value === 'string' && isName(value, maxNameBytes)) return;
  throw new TypeError(`${what} must be ${nameText(maxNameBytes)}`);
}

function copied(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
}
