/** One line of a `submit` file -> one transaction, or what is wrong with it. */
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { Labels } from '../../core/messages.ts';
import { thrownLine } from '../../core/thrown.ts';
import { maxNameBytes, maxTimeoutMs, widestLimits } from '../../wire/limits.ts';
import { sendable } from '../../wire/sendable.ts';
import { key, labels } from '../../wire/shapes.ts';
import {
  anything,
  integer,
  isMap,
  lastFault,
  optional,
  quoted,
  readFields,
  record,
  refused,
  required,
} from '../../wire/validators.ts';
import { findLoss } from './scan-json.ts';

/** What one line asks for: the fields as they are written in it. */
export interface SubmittedTransaction {
  readonly requestId?: string;
  readonly timeoutMs?: number;
  readonly labels?: Labels;
  /** By participant: what it is to do. */
  readonly participants: Readonly<Record<string, unknown>>;
}

export type ParsedLine =
  | { readonly ok: true; readonly transaction: SubmittedTransaction }
  /** `requestId` where it could be made out, for the report. */
  | { readonly ok: false; readonly problem: string; readonly requestId: string | null };

const fields = {
  requestId: optional(key, 'The idempotency key.'),
  timeoutMs: optional(integer(1, maxTimeoutMs), "The transaction's time-out."),
  labels: optional(labels, 'For people: shown by status and lists.'),
  participants: required(
    record(key, anything, coordinatorOptionTable.maxBranches.max),
    'What is to be done by whom.',
  ),
};
const names: readonly string[] = Object.keys(fields);
const read = readFields(fields, []);

export function parseLine(text: string): ParsedLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(null, notJson(text, error));
  }
  if (!isMap(value)) {
    return bad(
      null,
      `The line is not a JSON object but ${kindOf(value)}. Write {"participants": {…}}.`,
    );
  }
  const given = value['requestId'];
  const requestId = typeof given === 'string' && given.length <= maxNameBytes ? given : null;
  const loss = findLoss(text);
  if (loss !== null) return bad(requestId, loss);
  const unknown = Object.keys(value).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const listed = unknown.slice(0, 5).map(quoted).join(', ');
    return bad(requestId, `There is no field ${listed}. The fields are ${names.join(', ')}.`);
  }
  const transaction = read(value, widestLimits);
  if (transaction === refused) return bad(requestId, `${lastFault('line').message}.`);
  const submitted = transaction as unknown as SubmittedTransaction;
  if (Object.keys(submitted.participants).length === 0) {
    return bad(requestId, 'There are no participants: nothing would be done.');
  }
  try {
    sendable(submitted, 'line');
  } catch (error) {
    return bad(requestId, `${(error as Error).message}.`);
  }
  return { ok: true, transaction: submitted };
}

function bad(requestId: string | null, problem: string): ParsedLine {
  return { ok: false, problem, requestId };
}

/** V8's own words quote the line; payloads do not belong on a terminal or in a log. */
function notJson(text: string, error: unknown): string {
  if (text.includes('\0')) {
    return 'The line holds a NUL character: the file is UTF-16 or no text. Save it as UTF-8.';
  }
  const position = /at position (\d+)/.exec(thrownLine(error))?.[1];
  const where = position === undefined ? '' : ` (at character ${Number(position) + 1})`;
  return `The line is not JSON${where}. Each line must be one whole JSON object.`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
