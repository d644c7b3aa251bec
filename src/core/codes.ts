/**
 * Every error code and abort reason, and what programs go by. SDK errors and CLI exit codes derive
 * from here; `catalogue.ts` has the words, which a client gets from the node.
 *
 * `retryable` says whether doing the same thing again, later or elsewhere, can succeed.
 * `acted` says what may have happened before the error: 'nothing', or 'unknown'.
 */

export interface ErrorFacts {
  readonly retryable: boolean;
  /** The transaction was aborted with it: do the transaction again, not the request. */
  readonly aborted?: true;
  readonly acted: 'nothing' | 'unknown';
}

/** What a node may answer a request with. */
export const errorCodes = [
  'NOT_LEADER',
  'BUSY',
  'LOG_UNAVAILABLE',
  'UNKNOWN_TRANSACTION',
  'UNKNOWN_BRANCH',
  'EXPIRED',
  'ALREADY_COMMITTED',
  'WRONG_STATE',
  'INVALID_MESSAGE',
  'UNSUPPORTED_VERSION',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'JOURNAL_COPIED',
  'REQUEST_CONFLICT',
  'TOO_LARGE',
  'LIMIT_EXCEEDED',
  'DEADLOCK',
  'LOCK_TIMEOUT',
  'OUTCOME_UNKNOWN',
  'INTERNAL',
] as const;
/** One of `errorCodes`. */
export type ErrorCode = (typeof errorCodes)[number];

export const errorFacts: Readonly<Record<ErrorCode, ErrorFacts>> = {
  NOT_LEADER: { retryable: true, acted: 'nothing' },
  BUSY: { retryable: true, acted: 'nothing' },
  LOG_UNAVAILABLE: { retryable: true, acted: 'nothing' },
  UNKNOWN_TRANSACTION: { retryable: false, acted: 'nothing' },
  UNKNOWN_BRANCH: { retryable: false, acted: 'nothing' },
  EXPIRED: { retryable: false, acted: 'unknown' },
  ALREADY_COMMITTED: { retryable: false, acted: 'unknown' },
  WRONG_STATE: { retryable: false, acted: 'nothing' },
  INVALID_MESSAGE: { retryable: false, acted: 'nothing' },
  UNSUPPORTED_VERSION: { retryable: false, acted: 'nothing' },
  UNAUTHENTICATED: { retryable: false, acted: 'nothing' },
  FORBIDDEN: { retryable: false, acted: 'nothing' },
  JOURNAL_COPIED: { retryable: false, acted: 'nothing' },
  REQUEST_CONFLICT: { retryable: false, acted: 'nothing' },
  TOO_LARGE: { retryable: false, acted: 'nothing' },
  LIMIT_EXCEEDED: { retryable: false, acted: 'nothing' },
  DEADLOCK: { retryable: true, aborted: true, acted: 'nothing' },
  LOCK_TIMEOUT: { retryable: true, aborted: true, acted: 'nothing' },
  OUTCOME_UNKNOWN: { retryable: true, acted: 'unknown' },
  INTERNAL: { retryable: false, acted: 'unknown' },
};

/** Why a transaction may abort. */
export const reasonCodes = [
  'VOTED_ABORT',
  'INVALID_PAYLOAD',
  'INVALID_RESULT',
  'CONFLICT',
  'LOCK_TIMEOUT',
  'DEADLOCK',
  'RESOURCE_UNAVAILABLE',
  'PREPARE_TIMEOUT',
  'PARTICIPANT_UNAVAILABLE',
  'TRANSACTION_TIMEOUT',
  'ROLLED_BACK',
  'FORCED',
  'TOO_LARGE',
  'LEADER_CHANGED',
] as const;
/** Why a transaction aborted, as docs/errors.md says. The words stay, the messages may change. */
export type ReasonCode = (typeof reasonCodes)[number];
