/** PostgreSQL's error codes that mean something here. */
import type { VoteReason } from '../../../core/messages.ts';
import { inCauses } from '../sql/causes.ts';

export const undefinedObject = '42704';
/** "... is busy": another session is just ending this prepared transaction. */
export const notInPrerequisiteState = '55000';

export function codeOf(error: unknown): string | null {
  return textIn(error, 'code');
}

export function constraintOf(error: unknown): string | null {
  return textIn(error, 'constraint');
}

function textIn(error: unknown, name: 'code' | 'constraint'): string | null {
  return inCauses(error, (one) => {
    const value = (one as Readonly<Record<string, unknown>>)[name];
    return typeof value === 'string' ? value : null;
  });
}

/** What a failed statement votes; null for a failure that is no contention between transactions. */
export function refusalOf(error: unknown): VoteReason | null {
  switch (codeOf(error)) {
    case '55P03':
      return {
        code: 'LOCK_TIMEOUT',
        message: 'A row or table is held by another transaction, and was not free in time. Retry.',
        retryable: true,
      };
    case '40P01':
      return {
        code: 'DEADLOCK',
        message: 'PostgreSQL found a deadlock, and chose this branch to end it. Retry.',
        retryable: true,
      };
    case '40001':
      return {
        code: 'CONFLICT',
        message:
          'Another transaction changed what this branch had read (serialization failure). Retry.',
        retryable: true,
      };
    // Out of memory, which a full table of prepared transactions is said to be.
    case '53200':
      return {
        code: 'VOTED_ABORT',
        message: `PostgreSQL has no room to prepare: ${messageOf(error)}. Retry; where it lasts, raise max_prepared_transactions.`,
        retryable: true,
      };
    default:
      return null;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
