/**
 * What every error code and abort reason means, once, for people. CLI texts and the table in the
 * docs derive from here.
 */
import { type ErrorCode, type ErrorFacts, errorFacts, type ReasonCode } from './codes.ts';

export type { ErrorCode, ReasonCode } from './codes.ts';

export interface ErrorEntry extends ErrorFacts {
  /** What happened and what to do next, for a person. */
  readonly text: string;
  /** Where to look when it stays, or comes often. */
  readonly look: string;
}

export const errorCatalogue: Readonly<Record<ErrorCode, ErrorEntry>> = {
  NOT_LEADER: {
    ...errorFacts.NOT_LEADER,
    text: 'This node does not lead the shard, or leads it under another epoch. Send the request to the leader named in the error.',
    look: '`verdict status` shows who leads. If no node leads for longer than the lease, check that the nodes reach etcd.',
  },
  BUSY: {
    ...errorFacts.BUSY,
    text: 'The node is at one of its limits, a participant has all the work that it does in time (the client says so itself where many of its calls wait), or the node is stopping. Try again after retryAfterMs.',
    look: "The node's log, and the limits in OPERATING.md. A draining node says so, and others take over.",
  },
  LOG_UNAVAILABLE: {
    ...errorFacts.LOG_UNAVAILABLE,
    text: 'The decision log cannot be reached. Nothing can be decided until it is back; nothing is lost.',
    look: 'The log itself. With etcd, check its quorum, disk and space alarm; in single mode, the disk under --data.',
  },
  UNKNOWN_TRANSACTION: {
    ...errorFacts.UNKNOWN_TRANSACTION,
    text: 'The leader has no such transaction. It ended, was never begun, or the id is wrong.',
    look: '`verdict tx show TXID` at any node. It reads the log, which remembers longer than a leader.',
  },
  UNKNOWN_BRANCH: {
    ...errorFacts.UNKNOWN_BRANCH,
    text: 'The participant holds no such branch, neither prepared nor committed. An operator must look into it.',
    look: "The participant's alarms and data directory. It lost its journal, or was restored from a backup.",
  },
  EXPIRED: {
    ...errorFacts.EXPIRED,
    text: 'The outcome is no longer known: the request is older than the request window, or the record was collected. Look at the participants.',
    look: "The participants' own data, by txid or request id. Send requests again within the request window (2 minutes by default).",
  },
  ALREADY_COMMITTED: {
    ...errorFacts.ALREADY_COMMITTED,
    text: 'The request is older than the request window and was not run. An earlier attempt committed, under the txid in the error.',
    look: 'Nothing is wrong: the SDK reports the commit as the outcome. The sender waited, or its machine slept, for longer than the request window.',
  },
  WRONG_STATE: {
    ...errorFacts.WRONG_STATE,
    text: "The transaction's state no longer allows this, for example to enlist after commit began.",
    look: '`verdict tx show TXID` shows its state. Enlist before commit, and call commit once.',
  },
  INVALID_MESSAGE: {
    ...errorFacts.INVALID_MESSAGE,
    text: 'The message breaks the protocol. The text names the field; fix the sender.',
    look: 'The sender, and docs/PROTOCOL.md, "The wire". The SDKs send no such message unless an option or a payload is not plain data.',
  },
  UNSUPPORTED_VERSION: {
    ...errorFacts.UNSUPPORTED_VERSION,
    text: 'The peer speaks a protocol version that this node does not know. Upgrade the older of the two.',
    look: 'The versions of the package on both sides.',
  },
  UNAUTHENTICATED: {
    ...errorFacts.UNAUTHENTICATED,
    text: 'The connection has not said hello, or its token was refused.',
    look: "The token of the client or participant against the node's --token-file.",
  },
  FORBIDDEN: {
    ...errorFacts.FORBIDDEN,
    text: 'Whoever sent this may not do it: the message says what was refused, and by which rule. It needs another role, or a right that the access file does not give, or its instance was retired or belongs to another identity.',
    look: 'The roles in hello, and the identity in the access file (`verdict config`). For a retired instance, find out why it was retired; if it is in doubt it must not come back. Where it belongs to another identity: was its data directory taken over, or the identity renamed? `verdict rebind` gives it to another one.',
  },
  JOURNAL_COPIED: {
    ...errorFacts.JOURNAL_COPIED,
    text: 'Another process runs with a copy of this journal and started earlier. This process is refused for as long as it runs. Give it a new, empty data directory.',
    look: 'Where the data directory came from: a cloned volume or machine, or an image that contains it. The error names both processes.',
  },
  REQUEST_CONFLICT: {
    ...errorFacts.REQUEST_CONFLICT,
    text: 'The requestId was used before with other content. Use a new id for a new request.',
    look: 'Where request ids are made. Clients of one name gave two requests the same id. Give each service its own client name.',
  },
  TOO_LARGE: {
    ...errorFacts.TOO_LARGE,
    text: 'The frame, message or decision record is larger than the limit announced in welcome.',
    look: 'The payloads and results. Keep large data in a store and send its key.',
  },
  LIMIT_EXCEEDED: {
    ...errorFacts.LIMIT_EXCEEDED,
    text: 'One of the limits announced in welcome was exceeded: connections, branches, nesting or counts.',
    look: "`limits` in welcome, and the node's options in OPERATING.md.",
  },
  DEADLOCK: {
    ...errorFacts.DEADLOCK,
    text: "The transaction was the youngest in a cycle of transactions that wait for each other's locks, and was aborted. Run it again.",
    look: 'The message names the cycle. Take locks in one order.',
  },
  LOCK_TIMEOUT: {
    ...errorFacts.LOCK_TIMEOUT,
    text: 'The transaction was not granted a lock in time, and was aborted. Run it again.',
    look: '`verdict locks` shows who holds it, and for how long.',
  },
  OUTCOME_UNKNOWN: {
    ...errorFacts.OUTCOME_UNKNOWN,
    text: 'The outcome is not known here yet, but there will be exactly one. Ask for the status of the txid, or send the same requestId again.',
    look: '`verdict tx show TXID`. It stays unknown only while etcd has no quorum.',
  },
  INTERNAL: {
    ...errorFacts.INTERNAL,
    text: 'The node has an internal fault; its log says more. Ask for the status of the txid before you do anything again.',
    look: "The node's log around the time of the error. It is a bug.",
  },
};

/** Nothing of an aborted transaction is left anywhere, whatever the reason. */
export interface ReasonEntry {
  readonly retryable: boolean;
  readonly text: string;
  /** Where to look when it comes often. */
  readonly look: string;
}

export const reasonCatalogue: Readonly<Record<ReasonCode, ReasonEntry>> = {
  VOTED_ABORT: {
    retryable: false,
    text: 'A participant voted abort for its own reason, such as too little stock.',
    look: 'The message comes from the participant.',
  },
  INVALID_PAYLOAD: {
    retryable: false,
    text: "The payload does not fit the participant's schema. The message names the field; fix the sender.",
    look: '`detail.issues` lists each path and what is wrong there. Check that client and participant have the same version of the contract.',
  },
  INVALID_RESULT: {
    retryable: false,
    text: "The result of the participant's prepare does not fit its own schema, cannot be sent, or is no vote: a fault of the service, not of the sender. It was rolled back.",
    look: "`detail.issues` lists each path and what is wrong there. Check the participant's log, and that it has the version of the contract that it was written for.",
  },
  CONFLICT: {
    retryable: true,
    text: 'A version that the transaction had read is stale. Read again and retry.',
    look: '`detail` has the key, the expected version and the one found. If it comes often, use shared locks or smaller keys.',
  },
  LOCK_TIMEOUT: {
    retryable: true,
    text: 'A lock was not granted in time, or was held too long without a decision.',
    look: '`verdict locks` shows who holds it and for how long. Take locks in one order and hold them briefly.',
  },
  DEADLOCK: {
    retryable: true,
    text: 'The transaction was the youngest in a cycle of waiters.',
    look: '`detail` has the cycle. Take locks in one order.',
  },
  RESOURCE_UNAVAILABLE: {
    retryable: true,
    text: "A participant's database or other store cannot be reached or accepts no work at the moment: it is starting, stopping, failing over, or full.",
    look: 'The message comes from the database. Then look at the database, its log and its connection limits.',
  },
  PREPARE_TIMEOUT: {
    retryable: true,
    text: 'A participant did not vote within its prepare time-out.',
    look: 'The participant. Find out how long its prepare takes, and what it waits for.',
  },
  PARTICIPANT_UNAVAILABLE: {
    retryable: true,
    text: 'A participant is not connected to the coordinator, or does not answer. Try again after retryAfterMs.',
    look: '`verdict status` shows whether it is connected, and since when. Check that both sides spell its name alike.',
  },
  TRANSACTION_TIMEOUT: {
    retryable: true,
    text: 'The transaction was not decided within its time-out.',
    look: 'Compare `timeoutMs` with the time the branches take together. Perhaps an interactive transaction was never committed.',
  },
  ROLLED_BACK: {
    retryable: false,
    text: 'The client rolled the transaction back.',
    look: 'The reason given by the client.',
  },
  FORCED: {
    retryable: true,
    text: 'A participant or an operator ended its doubt by forcing the abort.',
    look: 'Why a participant could not reach the leader. Its log names the nodes it asked.',
  },
  TOO_LARGE: {
    retryable: false,
    text: 'The decision record would be larger than the log accepts.',
    look: 'The number of branches, and the length of their names and of those of instances and shared resources. See `maxRecordBytes` in OPERATING.md.',
  },
  LEADER_CHANGED: {
    retryable: true,
    text: 'The leadership in which the transaction began ended before it was decided.',
    look: "A single one is a failover. If it comes often, find out why leaders change (`verdict status`, the nodes' logs).",
  },
};

/** Why a transaction aborted, as clients see it. */
export interface AbortReason {
  /** What to match on. */
  readonly code: ReasonCode;
  /** For people; a participant that voted abort wrote its own. */
  readonly message: string;
  /** Whose vote, or silence, it was. Absent where it was no participant's. */
  readonly participant?: string;
  /** Whether the same transaction may commit when it is tried again. */
  readonly retryable: boolean;
  /** Not before this, where it is known: a silent participant is not asked again earlier. */
  readonly retryAfterMs?: number;
  /** Structured extra, such as `{key, expected, actual}` of a CONFLICT. */
  readonly detail?: unknown;
}

export function abortReason(
  code: ReasonCode,
  more: Partial<Omit<AbortReason, 'code'>> = {},
): AbortReason {
  const { text: message, retryable } = reasonCatalogue[code];
  return { code, message, retryable, ...more };
}

/** The same reason as it is kept where details are too much to keep. */
export function withoutDetail(reason: AbortReason): AbortReason {
  const { detail: _detail, ...rest } = reason;
  return rest;
}
