/** What the client's calls take, held against what there is before anything is sent. */
import { checkFields, type Fields } from '../core/fields.ts';
import type { LockedKeys } from '../core/messages.ts';
import type { ConnectOptions } from './client.ts';
import type { RunOptions } from './run.ts';
import type {
  BranchRequest,
  CallOptions,
  CommitOptions,
  LockOptions,
  RetryOptions,
  TransactionOptions,
  TransactOptions,
  TransactRequest,
} from './types.ts';

/** `attempt`: the context of `run` may be given as it is. */
export const callFields: Fields<CallOptions & { attempt?: number }> = {
  timeoutMs: 'ms',
  signal: 'signal',
  attempt: 'internal',
};
export const commitFields: Fields<CommitOptions> = { ...callFields, answer: 'any' };
// The wire's own tables say more of what goes over it as it is.
export const lockFields: Fields<LockOptions> = { ...callFields, mode: 'any', waitMs: 'ms' };
export const statusFields: Fields<CallOptions & { share?: string }> = {
  ...callFields,
  share: 'text',
};
export const shareFields: Fields<{ share: string; timeoutMs?: number }> = {
  share: 'text',
  timeoutMs: 'ms',
};
export const transactionFields: Fields<TransactionOptions> = {
  timeoutMs: 'ms',
  labels: 'any',
  lockGroup: 'any',
};
export const branchFields: Fields<BranchRequest> = {
  participant: 'any',
  branch: 'any',
  payload: 'any',
};
const lockedFields: Fields<LockedKeys> = { keys: 'any', mode: 'any' };
const retryFields: Fields<RetryOptions> = {
  maxAttempts: 'count',
  retryDelayMs: 'ms',
  maxRetryDelayMs: 'ms',
};
export const runFields: Fields<RunOptions> = {
  ...commitFields,
  ...retryFields,
  transaction: 'object',
};
const transactOptions: Fields<TransactOptions> = { ...commitFields, retry: 'any' };
const requestFields: Fields<TransactRequest> = {
  ...transactionFields,
  requestId: 'any',
  attempt: 'any',
  requestAgeMs: 'any',
  locks: 'any',
  lockWaitMs: 'ms',
  branches: 'any',
};
export const connectFields: Fields<ConnectOptions> = {
  urls: 'any',
  name: 'any',
  token: 'any',
  jwt: 'any',
  tls: 'any',
  timeoutMs: 'ms',
  signal: 'signal',
  defaults: 'object',
  metrics: 'any',
  dialer: 'internal',
  clock: 'internal',
  random: 'internal',
};

export function checkTransact(given: TransactRequest, options: TransactOptions): void {
  checkFields(given, requestFields, 'transact');
  checkFields(options, transactOptions, "transact's options");
  const { retry } = options;
  if (typeof retry !== 'boolean') checkFields(retry, retryFields, 'retry');
  // What is no list is refused with the rest of the request.
  if (Array.isArray(given.branches)) {
    for (const branch of given.branches) {
      if (typeof branch === 'object') checkFields(branch, branchFields, 'a branch');
    }
  }
  if (Array.isArray(given.locks)) {
    for (const locked of given.locks) {
      if (typeof locked === 'object') checkFields(locked, lockedFields, 'locks');
    }
  }
  const { requestAgeMs } = given;
  if (requestAgeMs === undefined || (Number.isFinite(requestAgeMs) && requestAgeMs >= 0)) return;
  throw new TypeError(
    'requestAgeMs must be the milliseconds since the request was first sent: a number not below 0',
  );
}
