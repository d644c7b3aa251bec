/** Fields that no one knows are refused: a request with a `requestID` would be one without a request id, and could commit twice. */
import type { BranchRequest, TransactOptions, TransactRequest } from './types.ts';

type Known<T> = Readonly<Record<keyof T, true>>;

const requestFields: Known<TransactRequest> = {
  requestId: true,
  attempt: true,
  requestAgeMs: true,
  locks: true,
  lockWaitMs: true,
  branches: true,
  timeoutMs: true,
  labels: true,
  lockGroup: true,
};
const branchFields: Known<BranchRequest> = { participant: true, branch: true, payload: true };
const optionFields: Known<TransactOptions> = {
  answer: true,
  retry: true,
  timeoutMs: true,
  signal: true,
};

export function checkTransact(request: TransactRequest, options: TransactOptions): void {
  checkFields(request, { known: requestFields, of: 'transact' });
  checkFields(options, { known: optionFields, of: "transact's options" });
  // What is no list is refused with the rest of the request.
  if (Array.isArray(request.branches)) {
    for (const branch of request.branches)
      checkFields(branch, { known: branchFields, of: 'a branch' });
  }
  const { requestAgeMs } = request;
  if (requestAgeMs === undefined || (Number.isFinite(requestAgeMs) && requestAgeMs >= 0)) return;
  throw new TypeError(
    'requestAgeMs must be the milliseconds since the request was first sent: a number not below 0',
  );
}

function checkFields(
  value: unknown,
  { known, of }: { readonly known: Readonly<Record<string, true>>; readonly of: string },
): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [field, given] of Object.entries(value)) {
    if (given === undefined || Object.hasOwn(known, field)) continue;
    throw new TypeError(
      `There is no field ${JSON.stringify(field.slice(0, 40))} in ${of}. The fields are ${Object.keys(known).join(', ')}.`,
    );
  }
}
