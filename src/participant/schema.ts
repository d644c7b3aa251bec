/** Payloads are checked before `prepare` sees them: what does not fit is a vote to abort that says where it does not. */
import type { PrepareCall, PrepareResult, Resource } from '../ports/resource.ts';
import type { SchemaIssue, StandardSchema } from '../ports/schema.ts';
import { boundedText } from './text.ts';
import { vote } from './vote.ts';
import { withPrepare } from './with-prepare.ts';

/** Of so many faults the client is told. */
const issuesMax = 10;

/**
 * The same resource behind the schema. `prepare` gets what the schema made of the payload; `commit` and `rollback` what was sent: they
 * come for branches of before a restart too, and refusing is no option there.
 */
export function behindSchema<Payload, Result>(
  resource: Resource<Payload, Result>,
  schema: StandardSchema<Payload> | undefined,
): Resource<Payload, Result> {
  if (schema === undefined) return resource;
  return withPrepare(resource, (call) => checkedPrepare(resource, schema, call));
}

async function checkedPrepare<Payload, Result>(
  resource: Resource<Payload, Result>,
  schema: StandardSchema<Payload>,
  call: PrepareCall<Payload>,
): Promise<PrepareResult<Result>> {
  const result = await schema['~standard'].validate(call.payload);
  if (result.issues !== undefined) return refusal(result.issues);
  const { value } = result;
  return resource.prepare(
    // All that the call has, and its signal made when it is asked for.
    Object.defineProperties({} as PrepareCall<Payload>, {
      ...Object.getOwnPropertyDescriptors(call),
      payload: { value, enumerable: true },
    }),
  );
}

function refusal(issues: readonly SchemaIssue[]): PrepareResult<never> {
  const told = issues.slice(0, issuesMax).map(({ path = [], message }) => ({
    path: pathText(path),
    message: boundedText(String(message)),
  }));
  const text = told.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return vote.abort(boundedText(text), { code: 'INVALID_PAYLOAD', detail: { issues: told } });
}

/** `payload.items[3].when`. */
function pathText(path: NonNullable<SchemaIssue['path']>): string {
  let text = 'payload';
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
