/**
 * Every error code and abort reason, once. SDK errors, CLI exit codes and the table in the docs
 * derive from here.
 *
 * `retryable` says whether doing the same thing again, later or elsewhere, can succeed.
 * `acted` says what may have happened before the error: 'nothing', or 'unknown'.
 */

export interface ErrorEntry {
  readonly retryable: boolean;
  readonly acted: 'nothing' | 'unknown';
  /** What happened and what to do next, for a person. */
  readonly text: string;
}

export const errorCodes = [
  'NOT_LEADER',
  'BUSY',
  'LOG_UNAVAILABLE',
  'UNKNOWN_TRANSACTION',
  'UNKNOWN_BRANCH',
  'EXPIRED',
  'WRONG_STATE',
  'INVALID_MESSAGE',
  'UNSUPPORTED_VERSION',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'REQUEST_CONFLICT',
  'TOO_LARGE',
  'LIMIT_EXCEEDED',
  'OUTCOME_UNKNOWN',
  'INTERNAL',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

export const errorCatalogue: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NOT_LEADER: {
    retryable: true,
    acted: 'nothing',
    text: 'This node does not lead the shard, or leads it under another epoch. Send the request to the leader named in the error.',
  },
  BUSY: {
    retryable: true,
    acted: 'nothing',
    text: 'The node is at one of its limits, or is stopping. Try again after retryAfterMs, or on another node.',
  },
  LOG_UNAVAILABLE: {
    retryable: true,
    acted: 'nothing',
    text: 'The decision log cannot be reached. Nothing can be decided until it is back; nothing is lost.',
  },
  UNKNOWN_TRANSACTION: {
    retryable: false,
    acted: 'nothing',
    text: 'There is no such transaction under this leader. It ended, was never begun, or the id is wrong.',
  },
  UNKNOWN_BRANCH: {
    retryable: false,
    acted: 'nothing',
    text: 'The participant holds no such branch, neither prepared nor committed. An operator must look at it.',
  },
  EXPIRED: {
    retryable: false,
    acted: 'unknown',
    text: 'The outcome is no longer known: the request is older than the request window, or the record was collected. Look at the participants.',
  },
  WRONG_STATE: {
    retryable: false,
    acted: 'nothing',
    text: 'The transaction is past the state in which this is allowed, such as enlisting after commit began.',
  },
  INVALID_MESSAGE: {
    retryable: false,
    acted: 'nothing',
    text: 'The message breaks the protocol. The text says which field; mend the sender.',
  },
  UNSUPPORTED_VERSION: {
    retryable: false,
    acted: 'nothing',
    text: 'The peer speaks a protocol version that this node does not. Upgrade the older of the two.',
  },
  UNAUTHENTICATED: {
    retryable: false,
    acted: 'nothing',
    text: 'The connection has not said hello, or its token was refused.',
  },
  FORBIDDEN: {
    retryable: false,
    acted: 'nothing',
    text: 'The connection has not the role that this message needs, or its instance was retired.',
  },
  REQUEST_CONFLICT: {
    retryable: false,
    acted: 'nothing',
    text: 'The requestId was used before with other content. Use a new id for a new request.',
  },
  TOO_LARGE: {
    retryable: false,
    acted: 'nothing',
    text: 'The frame, message or decision record is larger than the limit told in welcome.',
  },
  LIMIT_EXCEEDED: {
    retryable: false,
    acted: 'nothing',
    text: 'One of the limits told in welcome was exceeded: connections, branches, nesting or counts.',
  },
  OUTCOME_UNKNOWN: {
    retryable: true,
    acted: 'unknown',
    text: 'The outcome is not known here yet. It will be exactly one: ask for the status of the txid, or send the same requestId again.',
  },
  INTERNAL: {
    retryable: false,
    acted: 'unknown',
    text: 'The node met a fault of its own; its log says more. Ask for the status of the txid before doing anything again.',
  },
};

export interface ReasonEntry {
  readonly retryable: boolean;
  readonly text: string;
}

export const reasonCodes = [
  'VOTED_ABORT',
  'CONFLICT',
  'LOCK_TIMEOUT',
  'DEADLOCK',
  'PREPARE_TIMEOUT',
  'PARTICIPANT_UNAVAILABLE',
  'TRANSACTION_TIMEOUT',
  'ROLLED_BACK',
  'FORCED',
  'LEADER_CHANGED',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export const reasonCatalogue: Readonly<Record<ReasonCode, ReasonEntry>> = {
  VOTED_ABORT: {
    retryable: false,
    text: 'A participant voted abort for a reason of its own, such as too little stock.',
  },
  CONFLICT: {
    retryable: true,
    text: 'A version that the transaction had read is stale. Read again and retry.',
  },
  LOCK_TIMEOUT: { retryable: true, text: 'A lock was not granted in time.' },
  DEADLOCK: { retryable: true, text: 'The transaction was the youngest of a cycle of waiters.' },
  PREPARE_TIMEOUT: {
    retryable: true,
    text: 'A participant did not vote within its prepare time-out.',
  },
  PARTICIPANT_UNAVAILABLE: {
    retryable: true,
    text: 'A participant is not connected to the coordinator, does not answer it, or has all the work that it may have. Try again after retryAfterMs.',
  },
  TRANSACTION_TIMEOUT: {
    retryable: true,
    text: 'The transaction was not decided within its time-out.',
  },
  ROLLED_BACK: { retryable: false, text: 'The client rolled the transaction back.' },
  FORCED: {
    retryable: true,
    text: 'A participant or an operator ended its doubt by forcing the abort.',
  },
  LEADER_CHANGED: {
    retryable: true,
    text: 'The leadership under which the transaction began ended before it was decided.',
  },
};

/** Why a transaction aborted, as clients see it. */
export interface AbortReason {
  readonly code: ReasonCode;
  readonly message: string;
  readonly participant?: string;
  readonly retryable: boolean;
  /** Not before this, where that is known: a participant that does not answer is not asked again earlier. */
  readonly retryAfterMs?: number;
  /** Structured extra, such as `{key, expected, actual}` of a CONFLICT. */
  readonly detail?: unknown;
}

export function abortReason(
  code: ReasonCode,
  more: {
    message?: string;
    participant?: string;
    retryable?: boolean;
    retryAfterMs?: number;
    detail?: unknown;
  } = {},
): AbortReason {
  const entry = reasonCatalogue[code];
  return {
    code,
    message: more.message ?? entry.text,
    retryable: more.retryable ?? entry.retryable,
    ...(more.participant === undefined ? {} : { participant: more.participant }),
    ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
    ...(more.detail === undefined ? {} : { detail: more.detail }),
  };
}
