/** Checks an SDK's arguments by the wire's tables before sending, and names the field. */
import type { FromClient, ToNode } from '../core/messages.ts';
import { isName, nameText } from '../core/names.ts';
import { maxNameBytes, widestLimits } from '../wire/limits.ts';
import { fromClient } from '../wire/shapes/client.ts';
import { readersOf, validate } from '../wire/validate.ts';
import type { MetricRegistry } from './metric-registry.ts';
import type { RequestWithoutId } from './requests.ts';
import { refusal } from './verdict-error.ts';

const requests = readersOf('to-node', fromClient);

/** Throws what the node would: `transact.branches[0].branch must be …`. Not about payloads. */
export function checkRequest(
  message: Extract<RequestWithoutId, { type: FromClient['type'] }>,
): void {
  // Absent and undefined are the same here. A copy, for `validate` removes unknown fields.
  const copy: Record<string, unknown> = { id: 0 };
  for (const [field, value] of Object.entries(message)) {
    if (value !== undefined) copy[field] = Array.isArray(value) ? value.map(copied) : value;
  }
  const result = validate(copy, requests, widestLimits);
  if (result.ok) return;
  const { code, message: text } = result.problem;
  throw refusal(code, `${text}.`);
}

/** For the names in a hello, which are known before there is a connection. Throws a TypeError. */
export function checkName(value: unknown, what: keyof Extract<ToNode, { type: 'hello' }>): void {
  if (typeof value === 'string' && isName(value, maxNameBytes)) return;
  throw new TypeError(`${what} must be ${nameText(maxNameBytes)}`);
}

/** Throws a TypeError for what cannot be a registry of `prom-client`. */
export function checkRegistry(given: MetricRegistry): void {
  const has = (method: string): boolean => {
    return typeof (given as unknown as Record<string, unknown>)[method] === 'function';
  };
  const wanted = ['registerMetric', 'getSingleMetric', 'removeSingleMetric'];
  if (typeof given === 'object' && given !== null && wanted.every(has)) return;
  throw new TypeError('metrics must be a registry of prom-client, such as its `register`.');
}

function copied(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
}
