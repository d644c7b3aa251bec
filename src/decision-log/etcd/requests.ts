import type {
  ICompare,
  IKeyValue,
  IRequestOp,
  IResponseOp,
  ITxnRequest,
  ITxnResponse,
} from 'etcd3';
import type { KeyRange } from './keys.ts';

export type Compare = ICompare;
export type KeyValue = IKeyValue;
export type Op = IRequestOp;
export type OpResult = IResponseOp;
export type Txn = ITxnRequest;
export type TxnResult = ITxnResponse;

export const absent = (key: Buffer): Compare => ({
  key,
  target: 'Create',
  result: 'Equal',
  create_revision: '0',
});

export const noneIn = (range: KeyRange): Compare => ({ ...absent(range.key), ...range });

export const modIs = (key: Buffer, revision: string): Compare => ({
  key,
  target: 'Mod',
  result: 'Equal',
  mod_revision: revision,
});

/** The key was not written after `revision`. True where there is none. */
export const notNewer = (key: Buffer, revision: string): Compare => ({
  key,
  target: 'Mod',
  result: 'Less',
  mod_revision: String(BigInt(revision) + 1n),
});

/** The same of each key of the range. */
export const noneNewerIn = (range: KeyRange, revision: string): Compare => ({
  ...notNewer(range.key, revision),
  ...range,
});

/** False where the key is missing: etcd knows no empty value to compare with. */
export const valueIs = (key: Buffer, value: Buffer): Compare => ({
  key,
  target: 'Value',
  result: 'Equal',
  value,
});

/** As bytes. False where the key is missing. */
export const valueBelow = (key: Buffer, value: Buffer): Compare => ({
  key,
  target: 'Value',
  result: 'Less',
  value,
});

export const get = (key: Buffer): Op => ({ request_range: { key } });

export const getRange = (range: KeyRange, limit: number): Op => ({
  request_range: { ...range, limit },
});

export const countRange = (range: KeyRange): Op => ({
  request_range: { ...range, count_only: true },
});

export const put = (key: Buffer, value: Buffer): Op => ({ request_put: { key, value } });

export const putUnderLease = (key: Buffer, value: Buffer, lease: string): Op => ({
  request_put: { key, value, lease },
});

export const remove = (key: Buffer): Op => ({ request_delete_range: { key } });

export const removeRange = (range: KeyRange): Op => ({ request_delete_range: { ...range } });

export const nested = (request: Txn): Op => ({ request_txn: request });

export function found(responses: readonly OpResult[], index: number): KeyValue | null {
  return allFound(responses, index)[0] ?? null;
}

export function allFound(responses: readonly OpResult[], index: number): readonly KeyValue[] {
  return rangeAt(responses, index).kvs;
}

/** How many keys the range has, whatever the limit was. */
export function countFound(responses: readonly OpResult[], index: number): number {
  return Number(rangeAt(responses, index).count);
}

function rangeAt(responses: readonly OpResult[], index: number): OpResult['response_range'] {
  const range = responses[index]?.response_range;
  if (!range) throw new Error(`Etcd's answer has no range at place ${index}.`);
  return range;
}

export function nestedAt(responses: readonly OpResult[], index: number): TxnResult {
  const result = responses[index]?.response_txn;
  if (!result) throw new Error(`Etcd's answer has no transaction at place ${index}.`);
  return result;
}

export function removedAt(responses: readonly OpResult[], index: number): number {
  return Number(responses[index]?.response_delete_range?.deleted ?? 0);
}

/** Whether the transaction changed anything: then its revision is a new one. */
export function hasWritten(responses: readonly OpResult[]): boolean {
  return responses.some(
    (response, index) =>
      response.response_put ||
      removedAt(responses, index) > 0 ||
      (response.response_txn && hasWritten(response.response_txn.responses)),
  );
}
