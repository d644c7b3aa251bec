/** Payloads and results are checked: what does not fit is a vote to abort that says where. */
import type { PrepareCall, PrepareResult, Resource } from '../ports/resource.ts';
import type { SchemaIssue, StandardSchema } from '../ports/schema.ts';
import { boundedText, PrepareFailure } from './prepare-failure.ts';
import { vote } from './vote.ts';
import { withPrepare } from './with-prepare.ts';

/** Of so many faults the client is told. */
const maxIssues = 10;

export interface Schemas<Payload = never, Result = unknown> {
  readonly payload?: StandardSchema<Payload, unknown>;
  readonly result?: StandardSchema<unknown, Result>;
}

/**
 * The same resource behind the schemas. `prepare` gets what the schema made of the payload;
 * `commit` and `rollback` what was sent: they come for branches of before a restart too, and
 * refusing is no option there. The vote carries what the schema made of the result.
 */
export function behindSchemas<Payload, Result>(
  resource: Resource<Payload, Result>,
  { payload, result }: Schemas<Payload, Result>,
): Resource<Payload, Result> {
  let checked = resource;
  if (result !== undefined) checked = withPrepare(checked, resultChecked(checked, result));
  if (payload !== undefined) checked = withPrepare(checked, payloadChecked(checked, payload));
  return checked;
}

/** Votes that say nothing of what the application holds: it was not asked. */
const refusals = new WeakSet<object>();

/** Whether this vote is the schema's, of a payload, and not the application's own. */
export function isPayloadRefusal(returned: PrepareResult<unknown>): boolean {
  return refusals.has(returned);
}

function payloadChecked<Payload, Result>(
  resource: Resource<Payload, Result>,
  schema: StandardSchema<Payload, unknown>,
): Resource<Payload, Result>['prepare'] {
  return async (call) => {
    const checked = await schema['~standard'].validate(call.payload);
    if (checked.issues !== undefined) {
      const { message, detail } = faultsIn('payload', checked.issues);
      const refused = vote.abort(message, { code: 'INVALID_PAYLOAD', detail });
      refusals.add(refused);
      return refused;
    }
    return resource.prepare(
      // All that the call has, and its signal made when it is asked for.
      Object.defineProperties({} as PrepareCall<Payload>, {
        ...Object.getOwnPropertyDescriptors(call),
        payload: { value: checked.value, enumerable: true },
      }),
    );
  };
}

function resultChecked<Payload, Result>(
  resource: Resource<Payload, Result>,
  schema: StandardSchema<unknown, Result>,
): Resource<Payload, Result>['prepare'] {
  return async (call) => {
    const returned = await resource.prepare(call);
    // An abort brings nothing back, and what is no vote at all is told as such further on.
    if (returned?.vote !== 'commit' && returned?.vote !== 'readonly') return returned;
    const checked = await schema['~standard'].validate(returned.result);
    if (checked.issues !== undefined) {
      // Thrown, unlike a wrong payload: there is something to roll back.
      const { paths, ...reason } = faultsIn('result', checked.issues);
      throw new PrepareFailure(
        { code: 'INVALID_RESULT', retryable: false, ...reason },
        // What a schema says may quote the value, and results are never logged.
        { message: `INVALID_RESULT: ${paths}` },
      );
    }
    // What the schema made of it is sent as it is.
    const result = checked.value as Result | undefined;
    return { vote: returned.vote, ...(result === undefined ? {} : { result }) };
  };
}

function faultsIn(
  what: 'payload' | 'result',
  issues: readonly SchemaIssue[],
): { readonly message: string; readonly detail: unknown; readonly paths: string } {
  const told = issues.slice(0, maxIssues).map(({ path = [], message }) => ({
    path: pathText(what, path),
    message: boundedText(String(message)),
  }));
  const text = told.map(({ path, message }) => `${path}: ${message}`).join('; ');
  const paths = told.map(({ path }) => path).join(', ');
  return { message: boundedText(text), detail: { issues: told }, paths };
}

/** `payload.items[3].when`. */
function pathText(what: string, path: NonNullable<SchemaIssue['path']>): string {
  let text = what;
  for (const step of path) {
    const key = typeof step === 'object' ? step.key : step;
    if (typeof key === 'number') text += `[${key}]`;
    else
      text += /^[a-zA-Z_$][\w$]*$/.test(String(key))
        ? `.${String(key)}`
        : `[${JSON.stringify(String(key))}]`;
  }
  return boundedText(text);
}
