/**
 * What of etcd's requests is simulated: what the decision log makes use of. Whatever else is asked
 * must not be answered as though it had been understood.
 */
import type {
  ICompare,
  IDeleteRangeRequest,
  IPutRequest,
  IRangeRequest,
  IWatchCreateRequest,
} from 'etcd3';
import type { Compare, Op, Txn } from '../../../src/decision-log/etcd/requests.ts';

const fields = {
  range: names<IRangeRequest>('key', 'range_end', 'limit', 'count_only'),
  put: names<IPutRequest>('key', 'value', 'lease'),
  remove: names<IDeleteRangeRequest>('key', 'range_end'),
  watch: names<IWatchCreateRequest>('key', 'range_end'),
  compare: names<ICompare>(
    'key',
    'range_end',
    'target',
    'result',
    'create_revision',
    'mod_revision',
    'value',
  ),
} as const;
const targets = new Set<Compare['target']>(['Create', 'Mod', 'Value']);
const results = new Set<Compare['result']>(['Equal', 'Less']);

function names<T>(...known: (keyof T & string)[]): ReadonlySet<string> {
  return new Set(known);
}

/** Throws where something is asked that is not simulated. */
export function assertKnown({ compare = [], success = [], failure = [] }: Txn): void {
  for (const one of compare) {
    assertFields('compare', one);
    if (!targets.has(one.target)) throw unknown(`a compare of ${String(one.target)}`);
    if (!results.has(one.result)) throw unknown(`a compare by ${String(one.result)}`);
  }
  for (const op of success) assertKnownOp(op);
  for (const op of failure) assertKnownOp(op);
}

export function assertKnownWatch(request: IWatchCreateRequest): void {
  assertFields('watch', request);
}

function assertKnownOp(op: Op): void {
  if (op.request_range !== undefined) assertFields('range', op.request_range);
  else if (op.request_put !== undefined) assertFields('put', op.request_put);
  else if (op.request_delete_range !== undefined) assertFields('remove', op.request_delete_range);
  else if (op.request_txn !== undefined) assertKnown(op.request_txn);
  else throw unknown('an operation without content');
}

function assertFields(
  kind: keyof typeof fields,
  request: { readonly key?: Buffer; readonly range_end?: Buffer },
): void {
  for (const name in request) {
    if (!fields[kind].has(name)) throw unknown(`${name} of a ${kind}`);
  }
  if (request.key === undefined || request.key.length === 0) {
    throw unknown(`a ${kind} without a key`);
  }
  const { range_end: end } = request;
  if (end !== undefined && Buffer.compare(end, request.key) <= 0) {
    throw unknown(`a ${kind} whose range ends before it begins, or is open`);
  }
}

function unknown(what: string): Error {
  return new Error(`The simulated etcd does not know ${what}. Teach it, and compare it with etcd.`);
}
