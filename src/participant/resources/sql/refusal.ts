/** What a database's error means for a branch's vote. */

import type { VoteReason } from '../../../core/messages.ts';
import { thrownText } from '../../../core/thrown.ts';
import { inCauses } from './causes.ts';

export interface Refusal {
  readonly reason: VoteReason;
  /** The branch lost to another one that has ended by now, or will soon: run again, it may go through. */
  readonly again?: true;
  /** The connection is gone, or the server is: whatever it was asked last, it may have done. */
  readonly lost?: true;
}

export function lockTimeout(): Refusal {
  const message = 'A row or table is held by another transaction, and was not free in time. Retry.';
  return { reason: { code: 'LOCK_TIMEOUT', message, retryable: true } };
}

export function deadlock(database: string): Refusal {
  const message = `${database} found a deadlock, and chose this branch to end it. Retry.`;
  return { reason: { code: 'DEADLOCK', message, retryable: true }, again: true };
}

export function conflict(): Refusal {
  const message =
    'Another transaction changed what this branch had read (serialization failure). Retry.';
  return { reason: { code: 'CONFLICT', message, retryable: true }, again: true };
}

/** For a while: starting, stopping, failing over, full. */
export function unavailable(database: string, error: unknown, more: { lost?: true } = {}): Refusal {
  const text = thrownText(error);
  const message = `${database} takes no work just now: ${text}. Retry.`;
  return { reason: { code: 'RESOURCE_UNAVAILABLE', message, retryable: true }, ...more };
}

const networkCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT', // a socket of a server that is not running
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** The operating system's word that there is no connection. */
export function isNetworkError(error: unknown): boolean {
  return (
    inCauses(error, (one) => {
      const { code, syscall } = one as { readonly code?: unknown; readonly syscall?: unknown };
      if (typeof code !== 'string' || !networkCodes.has(code)) return null;
      return code !== 'ENOENT' || syscall === 'connect' ? true : null;
    }) !== null
  );
}
