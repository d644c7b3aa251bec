/**
 * Every error code and abort reason, once. SDK errors, CLI exit codes and the table in the docs
 * derive from here.
 *
 * `retryable` says whether doing the same thing again, later or elsewhere, can succeed.
 * `acted` says what may have happened before the error: 'nothing', or 'unknown'.
 */

export interface ErrorEntry {
  readonly retryable: boolean;
  /** The transaction was aborted with it: what may be done again is the transaction, not the request. */
  readonly aborted?: true;
  readonly acted: 'nothing' | 'unknown';
  /** What happened and what to do next, for a person. */
  readonly text: string;
  /** Where to look when it stays, or comes often. */
  readonly look: string;
}

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
export type ErrorCode = (typeof errorCodes)[number];

export const errorCatalogue: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NOT_LEADER: {
    retryable: true,
    acted: 'nothing',
    text: 'This node does not lead the shard, or leads it under another epoch. Send the request to the leader named in the error.',
    look: '`verdict status`: who leads. Where nobody does for longer than the lease, whether the nodes reach etcd.',
  },
  BUSY: {
    retryable: true,
    acted: 'nothing',
    text: 'The node is at one of its limits, or is stopping. Try again after retryAfterMs, or on another node.',
    look: "The node's log and the limits in OPERATING.md. One that drains says so, and others take over.",
  },
  LOG_UNAVAILABLE: {
    retryable: true,
    acted: 'nothing',
    text: 'The decision log cannot be reached. Nothing can be decided until it is back; nothing is lost.',
    look: 'The log itself. With etcd: its quorum, its disk, its space alarm; in single mode the disk under --data.',
  },
  UNKNOWN_TRANSACTION: {
    retryable: false,
    acted: 'nothing',
    text: 'There is no such transaction under this leader. It ended, was never begun, or the id is wrong.',
    look: '`verdict tx show TXID` at any node: it reads the log, which remembers longer than a leader does.',
  },
  UNKNOWN_BRANCH: {
    retryable: false,
    acted: 'nothing',
    text: 'The participant holds no such branch, neither prepared nor committed. An operator must look at it.',
    look: "The participant's alarms and its data directory: it lost its journal, or was restored from a backup.",
  },
  EXPIRED: {
    retryable: false,
    acted: 'unknown',
    text: 'The outcome is no longer known: the request is older than the request window, or the record was collected. Look at the participants.',
    look: "The participants' own data, by txid or request id. Send requests again within the request window (2 minutes by default).",
  },
  ALREADY_COMMITTED: {
    retryable: false,
    acted: 'unknown',
    text: 'The request is older than the request window and was not run. An attempt of it had committed, under the txid in the error.',
    look: 'Nothing is wrong: the SDK takes it for the outcome. It means that a sender waited, or slept, for longer than the request window.',
  },
  WRONG_STATE: {
    retryable: false,
    acted: 'nothing',
    text: 'The transaction is past the state in which this is allowed, such as enlisting after commit began.',
    look: '`verdict tx show TXID`: the state it is in. Enlist before commit, and call commit once.',
  },
  INVALID_MESSAGE: {
    retryable: false,
    acted: 'nothing',
    text: 'The message breaks the protocol. The text says which field; mend the sender.',
    look: 'The sender; docs/PROTOCOL.md, section 7. The SDKs send none, unless an option or a payload is not plain data.',
  },
  UNSUPPORTED_VERSION: {
    retryable: false,
    acted: 'nothing',
    text: 'The peer speaks a protocol version that this node does not. Upgrade the older of the two.',
    look: 'The versions of the package on both sides.',
  },
  UNAUTHENTICATED: {
    retryable: false,
    acted: 'nothing',
    text: 'The connection has not said hello, or its token was refused.',
    look: "The token of the client or participant against the node's --token-file.",
  },
  FORBIDDEN: {
    retryable: false,
    acted: 'nothing',
    text: 'The connection has not the role that this message needs, or its instance was retired.',
    look: 'The roles in hello. For a retired instance: why it was retired; one that holds doubts must not come back.',
  },
  JOURNAL_COPIED: {
    retryable: false,
    acted: 'nothing',
    text: 'Another process runs with a copy of this journal, and started before this one, which is refused for as long as it runs. Give it a new, empty data directory.',
    look: 'Where the data directory came from: a cloned volume or machine, an image with the directory in it. The error names both processes.',
  },
  REQUEST_CONFLICT: {
    retryable: false,
    acted: 'nothing',
    text: 'The requestId was used before with other content. Use a new id for a new request.',
    look: 'Where request ids are made: two requests were given the same one, by clients of one name. Give each service a name of its own.',
  },
  TOO_LARGE: {
    retryable: false,
    acted: 'nothing',
    text: 'The frame, message or decision record is larger than the limit told in welcome.',
    look: 'The payloads and results: keep what is large in a store of its own, and send its key.',
  },
  LIMIT_EXCEEDED: {
    retryable: false,
    acted: 'nothing',
    text: 'One of the limits told in welcome was exceeded: connections, branches, nesting or counts.',
    look: '`limits` in welcome, and the options of the node in OPERATING.md.',
  },
  DEADLOCK: {
    retryable: true,
    aborted: true,
    acted: 'nothing',
    text: 'The transaction waited for a lock in a cycle of waiters, was the youngest of them, and was aborted. Run it again.',
    look: 'The message: it names the cycle. Take locks in one order.',
  },
  LOCK_TIMEOUT: {
    retryable: true,
    aborted: true,
    acted: 'nothing',
    text: 'The transaction was not granted a lock in time, and was aborted. Run it again.',
    look: '`verdict locks`: who holds it, and for how long.',
  },
  OUTCOME_UNKNOWN: {
    retryable: true,
    acted: 'unknown',
    text: 'The outcome is not known here yet. It will be exactly one: ask for the status of the txid, or send the same requestId again.',
    look: '`verdict tx show TXID`. It stays unknown only while etcd has no quorum.',
  },
  INTERNAL: {
    retryable: false,
    acted: 'unknown',
    text: 'The node met a fault of its own; its log says more. Ask for the status of the txid before doing anything again.',
    look: "The node's log, around the time of the error: it is a bug.",
  },
};

/** Nothing of an aborted transaction is left anywhere, whatever the reason. */
export interface ReasonEntry {
  readonly retryable: boolean;
  readonly text: string;
  /** Where to look when it comes often. */
  readonly look: string;
}

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
export type ReasonCode = (typeof reasonCodes)[number];

export const reasonCatalogue: Readonly<Record<ReasonCode, ReasonEntry>> = {
  VOTED_ABORT: {
    retryable: false,
    text: 'A participant voted abort for a reason of its own, such as too little stock.',
    look: "The message: it is the participant's own.",
  },
  INVALID_PAYLOAD: {
    retryable: false,
    text: "The payload does not fit the participant's schema. The message says which field; mend the sender.",
    look: '`detail.issues`: each path and what is wrong there. Whether client and participant have the same version of the contract.',
  },
  INVALID_RESULT: {
    retryable: false,
    text: "What the participant's prepare brought back does not fit its own schema: a fault of the service, not of the sender. It was rolled back.",
    look: "`detail.issues`: each path and what is wrong there. The participant's log; whether it has the version of the contract that it was written for.",
  },
  CONFLICT: {
    retryable: true,
    text: 'A version that the transaction had read is stale. Read again and retry.',
    look: '`detail`: the key, the version that was expected and the one found. If it comes often, shared locks or smaller keys.',
  },
  LOCK_TIMEOUT: {
    retryable: true,
    text: 'A lock was not granted in time, or was held too long without a decision.',
    look: '`verdict locks`: who holds it and for how long. Take locks in one order and hold them briefly.',
  },
  DEADLOCK: {
    retryable: true,
    text: 'The transaction was the youngest of a cycle of waiters.',
    look: '`detail`: the cycle. Take locks in one order.',
  },
  RESOURCE_UNAVAILABLE: {
    retryable: true,
    text: "A participant's database, or another store of its own, cannot be reached or takes no work just now: it is starting, stopping, failing over, or full.",
    look: "The message: it is the database's own. Then the database, its log and its limits on connections.",
  },
  PREPARE_TIMEOUT: {
    retryable: true,
    text: 'A participant did not vote within its prepare time-out.',
    look: 'The participant: how long its prepare takes, and what it waits for.',
  },
  PARTICIPANT_UNAVAILABLE: {
    retryable: true,
    text: 'A participant is not connected to the coordinator, does not answer it, or has all the work that it may have. Try again after retryAfterMs.',
    look: '`verdict status`: whether it is connected, and since when. Whether its name is spelled alike on both sides.',
  },
  TRANSACTION_TIMEOUT: {
    retryable: true,
    text: 'The transaction was not decided within its time-out.',
    look: '`timeoutMs` against what the branches take together; an interactive transaction that nobody committed.',
  },
  ROLLED_BACK: {
    retryable: false,
    text: 'The client rolled the transaction back.',
    look: 'The reason that the client gave.',
  },
  FORCED: {
    retryable: true,
    text: 'A participant or an operator ended its doubt by forcing the abort.',
    look: 'Why a participant could not reach the leader: its log names the nodes that it asked.',
  },
  TOO_LARGE: {
    retryable: false,
    text: 'The decision record would be larger than the log takes.',
    look: 'How many branches it has, and how long their names and those of the instances and shared resources are; `maxRecordBytes` in OPERATING.md.',
  },
  LEADER_CHANGED: {
    retryable: true,
    text: 'The leadership under which the transaction began ended before it was decided.',
    look: "Nothing, where it comes alone: a failover. Often: why leaders change (`verdict status`, the nodes' logs).",
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

/** The same reason as it is kept where details are too much to keep. */
export function withoutDetail(reason: AbortReason): AbortReason {
  const { detail: _detail, ...rest } = reason;
  return rest;
}
