/**
 * How many operations a request may have. Etcd counts the longest list of a transaction - compares,
 * then- or else-branch - and what a nested one may have is what is left of it: beside 64 nested
 * ones, each has 64.
 */
import type { Txn } from '../../../src/decision-log/etcd/requests.ts';

const maxOperations = 128;

export function hasTooMany(request: Txn, most: number = maxOperations): boolean {
  const { compare = [], success = [], failure = [] } = request;
  const longest = Math.max(compare.length, success.length, failure.length);
  if (longest > most) return true;
  return [...success, ...failure].some(
    ({ request_txn: nested }) => nested !== undefined && hasTooMany(nested, most - longest),
  );
}
