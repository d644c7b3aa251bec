/** Why a branch of a versioned store votes `abort`, as its client gets to read it. */
import type { VoteReason } from '../../core/messages.ts';
import type { LockResult } from './locks.ts';

/** Ends a branch: however it is caught, the branch votes `abort` with this reason. */
export class RefusedError extends Error {
  /** Always this. */
  override readonly name = 'RefusedError';
  /** What the branch votes. */
  readonly reason: VoteReason;

  constructor(reason: VoteReason) {
    super(reason.message);
    this.reason = reason;
  }
}

/** What the client needs to read again. */
export interface ConflictDetail {
  /** The record that another transaction has written meanwhile. */
  readonly key: string;
  /** The version that the transaction had read; 0: nothing was there. */
  readonly expected: number;
  /** The version that is there now; 0: nothing. */
  readonly actual: number;
}

export function conflict(detail: ConflictDetail): VoteReason {
  const { key, expected, actual } = detail;
  return {
    code: 'CONFLICT',
    message: `Stale version of ${key}: ${expected} was read, ${actual} is current. Read it again and retry.`,
    retryable: true,
    detail,
  };
}

const lockTexts: Readonly<Record<Exclude<LockResult, 'granted'>, string>> = {
  'timed-out': 'is held by another transaction, and was not free in time. Retry.',
  'given-up': 'is held by another transaction, and this one ended while it waited. Retry.',
  'too-many': 'is held by another transaction, and too many others wait. Retry later.',
  deadlock: 'is held by a transaction that waits for this one. Retry.',
};

export function lockRefusal(key: string, result: Exclude<LockResult, 'granted'>): VoteReason {
  return {
    code: result === 'deadlock' ? 'DEADLOCK' : 'LOCK_TIMEOUT',
    message: `${key} ${lockTexts[result]}`,
    retryable: true,
    detail: { key },
  };
}
