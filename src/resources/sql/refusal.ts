/** What a database's error means for a branch's vote. */
import type { VoteReason } from '../../core/messages.ts';
import { thrownText } from '../../core/thrown.ts';

/** The branch, or its resource, is another session's: nothing that this one could vote about. */
export class BranchTakenError extends Error {
  override readonly name = 'BranchTakenError';
}

/** Named after what its session holds, a branch is not prepared without it. */
export function locksReleased(statement: string): Error {
  return new Error(
    `A statement of the branch let go of the locks of its session, Verdict's own among them: ${statement}, with the name of your own lock.`,
  );
}

export interface Refusal {
  readonly reason: VoteReason;
  /** The branch lost to another that has ended, or will soon: run again, it may go through. */
  readonly again?: true;
  /** The connection is gone, or the server is: whatever it was asked last, it may have done. */
  readonly lost?: true;
}

/** What an error says, whatever the database calls it. `ended`: and the session is over. */
export type ErrorKind = 'lock-timeout' | 'deadlock' | 'conflict' | 'unavailable' | 'ended';

export interface Refusals {
  /** Null for the service's own, such as a constraint. `lost`: the connection is gone. */
  readonly refusalOf: (error: unknown, lost: boolean) => Refusal | null;
  /** Of an error before the branch had begun: nothing of the service's own has run. */
  readonly refusalOfBegin: (error: unknown) => Refusal | null;
}

export function refusalsOf(given: {
  readonly database: string;
  /** Null: not the database's word on itself. */
  readonly kindOf: (error: unknown) => ErrorKind | null;
  /** Before the branch had begun: no answer of the server's, or that it is no primary. */
  readonly isNoSession: (error: unknown) => boolean;
  /** What helps where it lasts. */
  readonly adviceOf?: (error: unknown) => string | null;
}): Refusals {
  const { database, kindOf, isNoSession, adviceOf = () => null } = given;
  const deadlock = `${database} found a deadlock, and chose this branch to end it. Retry.`;
  const unavailable = (error: unknown, more: { lost?: true } = {}): Refusal => {
    const advice = adviceOf(error);
    const retry = advice === null ? 'Retry.' : `Retry; where it lasts, ${advice}.`;
    const message = `${database} takes no work just now: ${thrownText(error)}. ${retry}`;
    return refusedWith('RESOURCE_UNAVAILABLE', message, more);
  };
  const refusalOf = (error: unknown, lost: boolean): Refusal | null => {
    const kind = kindOf(error);
    switch (kind) {
      case 'lock-timeout':
        return lockTimeout;
      case 'deadlock':
        return refusedWith('DEADLOCK', deadlock, { again: true });
      case 'conflict':
        return conflict;
      default:
        if (kind === 'ended' || isNetworkError(error) || lost)
          return unavailable(error, { lost: true });
        return kind === null ? null : unavailable(error);
    }
  };
  return {
    refusalOf,
    refusalOfBegin: (error) => {
      if (error instanceof BranchTakenError) return null;
      return isNoSession(error) ? unavailable(error) : refusalOf(error, false);
    },
  };
}

const lockTimeout = refusedWith(
  'LOCK_TIMEOUT',
  'A row or table is held by another transaction, and was not free in time. Retry.',
);

const conflict = refusedWith(
  'CONFLICT',
  'Another transaction changed what this branch had read (serialization failure). Retry.',
  { again: true },
);

export function refusedWith(
  code: NonNullable<VoteReason['code']>,
  message: string,
  more: Omit<Refusal, 'reason'> = {},
): Refusal {
  return { reason: { code, message, retryable: true }, ...more };
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
function isNetworkError(error: unknown): boolean {
  return isInCauses(error, (one) => {
    const { code, syscall } = one as { readonly code?: unknown; readonly syscall?: unknown };
    if (typeof code !== 'string' || !networkCodes.has(code)) return false;
    return code !== 'ENOENT' || syscall === 'connect';
  });
}

const maxDepth = 8;

/** The first that `of` finds, in the error or its causes: libraries wrap those of drivers. */
export function inCauses<T>(error: unknown, of: (one: object) => T | null): T | null {
  try {
    let one = error;
    for (let depth = 0; depth < maxDepth && typeof one === 'object' && one !== null; depth += 1) {
      const found = of(one);
      if (found !== null) return found;
      one = (one as { readonly cause?: unknown }).cause;
    }
  } catch {
    // A getter of something foreign threw: it is no error of a database.
  }
  return null;
}

/** Whether it is so of the error or of what caused it. */
export function isInCauses(error: unknown, is: (one: object) => boolean): boolean {
  return inCauses(error, (one) => (is(one) ? true : null)) !== null;
}
