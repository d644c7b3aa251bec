/** MariaDB's error numbers that mean something here. */
import type { VoteReason } from '../../../core/messages.ts';
import { inCauses } from '../sql/causes.ts';

/** XAER_NOTA: no such branch - or one that belongs to a session that still lives. */
export const unknownXid = 1397;

export function numberOf(error: unknown): number | null {
  return inCauses(error, (one) => {
    const { errno } = one as { readonly errno?: unknown };
    return typeof errno === 'number' ? errno : null;
  });
}

/** What NOWAIT says, in MariaDB and in MySQL. */
export function isNotFree(error: unknown): boolean {
  return numberOf(error) === 1205 || numberOf(error) === 3572;
}

/** What a failed statement votes; null for a failure that is no contention between transactions. */
export function refusalOf(error: unknown): VoteReason | null {
  switch (numberOf(error)) {
    // ER_LOCK_WAIT_TIMEOUT, XA_RBTIMEOUT
    case 1205:
    case 1613:
      return {
        code: 'LOCK_TIMEOUT',
        message: 'A row or table is held by another transaction, and was not free in time. Retry.',
        retryable: true,
      };
    // ER_LOCK_DEADLOCK, XA_RBDEADLOCK
    case 1213:
    case 1614:
      return {
        code: 'DEADLOCK',
        message: 'The database found a deadlock, and chose this branch to end it. Retry.',
        retryable: true,
      };
    // ER_CHECKREAD, with innodb_snapshot_isolation
    case 1020:
      return {
        code: 'CONFLICT',
        message: 'Another transaction changed what this branch had read. Retry.',
        retryable: true,
      };
    default:
      return null;
  }
}
